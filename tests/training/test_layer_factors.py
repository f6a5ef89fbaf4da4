"""Factors against the exact Fisher blocks of small nets, and against sums written out in NumPy."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cnn_history import layers
from cnn_history.training.differentiate import plainly, with_factors

WHITE = nn.initializers.normal(1.0)


class Small(nn.Module):
    """Every covered layer, where each sees one position; and one that is not covered."""

    @nn.compact
    def __call__(self, x):
        x = nn.tanh(nn.Conv(3, (2, 2), padding="VALID", kernel_init=WHITE, bias_init=WHITE)(x))
        x = layers.FullyConnected(4, (1, 1), WHITE)(x)
        x = nn.LayerNorm()(x)
        return nn.Dense(3, use_bias=False)(nn.tanh(x)).mean((1, 2))


def mean_cross_entropy(logits, labels):
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def looks(network, x):
    """Return parameters, and (labels) -> what both ways of differentiating find there, compiled."""
    params = jax.jit(network.init)(jax.random.key(0), x)["params"]

    def forward(params, x, key):
        del key
        return network.apply({"params": params}, x), {"batch_stats": ()}

    @jax.jit
    def look(labels):
        arguments = (forward, mean_cross_entropy, params, x, labels, jax.random.key(2))
        *seen, found = with_factors(*arguments)
        factors = {whose: found["factors"](whose) for whose in ("empirical", "sampled")}
        return plainly(*arguments)[:3], seen, factors

    return params, forward, look


def test_the_gradient_is_that_of_plainly_and_sampled_labels_follow_the_network():
    """One image many times: G's mean over drawn labels is that over the softmax."""
    x = jnp.tile(jax.random.normal(jax.random.key(1), (1, 2, 2, 2)), (4096, 1, 1, 1))
    _, _, look = looks(Small(), x)
    plain, seen, factors = look(jnp.arange(4096) % 2)
    for a, b in zip(jax.tree.leaves(plain), jax.tree.leaves(seen), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert set(factors["sampled"]) == {"Conv_0", "FullyConnected_0", "Dense_0"}
    p = jax.nn.softmax(seen[2][0][0])
    got = factors["sampled"]["Dense_0"].outputs
    # A frequency of 4,096 draws has a standard error of at most 0.008.
    np.testing.assert_allclose(got, np.diag(p) - np.outer(p, p), atol=0.04)
    given = sum(np.outer(p - row, p - row) / 2 for row in np.eye(3)[:2])
    np.testing.assert_allclose(factors["empirical"]["Dense_0"].outputs, given, atol=1e-5)


@pytest.mark.usefixtures("optimized")
def test_one_image_has_the_exact_fisher_blocks():
    """Expected over the labels, A ⊗ G is J^T (diag p - p p^T) J, J being the logits' Jacobian."""
    x = jax.random.normal(jax.random.key(1), (1, 2, 2, 2))
    params, forward, look = looks(Small(), x)
    found = [look(jnp.asarray([label])) for label in range(3)]
    p = np.asarray(jax.nn.softmax(found[0][1][2][0][0]))
    jacobian = jax.jit(jax.jacobian(lambda params: forward(params, x, None)[0][0]))(params)
    for name in ("Conv_0", "FullyConnected_0", "Dense_0"):
        pairs = [factors["empirical"][name] for *_, factors in found]
        block = sum(p[label] * np.kron(*pairs[label]) for label in range(3))
        parts = [np.asarray(leaf).reshape(3, -1) for leaf in jacobian[name].values()]
        rows = np.concatenate(sorted(parts, key=lambda part: -part.shape[1]), axis=1)
        exact = rows.T @ (np.diag(p) - np.outer(p, p)) @ rows
        # float32: 1e-7 of the largest, a few times
        np.testing.assert_allclose(block, exact, atol=2e-6 * np.abs(exact).max(), err_msg=name)


CONVOLUTIONS = {
    "valid": ({"padding": "VALID"}, ((0, 0), (0, 0))),
    "same, strided": ({"padding": "SAME", "strides": 2}, ((0, 1), (1, 1))),
    "padded, no bias": ({"padding": 1, "strides": (2, 1), "use_bias": False}, ((1, 1), (1, 1))),
    "grouped": ({"padding": ((2, 0), (1, 2)), "feature_group_count": 2}, ((2, 0), (1, 2))),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolution_is_the_sum_over_positions(name):
    """Ω and Γ of Grosse & Martens 2016, written out."""
    options, pads = CONVOLUTIONS[name]
    n, window, units = 3, (2, 3), 4
    layer = nn.Conv(units, window, **options)
    groups, bias = layer.feature_group_count, layer.use_bias
    strides = np.broadcast_to(layer.strides or 1, 2)
    x = np.asarray(jax.random.normal(jax.random.key(1), (n, 5, 5, 4)))

    class Net(nn.Module):
        def setup(self):
            self.conv = layer.clone()

        def __call__(self, x):
            return jnp.square(self.conv(x)).sum((1, 2))

    labels = jnp.arange(n)
    params, _, look = looks(Net(), x)
    (_, grads, _), _, factors = look(labels)
    got = factors["empirical"]["conv"]

    out = np.asarray(jax.jit(layer.apply)({"params": params["conv"]}, x))
    # of log(sum(exp z)) - z_label, z being the sums of out²
    gradient = np.asarray(jax.nn.softmax((out**2).sum((1, 2)))) - np.eye(units)[:n]
    gradient = 2 * out * gradient[:, None, None]
    padded = np.pad(x, ((0, 0), *pads, (0, 0)))
    a, g, kernel = 0, np.zeros((units, units)), 0
    each = padded.shape[-1] // groups
    for image in range(n):
        for i in range(out.shape[1]):
            for j in range(out.shape[2]):
                top, left = i * strides[0], j * strides[1]
                seen = padded[image, top : top + window[0], left : left + window[1]]
                for group in range(groups):
                    row = seen[..., group * each : (group + 1) * each].ravel()
                    row = np.append(row, 1.0) if bias else row
                    mine = slice(group * units // groups, (group + 1) * units // groups)
                    there = np.zeros(units)
                    there[mine] = gradient[image, i, j, mine]
                    a = a + np.outer(row, row) / groups
                    g = g + np.outer(there, there)
                    kernel = kernel + np.outer(row, there)  # that the rows are the kernel's
    np.testing.assert_allclose(got.inputs, a / n, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(got.outputs, g / (n * out[0, ..., 0].size), rtol=1e-4, atol=1e-5)
    rows = grads["conv"]["kernel"].reshape(-1, units)
    np.testing.assert_allclose(kernel[: len(rows)] / n, rows, rtol=1e-4, atol=1e-5)


def test_bfloat16_has_float32_factors():
    class Net(nn.Module):
        @nn.compact
        def __call__(self, x):
            return nn.Dense(3, dtype=jnp.bfloat16)(x).astype(jnp.float32)

    _, _, look = looks(Net(), jnp.ones((2, 4)))
    for factor in jax.eval_shape(look, jnp.arange(2))[2]["sampled"]["Dense_0"]:
        assert factor.dtype == jnp.float32


def test_a_layer_used_twice_is_refused():
    class Twice(nn.Module):
        @nn.compact
        def __call__(self, x):
            layer = nn.Dense(3)
            return layer(layer(x))

    with pytest.raises(ValueError, match="Dense_0 is used twice"):
        looks(Twice(), jnp.ones((2, 3)))[2](jnp.arange(2))
