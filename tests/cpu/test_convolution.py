"""`convolve` and its derivatives equal those of `jax.lax.conv_general_dilated`.

In float64, both add the same numbers in different orders: 1e-12 of the largest is about a thousand
roundings. In float32 and bfloat16, tolerances are as many of their own roundings.
"""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_history import layers
from cnn_history.cpu import convolution, processors, winograd
from cnn_history.layers.convolution import LAYOUT

# Height, width, inputs, maps, window, strides, padding, groups.
CASES = {
    "odd sizes": (9, 7, 4, 6, (3, 3), (1, 1), "SAME", 1),
    "an image": (8, 8, 3, 5, (5, 5), (1, 1), "VALID", 1),
    "a grey image": (12, 8, 1, 6, (5, 5), (1, 1), ((0, 1), (1, 0)), 1),
    "strided, two rows": (11, 11, 2, 3, (5, 5), (2, 2), "VALID", 1),
    "many maps": (5, 6, 3, 50, (3, 3), (1, 1), ((1, 1), (1, 1)), 1),
    "uneven window and padding": (8, 6, 4, 6, (3, 2), (1, 1), ((2, 1), (0, 1)), 1),
    "a window beyond the padding": (8, 6, 2, 3, (3, 3), (1, 1), ((3, 4), (2, 3)), 1),
    "strided": (9, 8, 3, 6, (3, 3), (2, 2), ((1, 1), (1, 1)), 1),
    "strided, uneven": (8, 11, 4, 6, (5, 3), (2, 3), ((2, 1), (0, 1)), 1),
    "strided 1x1": (8, 7, 2, 3, (1, 1), (2, 2), "VALID", 1),
    "strided groups": (7, 8, 6, 6, (3, 3), (2, 2), ((1, 1), (1, 1)), 3),
    "depthwise": (6, 6, 9, 9, (3, 3), (1, 1), "SAME", 9),
}


# Quick to compile; the programs are large, the arrays small.
quick = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


def of_lax(x, kernel, strides, padding, groups):
    return jax.lax.conv_general_dilated(
        x, kernel, strides, padding, dimension_numbers=LAYOUT, feature_group_count=groups
    )


def of_ours(x, kernel, strides, padding, groups):
    return layers.convolve(x, kernel, strides, padding, feature_group_count=groups)


def drawn(case, dtype):
    h, w, inputs, maps, window, strides, padding, groups = case
    draw = np.random.default_rng(0)
    x = jnp.asarray(draw.normal(size=(2, h, w, inputs)), dtype)
    kernel = jnp.asarray(draw.normal(size=(*window, inputs // groups, maps)), dtype)
    return (x, kernel), functools.partial(
        lambda convolve, x, kernel: convolve(x, kernel, strides, padding, groups)
    )


def derivatives(convolve, args, one_direction):
    """Value, gradient, forward derivative, product with the Hessian, all of them over a batch."""

    def loss(args):
        return jnp.sum(jnp.sin(convolve(*args)) ** 2)

    value, gradient = jax.value_and_grad(loss)(args)
    forward = jax.jvp(lambda args: convolve(*args), (args,), (one_direction,))
    product = jax.jvp(jax.grad(loss), (args,), (one_direction,))[1]
    kernels = jnp.stack([args[1], 2 * args[1]])
    each = jax.vmap(lambda kernel: jax.grad(loss)((args[0], kernel)))(kernels)
    return value, gradient, forward, product, each


def assert_derivatives_agree(args, of):
    direction = jax.tree.map(jnp.cos, args)
    expected, found = (
        quick(functools.partial(derivatives, functools.partial(of, c)))(args, direction)
        for c in (of_lax, of_ours)
    )
    for a, b in zip(jax.tree.leaves(expected), jax.tree.leaves(found), strict=True):
        np.testing.assert_allclose(b, a, rtol=0, atol=1e-12 * np.abs(a).max())


@pytest.mark.parametrize("name", CASES)
def test_every_derivative_in_float64(name):
    with jax.enable_x64(True):
        args, of = drawn(CASES[name], jnp.float64)
        assert_derivatives_agree(args, of)


def measured(monkeypatch, **thresholds):
    """Set thresholds, whatever was measured."""
    changed = processors.PROCESSOR._replace(**thresholds)
    monkeypatch.setattr(processors, "PROCESSOR", changed)


@pytest.mark.parametrize(
    ("side", "size", "padding"),
    [((8, 4), 4, ((2, 1), (0, 1))), ((19, 4), 4, ((2, 1), (0, 1))), ((5, 6), 2, ((3, 4), (0, 3)))],
)
def test_every_derivative_by_winograds_tiles(monkeypatch, side, size, padding):
    """Whole tiles and cut ones, padding beyond the window; the kernel's gradient by those of 4."""
    measured(monkeypatch, tiles_products=0, tiles_positions=0, tiles_work=0)
    case = (*side, 4, 6, (3, 3), (1, 1), padding, 1)
    with jax.enable_x64(True):
        args, of = drawn(case, jnp.float64)
        assert convolution.tile(*args, (1, 1)) == size
        assert_derivatives_agree(args, of)


@pytest.mark.parametrize(("size", "tolerance"), [(2, 2e-6), (4, 2e-5)])
def test_winograds_roundings(size, tolerance):
    """Of the largest output, in float32, beside the same in float64."""
    draw = np.random.default_rng(0)
    x, kernel = draw.normal(size=(4, 12, 12, 128)), draw.normal(size=(3, 3, 128, 128))
    pads = ((1, 1), (1, 1))
    with jax.enable_x64(True):
        exact = np.asarray(of_lax(jnp.asarray(x), jnp.asarray(kernel), (1, 1), pads, 1))
    rounded = winograd.convolve(jnp.float32(x), jnp.float32(kernel), pads, size, winograd.by_window)
    np.testing.assert_allclose(rounded, exact, rtol=0, atol=tolerance * np.abs(exact).max())


def test_every_derivative_in_parts_of_the_batch(monkeypatch):
    """Three parts of two images."""
    measured(monkeypatch, part_images=2)
    with jax.enable_x64(True):
        (x, kernel), of = drawn(CASES["uneven window and padding"], jnp.float64)
        args = jnp.concatenate([x, jnp.sin(x), jnp.cos(x)]), kernel
        assert_derivatives_agree(args, of)

        def backward(convolve):
            gradient = jax.grad(lambda kernel: jnp.sum(of(convolve, x=args[0], kernel=kernel) ** 2))
            return jax.jit(gradient).lower(kernel).as_text().count("stablehlo.convolution")

        assert (backward(of_lax), backward(of_ours)) == (2, 1 + 3)


@pytest.mark.parametrize("name", ["odd sizes", "strided", "strided groups"])
def test_in_a_loop_all_are_plain_convolutions(name):
    """XLA:CPU has a kernel for these only, and turns the axes of others outside of loops only.

    It exchanges images and kernel where there are fewer images than kernel, as in other cases.
    """
    args, of = drawn(CASES[name], jnp.float32)

    def axes(convolve):
        def loss(args):
            return jnp.sum(of(convolve, *args) ** 2)

        def descend(_, args):
            return jax.tree.map(lambda a, g: a - 0.01 * g, args, jax.grad(loss)(args))

        program = quick(lambda args, steps: jax.lax.fori_loop(0, steps, descend, args))
        return set(re.findall(r"dim_labels=(\S+?),? ", program.lower(args, 3).compile().as_text()))

    assert axes(of_ours) == {"b01f_01io->b01f"}
    assert len(axes(of_lax)) > 1


@pytest.mark.parametrize(("dtype", "tolerance"), [(jnp.float32, 1e-5), (jnp.bfloat16, 3e-2)])
def test_gradients_in_other_precisions(dtype, tolerance):
    for name in ("odd sizes", "an image", "strided groups"):
        args, of = drawn(CASES[name], dtype)

        def gradients(convolve, args):
            y, back = jax.vjp(convolve, *args)
            return y, back(y)

        expected, found = (
            jax.jit(functools.partial(gradients, functools.partial(of, c)))(args)
            for c in (of_lax, of_ours)
        )
        for a, b in zip(jax.tree.leaves(expected), jax.tree.leaves(found), strict=True):
            assert b.dtype == dtype
            a, b = np.asarray(a, float), np.asarray(b, float)
            np.testing.assert_allclose(b, a, rtol=0, atol=tolerance * np.abs(a).max())


def test_a_layer_with_options_of_its_own():
    x = jnp.ones((1, 8, 8, 2))
    for options in (
        {"kernel_dilation": 2},
        {"input_dilation": 2, "padding": 1},
        {"padding": "CIRCULAR"},
    ):
        layer = layers.Conv(3, (3, 3), **options)
        plain = layer.clone(conv_general_dilated=jax.lax.conv_general_dilated)
        variables = layer.init(jax.random.key(0), x)
        expected = plain.apply(variables, x)
        np.testing.assert_allclose(layer.apply(variables, x), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("size", "kernel", "expected"),
    [
        ((28, 28), (5, 5, 1, 6), (2, 4)),
        ((10, 10), (5, 5, 6, 16), (2, 2)),
        ((14, 14), (5, 5, 16, 6), (2, 2)),
        ((32, 32), (3, 3, 16, 16), (1, 2)),
        ((16, 16), (3, 3, 32, 32), (1, 1)),
        ((112, 112), (7, 7, 3, 64), (1, 2)),
        ((9, 15), (5, 5, 4, 4), (1, 3)),
        ((8, 7), (5, 5, 4, 4), (1, 1)),
        ((8, 8), (3, 1, 4, 4), (1, 1)),
    ],
)
def test_packing(size, kernel, expected):
    """It divides both sides, and few maps stay few: as measured (docs/speed.md)."""
    assert convolution.packing(size, kernel) == expected
