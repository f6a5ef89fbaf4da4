"""ResNet-20 and the paper's recipe, here and in plain PyTorch: the same weights and batches."""

import jax
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed; EXTRAS=torch installs it")

from cnn_history import build  # noqa: E402
from cnn_history.benchmarks import torch_networks  # noqa: E402
from cnn_history.training import keys, program  # noqa: E402
from experiments import resnet_cifar10  # noqa: E402
from tests import torch_resnet  # noqa: E402
from tests.training import settings  # noqa: E402

BATCH = 16


def compare(dtype, steps):
    """Return the losses of both, the first gradients of both, and the last parameters of both."""
    config = resnet_cifar10.get_config()
    config.update(dtype=dtype, batch_size=BATCH)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (200, 32, 32, 3)).astype(np.uint8)
    labels = rng.integers(0, 10, 200).astype(np.int32)
    network = build.model(config, 10)
    made = settings.of(config, network, settings.source(images, labels))
    compiled, training, way = made
    key = keys.keys(config.seed)
    state = compiled.init()
    net = torch_networks.CifarResNet(blocks=3).to(getattr(torch, dtype))
    torch_resnet.load(net, state.params)
    optimizer = torch_resnet.recipe(net, config.learning_rate)

    batch = jax.jit(
        lambda cursor: program.batch(training.take(training.data, cursor), cursor, way, key)
    )
    losses, first = [], None
    for step in range(steps):
        cursor = training.at(step, 1)
        made = batch(cursor)
        before = state.params
        if first is None:
            first = _gradients(network, before, state.model_state, made)
        state, metrics = compiled.step(state, training.data, cursor)
        theirs = torch_resnet.step(net, optimizer, np.asarray(made["image"], dtype), made["label"])
        if step == 0:
            first = (first, torch_resnet.gradients(net))
            first = (first[0], {path: g.clone() for path, g in first[1].items()})
        losses.append((float(metrics["loss"]), theirs))
    return np.array(losses), first, (state.params, dict(torch_resnet.parameters(net)))


def _gradients(network, params, model_state, batch):
    def objective(params):
        variables = {"params": params, **model_state}
        logits, _ = network.apply(variables, batch["image"], train=True, mutable=["batch_stats"])
        return -jax.nn.log_softmax(logits)[np.arange(BATCH), batch["label"]].mean()

    return jax.jit(jax.grad(objective))(params)


def _largest_difference(ours, theirs):
    largest = 0.0
    for path, value in theirs.items():
        leaf = ours
        for name in path:
            leaf = leaf[name]
        value = value.detach()
        apart = (torch_resnet.to_torch(leaf) - value).abs().max() / value.abs().max()
        largest = max(largest, float(apart))
    return largest


def test_ten_steps_in_float64(optimized):
    with jax.enable_x64(True):
        losses, _, (ours, theirs) = compare("float64", 10)
        # Rounding alone: 1e-16 a value, grown over ten steps.
        np.testing.assert_allclose(losses[:, 0], losses[:, 1], atol=1e-8)
        assert _largest_difference(ours, theirs) < 1e-8


def test_the_first_step_in_float32():
    losses, (ours, theirs), _ = compare("float32", 1)
    assert losses[0, 0] == pytest.approx(losses[0, 1], rel=1e-5)
    theirs = {path: g for path, g in theirs.items() if g is not None}
    assert len(theirs) == 59
    # Relative to the largest gradient of each layer. The weight decay of the recipe is in neither.
    assert _largest_difference(ours, theirs) < 1e-5
