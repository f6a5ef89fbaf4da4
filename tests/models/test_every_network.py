"""The properties that every network declares of its modules are true.

Of networks that differ only in depth, one is tested.

Everything is traced, except the layers after the mean over positions, which are computed.
"""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_history import layers, models
from cnn_history.accounting import tracing
from cnn_history.accounting.account import rows as rows_of
from cnn_history.accounting.structure import architecture
from cnn_history.models.network import Classifier
from cnn_history.training.layer_factors import COVERED
from tests.models import checks

HEADS = {
    name: {"aux_heads": True} for name in checks.DISTINCT if "aux_heads" in models.options(name)
}


@functools.cache
def traced(name):
    network = checks.shallow(models.create(name, **HEADS.get(name, {})))
    return network, tracing.traced_layers(network, models.info(name).input)


def convolutions(jaxpr):
    """Return the number of convolutions that a computation has."""
    count = 0
    for eqn in jaxpr.eqns:
        count += eqn.primitive.name == "conv_general_dilated"
        inner = [p for p in eqn.params.values() if isinstance(p, jax.extend.core.ClosedJaxpr)]
        count += sum(convolutions(p.jaxpr) for p in inner)
    return count


@pytest.mark.parametrize("name", checks.DISTINCT)
def test_every_convolution_has_filters_and_nothing_else_has(name):
    """On images of the network's own size a fully-connected layer is a matrix product."""
    network, found = traced(name)
    filters = models.filters(network, checks.images(name))
    assert len(filters) == convolutions(found.jaxpr) > 0
    for path, columns in filters.items():
        kernel = functools.reduce(dict.get, (*path.split("/"), "kernel"), params(name))
        assert len(columns) == kernel.shape[-1]


@functools.cache
def params(name):
    return checks.variables(traced(name)[0], checks.images(name))["params"]


@pytest.mark.parametrize("name", checks.DISTINCT)
def test_the_rows_hold_every_parameter_once(name):
    _, rows = rows_of(traced(name)[1])
    assert sum(row.parameters for row in rows) == checks.parameters({"params": params(name)})
    assert len({row.name for row in rows}) == len(rows)


@pytest.mark.parametrize("name", checks.DISTINCT)
def test_the_classifier_is_the_layer_that_has_the_classes(name):
    network, found = traced(name)
    shapes = {"/".join(call.module.path): call.shape for call in found.calls.values()}
    assert shapes[network.classifier][-1] == models.info(name).classes


@pytest.mark.parametrize("name", checks.DISTINCT)
def test_scores_by_position_have_the_logits_as_their_mean(name):
    """What follows the place of the mean is affine, so that mean and classifier commute.

    It is computed of random maps alone: XLA leaves out the layers that lead there, and their
    weights. Sums in float32 in another order.
    """
    network = checks.shallow(models.create(name))
    large = max(models.info(name).input[0] + 64, 96)
    batch = checks.images(name, large)
    variables = checks.variables(network, batch)
    classes = models.info(name).classes
    scores = jax.eval_shape(
        lambda v: models.scores_by_position(network, v, batch_of(batch)), variables
    )
    assert scores.shape[0] == 1
    assert scores.shape[-1] == classes
    adaptive = name == "alexnet_owt"  # it pools every image to one position
    assert scores.shape[1] > 1 or adaptive
    assert scores.dtype == jnp.float32

    def run(mean):
        def intercept(call, args, kwargs, context):
            if context.method_name != "mean_over_positions":
                return call(*args, **kwargs)
            assert isinstance(context.module, Classifier)
            maps = jax.random.normal(jax.random.key(0), args[0].shape)
            return call(maps, *args[1:], **kwargs) if mean else maps

        def draw(leaf):
            return jax.random.normal(jax.random.key(leaf.size), leaf.shape) / 10

        with nn.intercept_methods(intercept):
            return network.apply(jax.tree.map(draw, variables), batch_of(batch), train=False)

    logits, scores = jax.jit(lambda: (run(True), run(False)))()
    assert np.std(scores, (1, 2)).max() > 1e-3 or adaptive
    np.testing.assert_allclose(scores.mean((1, 2)), logits, rtol=1e-4, atol=1e-4)


def batch_of(like):
    return jnp.zeros(like.shape, like.dtype)


@pytest.mark.parametrize("name", checks.DISTINCT)
def test_factors_cover_every_dense_layer_and_convolution(name):
    """All kernels but those of LeNet-5's partial convolution, which has none by definition."""
    found = traced(name)[1]
    kernels = {
        "/".join(call.module.path): call for call in found.calls.values() if "kernel" in call.params
    }
    left_out = {n for n, call in kernels.items() if not isinstance(call.module, COVERED)}
    assert left_out == ({"c3"} if name == "lenet5_1998" else set())


class Wrapped(layers.Norm):
    """A normalization made of two others, and a parameter of its own."""

    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x, use_running_average):
        share = self.param("share", nn.initializers.ones, (1,))
        x = layers.BatchNorm(name="batch")(x, use_running_average=use_running_average)
        return share * nn.LayerNorm(name="layer")(x)


WRAPPERS = {
    "first": layers.DecorrelatedFirst,
    "wrapped": Wrapped,
}
NORMS = {**{name: norm for name, norm in layers.NORMS.items() if norm is not None}, **WRAPPERS}


@pytest.mark.parametrize("norm", NORMS)
def test_a_norm_is_what_it_says(norm):
    """It keeps statistics, takes `momentum`, and has a scale that `scale_init` draws, or not."""
    x = jnp.ones((2, 3, 3, 8))

    class Net(nn.Module):
        norm: type

        @nn.compact
        def __call__(self, x, train):
            return self.norm(name="norm", dtype=jnp.float32)(x, use_running_average=not train)

    def init(maker):
        return jax.eval_shape(lambda: Net(maker).init(jax.random.key(0), x, train=False))

    variables, said = init(NORMS[norm]), layers.made_by(NORMS[norm])
    if norm != "wrapped":  # it does not say what it is made of
        assert said.keeps_statistics == ("batch_stats" in variables)
        assert said.has_scale == ("scale" in variables.get("params", {}).get("norm", {}))
    if said.has_scale:
        zeros = functools.partial(NORMS[norm], scale_init=nn.initializers.zeros)
        drawn = Net(zeros).init(jax.random.key(0), x, train=False)["params"]["norm"]["scale"]
        np.testing.assert_array_equal(drawn, 0)
    if said.keeps_statistics:
        assert init(layers.of_last_batch(NORMS[norm])) == variables
    else:
        with pytest.raises(ValueError, match="no running statistics"):
            layers.of_last_batch(NORMS[norm])


@pytest.mark.parametrize("norm", NORMS)
def test_a_network_costs_the_same_under_every_norm_but_for_its_parameters(norm):
    """A norm is one row and one mark in the drawing, whatever it is made of."""
    reference, drawn = architecture("resnet20", norm=layers.BatchNorm)
    account, series = architecture("resnet20", norm=NORMS[norm])
    network = models.create("resnet20", norm=NORMS[norm])
    assert account.parameters == checks.parameters(
        checks.variables(network, checks.images("resnet20"))
    )
    fields = [(row.name, row.output, row.macs, row.receptive_field) for row in account.layers]
    assert fields == [(r.name, r.output, r.macs, r.receptive_field) for r in reference.layers]
    assert (account.macs, account.depth) == (reference.macs, reference.depth)
    if norm != "local_response_norm":  # a layer of its own, whose result counts
        assert account.activations == reference.activations
        assert [type(piece) for piece in series] == [type(piece) for piece in drawn]
    if norm not in WRAPPERS:
        assert [row.norm for row in account.layers] == [
            row.norm and norm != "local_response_norm" for row in reference.layers
        ]


def test_a_model_that_takes_no_mean_has_no_scores_by_position():
    x = jnp.ones((1, 4, 4, 2))

    class Net(nn.Module):
        @nn.compact
        def __call__(self, x, train):
            return nn.Dense(3)(x.mean((1, 2)))

    variables = Net().init(jax.random.key(0), x, train=False)
    with pytest.raises(ValueError, match="no mean over positions"):
        models.scores_by_position(Net(), variables, x)


@pytest.mark.parametrize(("maps", "groups"), [(64, 32), (16, 16), (48, 24), (80, 20), (37, 1)])
def test_group_norm_has_32_groups_or_the_most_that_divide_the_maps(maps, groups):
    x = 5 + 3 * jax.random.normal(jax.random.key(0), (2, 4, 4, maps))
    norm = layers.GroupNorm()
    variables = norm.init(jax.random.key(0), x)
    y = norm.apply(variables, x, use_running_average=False)
    grouped = np.asarray(x, np.float64).reshape(2, 16, groups, maps // groups)
    off = grouped - grouped.mean((1, 3), keepdims=True)
    wanted = off / np.sqrt(np.square(off).mean((1, 3), keepdims=True) + 1e-5)
    np.testing.assert_allclose(y, wanted.reshape(x.shape), atol=1e-5)  # float32
    np.testing.assert_array_equal(y, norm.apply(variables, x, use_running_average=True))
    assert jax.tree.map(jnp.shape, variables) == {"params": {"scale": (maps,), "bias": (maps,)}}
