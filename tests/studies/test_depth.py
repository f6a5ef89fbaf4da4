"""Plain and residual nets, and GoogLeNet's heads: the compared networks differ in one thing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_history.models.googlenet import GoogLeNet
from cnn_history.studies import auxiliary_heads, degradation


@pytest.mark.parametrize(
    ("plain", "words"),
    [
        ((2.0, 2.1, 1.9), "The plain net of 56 layers fits its training images worse"),
        ((0.1, 0.2, 0.1), "The plain net of 56 layers fits its training images better"),
        ((0.5, 1.9, 1.0), "The plain net of 56 layers and that of 8 fit them equally well"),
    ],
)
def test_degradation_is_said_only_where_the_seeds_agree(plain, words):
    losses = {(net, depth): np.ones((3, 20)) for net in degradation.SHORTCUTS for depth in (8, 56)}
    losses["plain", 56] *= np.array(plain)[:, None]
    assert words in degradation.answer(losses)


def test_nets_of_the_heads_study_are_googlenet():
    """At the paper's size: its parameters; batch norm adds two to each channel, less biases."""
    images = jax.ShapeDtypeStruct((1, 224, 224, 3), jnp.float32)

    def shapes(network):
        made = jax.eval_shape(lambda x: network.init(jax.random.key(0), x, train=False), images)
        return jax.tree.map(lambda x: x.shape, made["params"])

    paper = shapes(GoogLeNet(aux_heads=True))
    mine = {k: shapes(build(aux_heads=True)) for k, build in auxiliary_heads.KINDS.items()}
    assert mine["GoogLeNet"] == paper
    assert "norm" not in str(paper)
    assert "norm" in str(mine["with batch norm"])


def test_kernel_norms_are_root_mean_squares():
    gradient = {
        name: {"a": {"kernel": jnp.full((2, 2), 3.0), "bias": jnp.full(2, 100.0)}}
        for name in auxiliary_heads.LAYERS
    }
    found = auxiliary_heads.kernel_norms(gradient)
    np.testing.assert_allclose([found[name] for name in auxiliary_heads.LAYERS], 3.0, rtol=1e-6)


def seen(gradient, loss):
    """What two seeds saw in 5 steps: gradients alike in all layers, and a loss."""
    grow = np.linspace(1, 1.02, 3)[:, None] * np.ones(5)
    return auxiliary_heads.Watched(
        loss * grow, {name: gradient * grow for name in auxiliary_heads.LAYERS}
    )


def test_heads_are_said_to_matter_less_only_where_they_do():
    """Without BN they give four times the gradient; with it nothing, and they cost loss."""
    found = {
        ("GoogLeNet", "none"): seen(1.0, 2.0),
        ("GoogLeNet", "both"): seen(4.0, 1.0),
        ("with batch norm", "none"): seen(1.0, 1.0),
        ("with batch norm", "both"): seen(1.0, 1.0),
    }
    said = auxiliary_heads.answer(found)
    assert "4.0 times as large" in said
    assert "factor on the gradient is smaller, by 3.00 to 3.00" in said
    assert "gain in loss is smaller" in said
    swapped = {
        (kind, heads): found[other, heads]
        for kind, heads in found
        for other in auxiliary_heads.KINDS
        if other != kind
    }
    assert "factor on the gradient is larger" in auxiliary_heads.answer(swapped)
