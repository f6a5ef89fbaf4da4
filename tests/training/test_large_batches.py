"""Large batches: micro-batches, a sharded optimizer, and scaled rates."""

import functools
import json
import pathlib
import subprocess
import sys
import tempfile

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_history import build, datasets, layers
from cnn_history.files.checkpoint import Checkpoints
from cnn_history.models import resnet
from cnn_history.training import devices
from cnn_history.training.differentiate import in_parts, plainly
from experiments import lenet5_digits, resnet_large_batch_imagenet
from tests.training import settings
from tests.training.runs import CHECKOUT

PARTS, BATCH = 4, 16
IN_PARTS = np.arange(BATCH).reshape(-1, PARTS).T.ravel()  # the examples, part after part
RNG = np.random.default_rng(0)
IMAGES, LABELS = RNG.normal(size=(BATCH, 6, 6, 2)), RNG.integers(0, 8, BATCH)


class Net(nn.Module):
    """A small one, whose arrays all have an axis that eight divides."""

    group_size: int | None = None
    normalized: bool = True
    rate: float = 0.0

    @nn.compact
    def __call__(self, x, train: bool):
        """[n, h, w, c] -> [n, 8]."""
        x = nn.Conv(8, (3, 3), param_dtype=float, dtype=float)(x)
        if self.normalized:
            norm = layers.BatchNorm(group_size=self.group_size, dtype=x.dtype)
            x = norm(x, use_running_average=not train)
        x = nn.Dropout(self.rate, deterministic=not train)(nn.tanh(x))
        return nn.Dense(8, param_dtype=float, dtype=float)(x.mean((1, 2)))


def gradient(network, differentiate, images, labels):
    """Return value, gradient, logits and running statistics of a step."""
    variables = network.init(jax.random.key(1), images[:1], train=False)

    def forward(params, images, key):
        return network.apply(
            {**variables, "params": params},
            images,
            train=True,
            rngs={"dropout": key},
            mutable=["batch_stats"],
        )

    def objective(logits, labels):
        log = jax.nn.log_softmax(logits)
        return -jnp.take_along_axis(log, labels[:, None], 1).mean()

    step = functools.partial(differentiate, forward, objective)
    arguments = variables["params"], images, labels, jax.random.key(0)
    value, grads, (logits, stats), _ = jax.jit(step)(*arguments)
    return value, grads, logits, stats


def assert_close(a, b, **tolerance):
    """Hold two trees against each other."""
    for one, other in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(one, other, **tolerance)


def test_parts_make_the_gradient_of_the_batch():
    """Sums in another order: 1e-6 in float32, as the largest gradient is about 0.1."""
    network, images = Net(normalized=False), jnp.asarray(IMAGES, jnp.float32)
    arguments = network, images, jnp.asarray(LABELS)
    whole, parts = (gradient(arguments[0], d, *arguments[1:]) for d in (plainly, in_parts(PARTS)))
    assert max(float(jnp.abs(g).max()) for g in jax.tree.leaves(whole[1])) > 0.05
    assert_close(parts[:3], whole[:3], atol=1e-6)


def test_parts_are_groups_of_batch_norm():
    """A batch in parts is one batch, ordered by parts, whose norms take groups of a part's size."""
    with jax.enable_x64(True):
        parts = gradient(Net(), in_parts(PARTS), jnp.asarray(IMAGES), jnp.asarray(LABELS))
        ordered = jnp.asarray(IMAGES[IN_PARTS]), jnp.asarray(LABELS[IN_PARTS])
        groups = gradient(Net(group_size=BATCH // PARTS), plainly, *ordered)
        whole = gradient(Net(), plainly, jnp.asarray(IMAGES), jnp.asarray(LABELS))
        assert_close(parts[:2], groups[:2], atol=1e-12)
        assert_close(parts[2][IN_PARTS], groups[2], atol=1e-12)
        assert abs(float(parts[0] - whole[0])) > 1e-4
        # Running means are those of the batch; variances another unbiased estimate, of 0.1 x 1.
        ours, theirs = (made[3]["batch_stats"]["BatchNorm_0"] for made in (parts, whole))
        np.testing.assert_allclose(ours["mean"], theirs["mean"], atol=1e-12)
        np.testing.assert_allclose(ours["var"], theirs["var"], atol=5e-3)
        assert (ours["var"] != theirs["var"]).all()


def test_parts_draw_their_own_dropout():
    images = jnp.tile(jnp.asarray(IMAGES[:1], jnp.float32), (BATCH, 1, 1, 1))
    network = Net(normalized=False, rate=0.5)
    *_, logits, _ = gradient(network, in_parts(PARTS), images, jnp.asarray(LABELS))
    assert len(np.unique(np.round(logits[:, 0], 5))) == BATCH


def config_of(name, placed):
    """Return a config of the small net, and of an optimizer whose state lives there."""
    config = lenet5_digits.get_config("smoke")
    config.update(dtype="float64", image_size=8, learning_rate=0.02, optimizer_state=placed)
    config.update(batch_size=16, micro_batches=2)
    config.optimizer.name = name
    return config


def run(name, placed, steps=6, state=None, mesh=None):
    """Return the program and its state after some steps, from the first or from another's."""
    config = config_of(name, placed)
    train = datasets.source("digits", config.train_split)
    compiled, training, *_ = settings.of(config, Net(), train, mesh)
    if state is None:
        state = compiled.init()
    else:
        with tempfile.TemporaryDirectory() as name, Checkpoints(pathlib.Path(name), 1) as saved:
            saved.save(int(state.step), state)
            state = saved.restore(compiled.abstract)
    for step in range(int(state.step), steps):
        state, _ = compiled.step(state, training.data, training.at(step, 1))
    return state


def sharded_runs():
    """Print what eight devices keep of an optimizer's state, and where its steps end."""
    jax.config.update("jax_num_cpu_devices", 8)
    jax.config.update("jax_enable_x64", True)
    two = jax.make_mesh((2,), ("data",), (jax.sharding.AxisType.Auto,), devices=jax.devices()[:2])
    found = {}
    for name in ("momentum", "adam"):
        copied, cut = run(name, "replicated"), run(name, "sharded")
        velocity = [x for x in jax.tree.leaves(cut.opt_state) if x.ndim]
        again = []
        if name == "momentum":
            half = run(name, "sharded", steps=3)
            again += [run(name, "sharded", state=half, mesh=two)]
            again += [run(name, "sharded", state=run(name, "replicated", state=half, steps=5))]
        ends = [
            np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(jax.device_get(end.params))])
            for end in (copied, cut, *again)
        ]
        found[name] = {
            "bytes": sum(x.nbytes for x in velocity),
            "on_each": [
                sum(x.addressable_shards[i].data.nbytes for x in velocity) for i in range(8)
            ],
            "apart": [float(np.abs(end - ends[0]).max()) for end in ends],
        }
    json.dump(found, sys.stdout)


def test_a_sharded_optimizer_makes_the_same_steps_with_an_eighth_of_the_bytes():
    code = (
        "from cnn_history.training import devices; devices.start();"
        "from tests.training import test_large_batches as here; here.sharded_runs()"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, timeout=600
    )
    assert result.returncode == 0, result.stderr
    for name, found in json.loads(result.stdout).items():
        assert found["on_each"] == [found["bytes"] / 8] * 8, name
        # Of another number of devices, and of sums in another order: rounding of float64.
        assert max(found["apart"]) < 1e-12, name


def test_what_cannot_be_cut_is_copied():
    mesh = jax.sharding.AbstractMesh((8,), ("data",))
    shapes = {"kernel": jnp.zeros((5, 5, 6, 16)), "odd": jnp.zeros((3, 5)), "count": jnp.zeros(())}
    found = devices.sharded(shapes, mesh)
    assert found["kernel"].spec == jax.sharding.PartitionSpec(None, None, None, "data")
    assert found["odd"].spec == found["count"].spec == jax.sharding.PartitionSpec()


def test_the_rate_follows_the_batch_and_warms_up_from_one_workers():
    """Goyal et al. 2017: 0.1 for 256, hence 3.2 for 8,192, over five passes from 0.1."""
    config = resnet_large_batch_imagenet.get_config("batch=8192")
    rate, epoch = build.schedule(config), 1_281_167 / 8192
    found = [float(rate(round(epochs * epoch))) for epochs in (0, 2.5, 5.1, 29.9, 30.1, 60.1, 80.1)]
    assert found == pytest.approx([0.1, 1.65, 3.2, 3.2, 0.32, 0.032, 0.0032], rel=1e-2)
    small = build.schedule(resnet_large_batch_imagenet.get_config("batch=256"))
    assert [float(small(step)) for step in (0, 10_000)] == pytest.approx([0.1, 0.1])


def test_blocks_of_zero_gamma_start_as_their_shortcuts():
    images = jnp.asarray(RNG.normal(size=(2, 8, 8, 3)), jnp.float32)
    network = resnet.CifarResNet(blocks=1, zero_gamma=True)
    variables = jax.jit(functools.partial(network.init, train=False))(jax.random.key(0), images)
    for name, block in variables["params"].items():
        if "norm2" in block:
            assert not block["norm2"]["scale"].any(), name
            assert block["norm1"]["scale"].all()
    with pytest.raises(ValueError, match="zero_gamma needs a normalization with a scale"):
        network.clone(norm=None).init(jax.random.key(0), images, train=False)
