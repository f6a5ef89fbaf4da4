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

BATCH = 4  # in float64 a step of 16 images takes 5 s: XLA has no fast convolution for CPUs


def compare(dtype, steps, take_gradients=False):
    """Return the losses of both, [steps, 2], and the parameters of both after the last step.

    Or, at the first step, the gradients of both in place of the parameters.
    """
    config = resnet_cifar10.get_config()
    config.update(dtype=dtype, batch_size=BATCH)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (200, 32, 32, 3)).astype(np.uint8)
    labels = rng.integers(0, 10, 200).astype(np.int32)
    network = build.model(config, 10)
    compiled, training, way = settings.of(config, network, settings.source(images, labels))
    key = keys.keys(config.seed)
    state = compiled.init()
    net = torch_networks.CifarResNet(blocks=3).to(getattr(torch, dtype))
    torch_resnet.load(net, state.params)
    optimizer = torch_resnet.recipe(net, config.learning_rate)

    batch = jax.jit(
        lambda cursor: program.batch(training.take(training.data, cursor), cursor, way, key)
    )
    losses = []
    for step in range(steps):
        cursor = training.at(step, 1)
        made = batch(cursor)
        if take_gradients:
            ours = _gradients(network, state.params, state.model_state, made)
        state, metrics = compiled.step(state, training.data, cursor)
        theirs = torch_resnet.step(net, optimizer, np.asarray(made["image"], dtype), made["label"])
        losses.append((float(metrics["loss"]), theirs))
        if take_gradients:
            return np.array(losses), ours, torch_resnet.gradients(net)
    return np.array(losses), state.params, dict(torch_resnet.parameters(net))


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
        losses, ours, theirs = compare("float64", 10)
        # Rounding alone: 1e-16 a value, grown over ten steps.
        np.testing.assert_allclose(losses[:, 0], losses[:, 1], atol=1e-8)
        assert _largest_difference(ours, theirs) < 1e-8


def test_the_first_step_in_float32():
    losses, ours, theirs = compare("float32", 1, take_gradients=True)
    assert losses[0, 0] == pytest.approx(losses[0, 1], rel=1e-5)
    theirs = {path: g for path, g in theirs.items() if g is not None}
    assert len(theirs) == 59
    # Relative to the largest gradient of each layer. The weight decay of the recipe is in neither.
    assert _largest_difference(ours, theirs) < 1e-5
