import json

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_history import losses, models
from cnn_history.models import lenet5
from tests.shared import SHARED, needs_shared


def facts():
    return json.loads((SHARED / "facts" / "lenet5_1998.json").read_text())


@needs_shared
def test_table_1_and_the_codes():
    assert [list(inputs) for inputs in lenet5.C3_INPUTS] == facts()["c3_inputs"]
    for digit, code in enumerate(lenet5.rbf_codes()):
        rows = ["".join("#" if x > 0 else "." for x in code[i : i + 7]) for i in range(0, 84, 7)]
        assert rows == facts()["rbf_codes"][str(digit)]


def test_table_1_is_as_the_paper_describes_it():
    assert sum(len(inputs) for inputs in lenet5.C3_INPUTS) == 60
    for s2_map in range(6):
        assert sum(s2_map in inputs for inputs in lenet5.C3_INPUTS) == 10


def test_parameters_of_each_layer_of_the_paper():
    network = models.create("lenet5_1998")
    params = jax.eval_shape(
        lambda: network.init(jax.random.key(0), jnp.zeros((1, 32, 32, 1)), train=False)
    )["params"]
    counts = {layer: sum(p.size for p in jax.tree.leaves(params[layer])) for layer in params}
    paper = {"c1": 156, "s2": 12, "c3": 1_516, "s4": 32, "c5": 48_120, "f6": 10_164}
    assert counts == paper
    assert sum(counts.values()) == 60_000


def test_c3_sees_the_maps_of_table_1_only():
    from cnn_history.layers import PartialConv

    layer = PartialConv(lenet5.C3_INPUTS, (5, 5), nn.initializers.normal(1.0))
    variables = layer.init(jax.random.key(0), jnp.zeros((1, 14, 14, 6)))
    jacobian = jax.jacobian(lambda x: layer.apply(variables, x)[0, 4, 4])(
        jax.random.normal(jax.random.key(1), (1, 14, 14, 6))
    )
    seen = np.abs(np.asarray(jacobian)).sum((1, 2, 3)) > 0  # [16, 6]
    assert [list(np.flatnonzero(row)) for row in seen] == [list(i) for i in lenet5.C3_INPUTS]


def test_rbf_logits_are_distances_to_the_codes():
    layer = lenet5.layers.RBFOutput(lenet5.rbf_codes())
    x = np.random.default_rng(0).normal(size=(3, 84)).astype(np.float32)
    distances = [[((row - code) ** 2).sum() for code in lenet5.rbf_codes()] for row in x]
    np.testing.assert_allclose(layer.apply({}, x), -np.array(distances), rtol=1e-5)


def test_losses_are_equations_8_and_9():
    y = np.random.default_rng(0).uniform(0, 9, (4, 10))
    labels = np.array([0, 3, 9, 3])
    right = y[np.arange(4), labels]
    np.testing.assert_allclose(losses.rbf_mse()(jnp.asarray(-y), labels), right, rtol=1e-6)
    wanted = right + np.log(np.exp(-2.0) + np.exp(-y).sum(1))
    np.testing.assert_allclose(losses.rbf_map(j=2.0)(jnp.asarray(-y), labels), wanted, rtol=1e-5)


@pytest.mark.parametrize("name", ["lenet5", "lenet5_1998"])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_logits_and_gradients(name, dtype):
    network = models.create(name, dtype=dtype)
    images = jax.random.uniform(jax.random.key(0), (2, 32, 32, 1))
    variables = jax.jit(network.init, static_argnames="train")(
        jax.random.key(1), images, train=False
    )
    logits = jax.jit(network.apply, static_argnames="train")(variables, images, train=True)
    assert (logits.shape, logits.dtype) == ((2, 10), jnp.float32)
    loss = lambda v: -network.apply(v, images, train=True)[:, 0].mean()  # noqa: E731
    norms = [float(jnp.linalg.norm(g)) for g in jax.tree.leaves(jax.jit(jax.grad(loss))(variables))]
    assert all(np.isfinite(norms))
    assert all(norm > 0 for norm in norms)


def test_larger_images_give_the_mean_over_positions():
    network = models.create("lenet5")
    images = jax.random.uniform(jax.random.key(0), (1, 36, 32, 1))
    variables = network.init(jax.random.key(1), images[:, :32], train=False)
    crops = [network.apply(variables, images[:, i : i + 32], train=False) for i in (0, 4)]
    logits = network.apply(variables, images, train=False)
    np.testing.assert_allclose(logits, np.mean(crops, axis=0), atol=1e-5)


def test_wrong_sizes_and_classes_say_what_works():
    network = models.create("lenet5")
    with pytest.raises(ValueError, match="smallest is 32x32"):
        network.init(jax.random.key(0), jnp.zeros((1, 28, 28, 1)), train=False)
    network = models.create("lenet5_1998", num_classes=7)
    with pytest.raises(ValueError, match="ten digits only, got 7"):
        network.init(jax.random.key(0), jnp.zeros((1, 32, 32, 1)), train=False)
