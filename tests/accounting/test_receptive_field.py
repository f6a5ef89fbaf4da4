"""Receptive fields against the extent of the gradient of one output with respect to the image.

Everything is linear and every weight is positive, so no dependence is hidden. Images are large
enough that the middle output sees no border.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.ad_checkpoint import checkpoint_name

from cnn_history import layers
from cnn_history.accounting.receptive_field import receptive_fields
from cnn_history.models.resnet import CifarResNet


def conv(x, window, stride=1, padding=(0, 0), dilation=1):
    kernel = jnp.ones((*window, x.shape[-1], 2))
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        (padding, padding),
        rhs_dilation=(dilation, dilation),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def pool(x, window, stride, **options):
    return layers.AvgPool((window, window), (stride, stride), **options).apply({}, x)


def strides_and_dilation(x):
    return conv(conv(conv(x, (7, 7), 2, (3, 3)), (3, 3), dilation=2), (3, 3), 2, (0, 1))


def oblong_windows(x):
    return conv(conv(x, (1, 7), padding=(3, 3)), (5, 1), 2)


def pooling(x):
    return pool(conv(pool(x, 3, 2, ceil_mode=True), (3, 3)), 3, 2, padding=1)


def inception(x):
    x = conv(x, (3, 3), 2)
    wide = conv(conv(x, (1, 1)), (5, 5), padding=(2, 2))
    aside = conv(x, (3, 3), padding=(0, 2))  # sees more behind than before: the union counts
    before = conv(x, (5, 5), padding=(4, 0))
    return jnp.concatenate([x, wide, aside, before], axis=-1)


def shortcut_a(x):
    y = conv(conv(x, (3, 3), 2, (1, 1)), (3, 3), padding=(1, 1))
    x = jnp.pad(x[:, ::2, ::2], ((0, 0), (0, 0), (0, 0), (0, y.shape[-1] - x.shape[-1])))
    return x + y


def cropped_and_padded(x):
    return jnp.pad(conv(x[:, 3:, 1:-4], (3, 3), 3), ((0, 0), (2, 0), (0, 1), (0, 0)))


def transposed(x):
    return conv(conv(x, (3, 1), 2).transpose(0, 2, 1, 3), (1, 5), 3).transpose(0, 2, 1, 3)


def squashed(x):
    return jax.nn.gelu(jax.jit(jnp.tanh)(conv(x, (3, 3), 2)[None])[0] * 1e-3)


@pytest.mark.parametrize(
    "network",
    [
        strides_and_dilation,
        oblong_windows,
        pooling,
        inception,
        shortcut_a,
        cropped_and_padded,
        transposed,
        squashed,
    ],
)
def test_sides_are_those_of_the_gradient(network):
    image = jax.ShapeDtypeStruct((1, 61, 61, 1), jnp.float32)
    traced = jax.make_jaxpr(lambda x: checkpoint_name(network(x), "end"))(image).jaxpr
    seen = receptive_fields(traced, traced.invars[0], ())["end"]

    for side, view in enumerate((seen.height, seen.width)):
        y, x = [length // 2 for length in jax.eval_shape(network, image).shape[1:3]]
        gradient = jax.grad(lambda image, y=y, x=x: network(image)[0, y, x].sum())(
            jnp.full(image.shape, 1e-3)
        )
        rows = np.flatnonzero(np.any(np.asarray(gradient)[0, :, :, 0] != 0, axis=1 - side))
        first = view.first + (y, x)[side] * view.jump
        assert (rows[0], rows[-1] + 1) == (first, first + view.size)


@pytest.mark.parametrize("flatten", [True, False])
def test_what_reads_all_positions_sees_what_they_see_together(flatten):
    def network(x):
        x = conv(x, (3, 3), 2)
        x = x.reshape(1, -1) @ jnp.ones((x.size, 4)) if flatten else jnp.mean(x, (1, 2))
        return checkpoint_name(x, "end")

    traced = jax.make_jaxpr(network)(jnp.zeros((1, 12, 15, 1))).jaxpr
    seen = receptive_fields(traced, traced.invars[0], ())["end"]
    assert (seen.height.size, seen.width.size) == (11, 15)


def test_a_whole_network_sees_what_its_gradient_shows():
    """A residual network of 8 layers, without its activation functions."""
    model = CifarResNet(blocks=1, activation=lambda x: x)
    image = jnp.zeros((1, 32, 32, 3))
    abstract = jax.eval_shape(lambda x: model.init(jax.random.key(0), x, train=False), image)
    variables = jax.tree.map(lambda leaf: jnp.full(leaf.shape, 0.5), abstract)

    def stage(x):
        found = model.apply(variables, x, train=False, mutable=["intermediates"])[1]
        return found["intermediates"]["conv3_x"][0]

    with layers.as_written():
        traced = jax.make_jaxpr(lambda x: checkpoint_name(stage(x), "end"))(image).jaxpr
    seen = receptive_fields(traced, traced.invars[0], ())["end"]
    gradient = jax.jit(jax.grad(lambda x: stage(x)[0, 8, 8].sum()))(image)
    rows = np.flatnonzero(np.any(np.asarray(gradient)[0] != 0, axis=(1, 2)))
    assert rows[-1] + 1 - rows[0] == seen.height.size == 13


def test_depth_is_that_of_the_longest_way():
    def network(x):
        a = checkpoint_name(x * 2, "a")
        return checkpoint_name(checkpoint_name(a * 2, "b") + x, "c") + checkpoint_name(x, "d")

    traced = jax.make_jaxpr(network)(jnp.zeros((1, 4, 4, 1))).jaxpr
    seen = receptive_fields(traced, traced.invars[0], ("a", "b", "c", "d"))
    assert {name: s.depth for name, s in seen.items()} == {"a": 1, "b": 2, "c": 3, "d": 1}


def test_an_unknown_operation_is_refused():
    traced = jax.make_jaxpr(lambda x: jnp.cumsum(x, 1))(jnp.zeros((1, 4, 4, 1))).jaxpr
    with pytest.raises(ValueError, match="cumsum"):
        receptive_fields(traced, traced.invars[0], ())
