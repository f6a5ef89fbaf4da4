"""Transformations before and after a rule: clipping, decay, rates of biases, filters, averages."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_history import build, optimizers
from cnn_history.config import base, choose
from cnn_history.errors import UserError

RNG = np.random.default_rng(0)
PARAMS = {
    "conv1": {
        "kernel": RNG.normal(size=(3, 3, 2, 4)) * (0.05, 0.05, 0.2, 0.2),
        "bias": RNG.normal(size=4),
    },
    "fc6": {"kernel": RNG.normal(size=(1, 1, 4, 5)), "bias": RNG.normal(size=5)},
}
GRADS = jax.tree.map(lambda p: RNG.normal(size=p.shape), PARAMS)


def numbers(tree):
    """Return the leaves of a tree as one vector."""
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


def walk(count=1, **fields):
    """Return the parameters after some updates by a config's optimizer, and its last state."""
    config = base()
    config.model.name = "lenet5"
    config.optimizer.name = "sgd"
    config.update(fields)
    build.check(config)
    with jax.enable_x64(True):
        filters = {"conv1": range(PARAMS["conv1"]["kernel"].shape[-1])}
        rule = build.optimizer(config, build.schedule(config))(filters)
        params = jax.tree.map(jnp.asarray, PARAMS)
        state, path = rule.init(params), []
        for _ in range(count):
            updates, state = rule.update(jax.tree.map(jnp.asarray, GRADS), state, params)
            params = jax.tree.map(jnp.add, params, updates)
            path.append(jax.device_get(params))
        return path, jax.device_get(state)


def test_the_gradient_is_clipped_and_then_decayed():
    """By the norm of all of it, 2.0 in Inception-v3; decay is not clipped."""
    norm = np.linalg.norm(numbers(GRADS))
    for threshold in (2.0, 100.0):
        (end,), _ = walk(gradient_clipping=threshold, weight_decay=0.01, learning_rate=0.5)
        share = min(1, threshold / norm)
        wanted = jax.tree.map(lambda p, g: p - 0.5 * (share * g + 0.01 * p), PARAMS, GRADS)  # noqa: B023
        np.testing.assert_allclose(numbers(end), numbers(wanted), rtol=1e-6)


def test_weight_decay_of_kernels_leaves_biases():
    (end,), _ = walk(weight_decay=0.01, decayed="kernels", learning_rate=1.0)
    for layer, leaves in end.items():
        for name, leaf in leaves.items():
            decay = 0.01 if name == "kernel" else 0.0
            wanted = PARAMS[layer][name] * (1 - decay) - GRADS[layer][name]
            np.testing.assert_allclose(leaf, wanted, rtol=1e-6)


def test_decoupled_decay_is_that_of_pytorch_and_of_the_paper():
    """Adam and its AdamW; momentum as Loshchilov & Hutter 2019, algorithm 1, has it; biases too."""
    torch = pytest.importorskip("torch")
    fields = {"weight_decay": 0.1, "decoupled_weight_decay": True, "learning_rate": 0.05}
    path, _ = walk(4, optimizer=choose("optimizer", "adam"), **fields)
    w = torch.tensor(numbers(PARAMS), requires_grad=True)
    theirs = torch.optim.AdamW([w], lr=0.05, eps=1e-7, weight_decay=0.1)
    w.grad = torch.tensor(numbers(GRADS))
    for params in path:
        theirs.step()
        np.testing.assert_allclose(numbers(params), w.detach().numpy(), rtol=1e-7)

    path, _ = walk(4, optimizer=choose("optimizer", "momentum"), decayed="kernels", **fields)
    w, v = numbers(PARAMS), 0.0
    decays = numbers(
        {k: {"kernel": p["kernel"] * 0 + 1, "bias": p["bias"] * 0} for k, p in PARAMS.items()}
    )
    for params in path:
        v = 0.9 * v - 0.05 * numbers(GRADS)
        w = w + v - 0.05 * 0.1 * decays * w
        np.testing.assert_allclose(numbers(params), w, rtol=1e-7)


@pytest.mark.parametrize("name", ["bfgs", "lbfgs"])
@pytest.mark.parametrize("around", build.AROUND_THE_RULE)
def test_nothing_stands_around_a_line_search(name, around):
    with pytest.raises(UserError, match=rf"config\.{around}: {name} searches"):
        walk(optimizer=choose("optimizer", name), **{around: True if "weight" in around else 2.0})


def test_biases_have_their_own_rate():
    for name in ("sgd", "momentum", "adam"):
        optimizer = choose("optimizer", name)
        one = walk(3, optimizer=optimizer)[0][-1]
        two = walk(3, optimizer=optimizer, bias_rate=2.0)[0][-1]
        for layer in PARAMS:
            np.testing.assert_allclose(two[layer]["kernel"], one[layer]["kernel"], rtol=1e-12)
            moved = one[layer]["bias"] - PARAMS[layer]["bias"]
            np.testing.assert_allclose(
                two[layer]["bias"] - PARAMS[layer]["bias"], 2 * moved, rtol=1e-9
            )


def test_filters_are_held_on_the_radius():
    """Those of convolutions alone, each by itself, after the update; others are not touched."""
    plain = walk(learning_rate=0.05)[0][-1]
    held = walk(learning_rate=0.05, filter_radius=0.1)[0][-1]
    before, after = (np.sqrt((p["conv1"]["kernel"] ** 2).mean((0, 1, 2))) for p in (plain, held))
    assert (before > 0.1).any()
    assert (before < 0.1).any()
    np.testing.assert_allclose(after, np.minimum(before, 0.1), rtol=1e-9)
    np.testing.assert_allclose(
        held["conv1"]["kernel"], plain["conv1"]["kernel"] * after / before, rtol=1e-9
    )
    np.testing.assert_allclose(held["fc6"]["kernel"], plain["fc6"]["kernel"], rtol=1e-12)
    np.testing.assert_allclose(held["conv1"]["bias"], plain["conv1"]["bias"], rtol=1e-12)


def test_averages_of_the_parameters():
    averaging = choose("averaging", "exponential", decay=0.7)
    path, state = walk(5, averaging=averaging, evaluated="averaged")
    wanted = numbers(PARAMS)
    for params in path:
        wanted = 0.7 * wanted + 0.3 * numbers(params)
    found = optimizers.averaged_params(state)
    np.testing.assert_allclose(numbers(found), wanted, rtol=1e-9)

    averaging = choose("averaging", "exponential", decay=0.25, ramp=True)
    path, state = walk(5, averaging=averaging)
    wanted = numbers(PARAMS)
    for kept, params in zip((1 / 10, 2 / 11, 1 / 4, 1 / 4, 1 / 4), path, strict=True):
        wanted = kept * wanted + (1 - kept) * numbers(params)
    np.testing.assert_allclose(numbers(optimizers.averaged_params(state)), wanted, rtol=1e-6)

    averaging = choose("averaging", "polyak", start=2)
    path, state = walk(5, averaging=averaging)
    wanted = np.mean([numbers(params) for params in path[2:]], 0)
    np.testing.assert_allclose(numbers(optimizers.averaged_params(state)), wanted, rtol=1e-9)


@pytest.mark.parametrize("name", ["exponential", "polyak"])
def test_an_average_of_bfloat16_parameters_is_float32(name):
    rule = optimizers.AVERAGES[name]()
    state = rule.init({"w": jnp.zeros(3, jnp.bfloat16)})
    assert state.averaged_params["w"].dtype == jnp.float32
