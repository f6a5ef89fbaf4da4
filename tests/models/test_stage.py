"""What is kept of a network for the backward pass changes memory, and no number."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_history import models
from cnn_history.models import bn_inception, googlenet, inception_v3, resnet, resnet_v2, vgg
from cnn_history.training import differentiate

PRE = {"features": (4, 8), "blocks": (1, 1), "bottleneck": True}
# Networks, and the smallest images that they take.
SMALL = {
    "resnet": (resnet.CifarResNet(blocks=2, features=(4, 8), dtype=jnp.float64), 8),
}
OTHERS = {
    "vgg": (vgg.VGG(column="A-LRN", fit_classifier=True, dtype=jnp.float64), 32),
    "imagenet": (resnet.ResNet((1, 1, 1, 1), bottleneck=True, dtype=jnp.float64), 32),
    "v2": (resnet_v2.ResNetV2(**PRE, imagenet=False, dtype=jnp.float64), 8),
    "googlenet": (googlenet.GoogLeNet(dtype=jnp.float64), 31),
    "googlenet_bn": (googlenet.GoogLeNetBN(aux_heads=True, dtype=jnp.float64), 32),
    "bn_inception": (bn_inception.BNInception(dtype=jnp.float64), 32),
    "inception_v3": (inception_v3.InceptionV3(dtype=jnp.float64), 75),
}


def of(network, size):
    """Return (what is kept -> the function of a step's gradient), and parameters."""
    images = np.random.default_rng(0).normal(size=(2, size, size, 3))
    labels, key = np.arange(2), jax.random.key(1)
    variables = jax.jit(functools.partial(network.init, train=False))(jax.random.key(0), images)
    state = {name: value for name, value in variables.items() if name != "params"}

    def forward(params, images, key):
        rngs = {"dropout": key}
        return network.apply(
            {"params": params, **state}, images, train=True, rngs=rngs, mutable=["batch_stats"]
        )

    def objective(logits, labels):
        logits = logits[0] if isinstance(logits, tuple) else logits
        return -jnp.mean(jax.nn.log_softmax(logits)[np.arange(len(labels)), labels])

    def step(kept):
        gradient = differentiate.keeping(kept, differentiate.plainly)
        return lambda params: gradient(forward, objective, params, images, labels, key)[:3]

    return step, variables["params"]


def check(network, size):
    with jax.enable_x64(True):
        step, params = of(network, size)
        expected = jax.jit(step(models.ALL))(params)
        for kept in models.KEPT[1:]:
            found = jax.jit(step(kept))(params)
            jax.tree.map(
                lambda a, b: np.testing.assert_allclose(
                    a, b, rtol=0, atol=1e-12 * max(1, abs(b).max())
                ),
                found,
                expected,
            )


@pytest.mark.parametrize("name", SMALL)
def test_numbers_are_the_same(name):
    """Loss, gradient, logits and statistics, which are updated once, to 1e-12."""
    check(*SMALL[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_numbers_of_others_are_the_same(name):
    check(*OTHERS[name])


def test_what_is_computed_once_more():
    """Of 2 stages of 2 blocks, 8 convolutions for `stages`, and sums but for the last of each.

    Moments never are, so that devices exchange them once.
    """
    step, params = of(resnet.CifarResNet(blocks=2, features=(4, 8)), 8)
    counts = {}
    for kept in models.KEPT:
        text = str(jax.make_jaxpr(step(kept))(params))
        counts[kept] = [text.count(f"{form}(") for form in ("_Convolution", "_Moments", "_Once")]
    more = {kept: np.subtract(counts[kept], counts["all"]).tolist() for kept in models.KEPT[1:]}
    convolutions, sums = 8, 2
    assert more == {"convolutions": [0, 0, sums], "stages": [convolutions, 0, sums]}


def test_every_network_in_stages_is_here():
    made = {type(network) for network, _ in (SMALL | OTHERS).values()}
    named = {type(models.create(name)) for name in models.names()}
    ours = {kind for kind in named if kind.in_stages}
    assert {kind for kind in ours if not any(issubclass(kind, one) for one in made)} == set()
    assert ours < named
