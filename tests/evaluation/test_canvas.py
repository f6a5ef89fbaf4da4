"""A network on a larger canvas gives the same numbers as on the image alone."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_history import layers, models
from cnn_history.evaluation import canvas


def traced(function, variables, shape):
    with layers.as_written():
        image = jax.ShapeDtypeStruct(shape, jnp.float32)
        return jax.make_jaxpr(lambda *given: function(*given))(variables, image)


def both_ways(function, variables, image, size):
    """Return the result of an image alone, and of it on a canvas that is noise elsewhere."""
    n, h, w, c = image.shape
    noise = np.random.default_rng(1).normal(0, 9, (n, *size, c)).astype(np.float32)
    noise[:, :h, :w] = image
    whole = traced(function, variables, noise.shape)
    reaches = canvas.reach(traced(function, variables, image.shape), whole)

    @jax.jit
    def on_canvas(variables, image, reaches):
        return canvas.evaluated(whole, reaches, *jax.tree.leaves((variables, image)))

    with layers.as_written():
        alone = np.asarray(jax.jit(function)(variables, image))
    made = on_canvas(variables, noise, reaches)
    np.testing.assert_allclose(
        canvas.mean(made, reaches[-1]), alone.mean((1, 2)), rtol=1e-4, atol=1e-5
    )
    return alone, np.asarray(made)[:, : alone.shape[1], : alone.shape[2]]


class Padded(nn.Module):
    """What zeros behind an image are not enough for: biases, and windows beyond the edge."""

    padding: tuple[int, int] = (1, 1)

    @nn.compact
    def __call__(self, x):
        biased = {"bias_init": nn.initializers.normal(1.0)}
        x = nn.relu(nn.Conv(4, (3, 3), (2, 2), [self.padding] * 2, **biased)(x))
        x = layers.MaxPool((3, 3), (2, 2), ceil_mode=True)(x - 1)  # all may be below zero
        x = jnp.tanh(nn.Conv(5, (3, 3), **biased)(x))
        return nn.Dense(3)(layers.AvgPool((3, 3), (1, 1), padding=1)(x))


@pytest.mark.parametrize("side", [(20, 33), (21, 32), (33, 20), (40, 26), (31, 31)])
def test_padding_stands_behind_the_image(side):
    network = Padded()
    image = np.random.default_rng(0).normal(size=(2, *side, 3)).astype(np.float32)
    variables = network.init(jax.random.key(0), image)
    alone, on_canvas = both_ways(network.apply, variables, image, (40, 40))
    np.testing.assert_allclose(on_canvas, alone, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("name", "side"), [("lenet5", (37, 43)), ("resnet20", (32, 45))])
def test_registered_networks(name, side):
    network = models.create(name, num_classes=4)
    image = np.random.default_rng(0).random((1, *side, 3)).astype(np.float32)
    variables = network.init(jax.random.key(0), image, train=False)

    def scores(variables, image):
        return models.scores_by_position(network, variables, image)

    size = canvas.shape(image.shape)[1:3]
    alone, on_canvas = both_ways(scores, variables, image, size)
    np.testing.assert_allclose(on_canvas, alone, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("alexnet", (227, 250)),
        ("zfnet", (224, 260)),
        ("nin", (224, 290)),
        ("vgg11", (256, 300)),
        ("googlenet", (224, 261)),
        ("resnet18", (290, 224)),
        ("resnet50", (250, 225)),
        ("inception_v3", (299, 330)),
    ],
)
def test_large_registered_networks(name, side):
    test_registered_networks(name, side)


def refused(function, own, whole):
    with pytest.raises(canvas.Unlike) as caught:
        canvas.reach(*(traced(function, {}, (1, *side, 3)) for side in (own, whole)))
    return str(caught.value)


def test_what_would_be_other_numbers_is_refused():
    def of_all(_, image):
        return image - image.mean((1, 2), keepdims=True)

    def from_the_end(_, image):
        return image[:, :, ::-1]

    def same(_, image):  # half of its padding comes first, and how much that is depends on the size
        kernel = jnp.ones((3, 3, 3, 1))
        return jax.lax.conv_general_dilated(
            image, kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    def by_size(_, image):
        return image / image.shape[2]

    for function in (of_all, from_the_end, same, by_size):
        assert refused(function, (8, 9), (8, 12)).endswith("differs on the canvas"), function


@pytest.mark.parametrize(
    ("own", "wanted"),
    [((256, 256),) * 2, ((256, 257), (256, 320)), ((341, 256), (384, 256)), ((37, 65), (37, 80))],
)
def test_the_longer_side_is_rounded_up(own, wanted):
    assert canvas.shape((1, *own, 3)) == (1, *wanted, 3)
