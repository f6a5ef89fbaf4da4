"""`linear.call` is its function, and its way back is the one that was given."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_history.layers import linear

SHIFTS = 3


def forward(x, weights):
    """[n, size], [SHIFTS] -> [n, size - SHIFTS + 1]: a convolution along the rows."""
    size = x.shape[1] - SHIFTS + 1
    return sum(jnp.sin(weights[i]) * x[:, i : i + size] for i in range(SHIFTS))


def backward(y, weights):
    padded = jnp.pad(y, ((0, 0), (SHIFTS - 1, SHIFTS - 1)))
    size = y.shape[1] + SHIFTS - 1
    return sum(
        jnp.sin(weights[i]) * padded[:, SHIFTS - 1 - i : SHIFTS - 1 - i + size]
        for i in range(SHIFTS)
    )


def drawn():
    draw = np.random.default_rng(0)
    return jnp.asarray(draw.normal(size=(2, 7))), jnp.asarray(draw.normal(size=SHIFTS))


called = functools.partial(linear.call, forward, backward)


@pytest.mark.parametrize("jitted", [False, True])
def test_every_derivative_is_the_functions(jitted):
    """By both arguments: gradient, forward, the Hessian both ways, and over batches of either."""

    def everything(function, x, weights):
        def loss(x, weights):
            return jnp.sum(jnp.cos(function(x, weights)) ** 2)

        both = x, weights
        along = tuple(map(jnp.sin, both))
        loss_along = functools.partial(jax.jvp, jax.grad(loss, (0, 1)), both, along)
        xs, many = jnp.stack([x, 2 * x]), jnp.stack([weights, weights**2])
        gradients = jax.grad(loss, (0, 1))
        return (
            function(x, weights),
            gradients(x, weights),
            jax.jvp(function, both, along),
            jax.jvp(lambda w: function(x, w), (weights,), (along[1],)),
            loss_along(),
            jax.grad(lambda x, w: jnp.sum(gradients(x, w)[0] ** 2), (0, 1))(x, weights),
            jax.vmap(gradients)(xs, many),
            jax.vmap(gradients, (None, 0))(x, many),
            jax.vmap(gradients, (0, None))(xs, weights),
            jax.vmap(lambda t: jax.jvp(function, both, (t, along[1])))(xs),
        )

    with jax.enable_x64(True):
        x, weights = drawn()
        wrap = jax.jit if jitted else lambda f: f
        expected, found = (
            wrap(functools.partial(everything, f))(x, weights) for f in (forward, called)
        )
        for a, b in zip(jax.tree.leaves(expected), jax.tree.leaves(found), strict=True):
            np.testing.assert_allclose(b, a, rtol=0, atol=1e-12)


def test_what_was_given_runs_backward_and_forward_again():
    ran = []

    def there(x):
        ran.append("there")
        return 2 * x

    def back(y):
        ran.append("back")
        return 2 * y

    def call(x):
        return linear.call(there, back, x)

    x = jnp.ones(3)
    transposed = jax.linear_transpose(call, x)
    ran.clear()
    transposed(x)
    assert set(ran) == {"back"}
    again = jax.linear_transpose(lambda y: transposed(y)[0], x)
    ran.clear()
    again(x)
    assert set(ran) == {"there"}
