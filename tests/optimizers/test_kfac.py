"""K-FAC against exact solves and a trajectory in NumPy; on one device and on eight."""

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

from cnn_history import datasets, layers, models, optimizers, schedules
from cnn_history.files.checkpoint import Checkpoints
from cnn_history.training import devices
from experiments import lenet5_digits
from tests.training import settings
from tests.training.runs import CHECKOUT

PARAMS = {
    "dense": {"kernel": np.ones((3, 2)), "bias": np.ones(2)},
    "block": {"conv": {"kernel": np.ones((2, 1, 2, 3))}},
    "norm": {"scale": np.ones(3), "bias": np.ones(3)},
}
SIZES = {"dense": (4, 2), "block/conv": (4, 3)}


def positive(rng, size):
    rows = rng.normal(size=(size, size + 2))
    return rows @ rows.T / size


def batch(rng):
    """Return gradients, and factors of every layer."""
    gradients = jax.tree.map(lambda p: rng.normal(size=p.shape), PARAMS)
    factors = {layer: tuple(positive(rng, size) for size in SIZES[layer]) for layer in SIZES}
    return gradients, factors


def matrices(tree):
    """Return what K-FAC sees of a tree as matrices, written out."""
    dense = np.concatenate([tree["dense"]["kernel"], tree["dense"]["bias"][None]])
    return {"dense": dense, "block/conv": tree["block"]["conv"]["kernel"].reshape(-1, 3)}


def exact(gradient, factors, damping):
    """Solve with the damped Kronecker product itself."""
    a, g = factors
    pi = np.sqrt(np.trace(a) / len(a) / (np.trace(g) / len(g)))
    a = a + pi * np.sqrt(damping) * np.eye(len(a))
    g = g + np.sqrt(damping) / pi * np.eye(len(g))
    return np.linalg.solve(np.kron(a, g), gradient.ravel()).reshape(gradient.shape)


def first_update(rule, gradients, factors):
    """Return the first update, compiled."""

    @jax.jit
    def update(gradients, factors):
        return rule.update(gradients, rule.init(gradients), factors=lambda labels: factors)[0]

    return update(gradients, factors)


def test_one_update_is_the_exact_solve():
    gradients, factors = batch(np.random.default_rng(0))
    with jax.enable_x64(True):
        rule = optimizers.kfac(0.5, damping=0.01, kl_clip=1e9)
        made = jax.device_get(first_update(rule, gradients, factors))
    for layer, gradient in matrices(gradients).items():
        wanted = -0.5 * exact(gradient, factors[layer], 0.01)
        np.testing.assert_allclose(matrices(made)[layer], wanted, rtol=1e-10)
    for name in ("scale", "bias"):
        np.testing.assert_allclose(made["norm"][name], -0.5 * gradients["norm"][name])


def test_trajectory_is_the_formula():
    """Averages, inverses of every third step, factors of every second, clip, momentum.

    The rate rises to a plateau, which halves it after the fourth and the sixth step.
    """
    rng = np.random.default_rng(1)
    batches = [batch(rng) for _ in range(8)]
    damping, bound, decay, keep = 0.05, 0.02, 0.8, 0.6
    rates = [0.15, 0.225, 0.3, 0.3, 0.15, 0.15, 0.075, 0.075]
    errors = [0.5, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4]

    wanted, mean, used, velocity, clips = [], {}, {}, {}, []
    for i, ((gradients, factors), rate) in enumerate(zip(batches, rates, strict=True)):
        if i % 2 == 0:
            share = min(1 - 1 / (i // 2 + 1), keep)
            mean = {
                layer: [share * old[k] + (1 - share) * factors[layer][k] for k in (0, 1)]
                for layer, old in (mean or factors).items()
            }
        if i % 3 == 0:
            used = dict(mean)
        seen = matrices(gradients)
        natural = {layer: exact(g, used[layer], damping) for layer, g in seen.items()}
        length = sum((natural[layer] * g).sum() for layer, g in seen.items())
        clips.append(min(1, np.sqrt(2 * bound / (rate**2 * length))))
        velocity = {
            layer: decay * velocity.get(layer, 0) - rate * clips[-1] * u
            for layer, u in natural.items()
        }
        wanted.append(velocity)
    assert min(clips) < 0.9  # so that the bound is seen to act

    plateau = schedules.plateau(0.3, factor=0.5, patience=2, drops=2)
    plan = schedules.warmup(plateau, 2, start=0.15)
    with jax.enable_x64(True):
        rule = optimizers.kfac(
            plan,
            damping=damping,
            kl_clip=bound,
            decay=decay,
            factor_decay=keep,
            factors_every=2,
            inverses_every=3,
        )
        state = rule.init(jax.tree.map(jnp.asarray, PARAMS))
        update = jax.jit(lambda g, f, s: rule.update(g, s, factors=lambda labels: f))
        for step, (gradients, factors) in enumerate(batches):
            made, state = update(gradients, factors, state)
            for layer, matrix in matrices(jax.device_get(made)).items():
                np.testing.assert_allclose(matrix, wanted[step][layer], rtol=1e-9, atol=1e-12)
            assert float(optimizers.applied_rate(state)) == pytest.approx(rates[step])
            state = optimizers.observe(plan, state, errors[step])


def test_the_step_is_within_the_bound():
    """Half of Δ^T F Δ, which is the KL divergence that the quadratic model foresees."""
    gradients, factors = batch(np.random.default_rng(2))
    with jax.enable_x64(True):
        rule = optimizers.kfac(10.0, damping=1e-9, kl_clip=1e-3)
        made = jax.device_get(first_update(rule, gradients, factors))
    divergence = 0
    for layer, step in matrices(made).items():
        a, g = factors[layer]
        divergence += np.trace(step.T @ a @ step @ g) / 2
    assert divergence == pytest.approx(1e-3, rel=1e-3)


def test_bfloat16_parameters_have_a_float32_state():
    gradients, factors = batch(np.random.default_rng(3))
    narrow = jax.tree.map(lambda g: jnp.asarray(g, jnp.bfloat16), gradients)
    rule = optimizers.kfac(0.1, kl_clip=1e9)

    def update(gradients):
        return rule.update(gradients, rule.init(gradients), factors=lambda labels: factors)

    made, state = jax.eval_shape(update, narrow)
    kinds = {leaf.dtype for leaf in jax.tree.leaves((made, state)) if leaf.ndim}
    assert kinds == {jnp.dtype(jnp.float32)}


def numbers(params):
    """Return how many numbers the state has beside the velocity."""
    state = jax.eval_shape(optimizers.kfac(0.1).init, params)
    sizes = (sum(leaf.size for leaf in jax.tree.leaves(t) if leaf.ndim) for t in (state, params))
    return next(sizes) - next(sizes)


def test_the_memory_is_what_it_says():
    params = jax.tree.map(lambda p: jnp.zeros(p.shape), PARAMS)
    assert numbers(params) == sum(2 * (a**2 + g**2) for a, g in SIZES.values())


@pytest.mark.parametrize(
    ("name", "channels", "megabytes"), [("lenet5", 1, 1.8), ("resnet20", 3, 18.7)]
)
def test_the_memory_of_a_network(name, channels, megabytes):
    init = functools.partial(models.create(name).init, train=False)
    image = jax.ShapeDtypeStruct((1, 32, 32, channels), jnp.float32)
    variables = jax.eval_shape(init, jax.random.key(0), image)
    assert round(4e-6 * numbers(variables["params"]), 1) == megabytes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"damping": 0.0}, "damping: .* got 0.0"),
        ({"kl_clip": -1.0}, "kl_clip: .* got -1.0"),
        ({"decay": 1.0}, "decay: .* got 1.0"),
        ({"factor_decay": 1.5}, "factor_decay: .* got 1.5"),
        ({"factors_every": 0}, "factors_every: .* got 0"),
        ({"inverses_every": 0}, "inverses_every: .* got 0"),
        ({"labels": "true"}, "unknown labels 'true'; it is one of"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        optimizers.kfac(0.1, **options)


def test_a_factor_too_large_is_refused_with_its_number():
    """AlexNet's fc6 sees 6x6x256 values and a bias."""
    kernel = jax.ShapeDtypeStruct((6, 6, 256, 4096), jnp.float32)
    fc6 = {"fc6": {"kernel": kernel, "bias": jax.ShapeDtypeStruct((4096,), jnp.float32)}}
    with pytest.raises(ValueError, match=r"factor of fc6 has 9,217 rows.* 0\.7 GB, .* 7\.8e\+11"):
        jax.eval_shape(optimizers.kfac(0.1).init, fc6)
    jax.eval_shape(optimizers.kfac(0.1, largest_factor=9217).init, fc6)


def test_without_factors_it_says_so():
    rule = optimizers.kfac(0.1)
    with pytest.raises(ValueError, match="`factors` has none of block/conv, dense"):
        jax.eval_shape(lambda params: rule.update(params, rule.init(params)), PARAMS)
    with pytest.raises(ValueError, match="none of block/conv"):
        first_update(rule, PARAMS, {"dense": batch(np.random.default_rng(0))[1]["dense"]})


def test_a_dead_layer_stays():
    """No gradient has reached it: G is zero, and so is the update."""
    zeros = jax.tree.map(jnp.zeros_like, PARAMS)
    factors = {layer: tuple(jnp.zeros((s, s)) for s in SIZES[layer]) for layer in SIZES}
    made = first_update(optimizers.kfac(0.1), zeros, factors)
    assert all(not leaf.any() for leaf in jax.tree.leaves(made))


class Small(nn.Module):
    """Every covered layer, and a normalization."""

    dtype: jnp.dtype = jnp.float64

    @nn.compact
    def __call__(self, images, train):
        typed = {"dtype": self.dtype, "param_dtype": self.dtype}
        x = nn.Conv(3, (3, 3), strides=2, use_bias=False, name="conv", **typed)(images)
        x = nn.relu(layers.BatchNorm(dtype=self.dtype, name="norm")(x, not train))
        init = nn.initializers.lecun_normal()
        x = nn.tanh(layers.FullyConnected(5, x.shape[1:3], init, dtype=self.dtype, name="fc")(x))
        return nn.Dense(10, name="out", **typed)(x).mean((1, 2))


def runs(steps=8):
    """Print losses and last states of one run on a mesh of one device, and of eight.

    By config and through the program; in the middle, between two inversions, saved and restored.
    """
    jax.config.update("jax_num_cpu_devices", 8)
    jax.config.update("jax_enable_x64", True)
    config = lenet5_digits.get_config("smoke")
    config.update(dtype="float64", image_size=8, learning_rate=0.02)
    config.optimizer.name = "kfac"
    config.optimizer.kfac.update(damping=0.1, factors_every=2, inverses_every=3)
    train = datasets.source("digits", config.train_split)
    found = []
    for count in (1, 8):
        auto = (jax.sharding.AxisType.Auto,)
        mesh = jax.make_mesh((count,), ("data",), auto, devices=jax.devices()[:count])
        compiled, training, *_ = settings.of(config, Small(), train, mesh)
        state, losses = compiled.init(), []
        for step in range(steps):
            if step == 5:
                with tempfile.TemporaryDirectory() as name:
                    folder = pathlib.Path(name)
                    with Checkpoints(folder, 1) as checkpoints:
                        checkpoints.save(step, state)
                        state = checkpoints.restore(compiled.abstract)
            state, metrics = compiled.step(state, training.data, training.at(step, 1))
            losses.append(float(metrics["loss"]))
        ends = jax.device_get(jax.tree.leaves((state.params, state.model_state, state.opt_state)))
        end = np.concatenate([np.ravel(leaf).astype(float) for leaf in ends])
        found.append({"losses": losses, "state": end.tolist()})

    def mark(matrix):
        return jnp.full_like(matrix, jax.lax.axis_index("data"))

    matrices = [jnp.eye(size) for size in (2, 9, 3, 8, 4, 7, 5, 6, 1, 1)]
    marks = jax.jit(functools.partial(devices.divide, mesh, mark))(matrices)
    json.dump([*found, [int(matrix[0, 0]) for matrix in marks]], sys.stdout)


def test_one_device_and_eight():
    """The inversions are divided among eight, and come together."""
    code = (
        "from cnn_history.training import devices; devices.start();"
        "from tests.optimizers import test_kfac; test_kfac.runs()"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=900)
    assert result.returncode == 0, result.stderr
    one, eight, owners = json.loads(result.stdout)
    assert sorted(owners[:8]) == list(range(8))  # a matrix each, as long as there are devices
    assert owners[8:] == owners[:1] * 2  # then to the one that has least to do
    # Rounding errors of 1e-16, and as much as eight steps make of them.
    np.testing.assert_allclose(eight["losses"], one["losses"], rtol=0, atol=1e-10)
    np.testing.assert_allclose(eight["state"], one["state"], rtol=0, atol=1e-10)
    assert one["losses"][-1] < one["losses"][0]
