import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_history import layers
from cnn_history.weights.convert import convert


class Small(nn.Module):
    """One layer of each kind that has weights."""

    @nn.compact
    def __call__(self, x):
        x = nn.Conv(4, (3, 2), padding="VALID", feature_group_count=2, name="conv")(x)
        x = layers.BatchNorm(name="norm")(x, use_running_average=True)
        x = layers.FullyConnected(5, (2, 3), nn.initializers.ones, name="fc1")(x)
        return nn.Dense(6, name="fc2")(x)


NAMES = {"features.0": "conv", "features.1": "norm", "fc.0": "fc1", "fc.1": "fc2"}
SHAPES = {
    "features.0.weight": (4, 3, 3, 2),
    "features.0.bias": (4,),
    "features.1.weight": (4,),
    "features.1.bias": (4,),
    "features.1.running_mean": (4,),
    "features.1.running_var": (4,),
    "fc.0.weight": (5, 4 * 2 * 3),
    "fc.0.bias": (5,),
    "fc.1.weight": (6, 5),
    "fc.1.bias": (6,),
}


@pytest.fixture
def abstract():
    return jax.eval_shape(Small().init, jax.random.key(0), jnp.zeros((1, 4, 4, 6)))


@pytest.fixture
def tensors():
    rng = np.random.default_rng(0)
    drawn = {n: rng.uniform(0.5, 1.5, s).astype(np.float32) for n, s in SHAPES.items()}
    return {**drawn, "features.1.num_batches_tracked": np.array(7)}


def test_converted_weights_compute_what_torch_computes(abstract, tensors):
    torch = pytest.importorskip("torch")
    features = torch.nn.Sequential(torch.nn.Conv2d(6, 4, (3, 2), groups=2), torch.nn.BatchNorm2d(4))
    fc = torch.nn.Sequential(torch.nn.Linear(24, 5), torch.nn.Linear(5, 6))
    model = torch.nn.ModuleDict({"features": features, "fc": fc}).eval()
    model.load_state_dict({n: torch.tensor(t) for n, t in tensors.items()})
    x = np.random.default_rng(1).normal(size=(2, 4, 4, 6)).astype(np.float32)

    theirs = fc(features(torch.tensor(x.transpose(0, 3, 1, 2))).flatten(1)).detach().numpy()
    ours = Small().apply(convert(tensors, NAMES, abstract), x)[:, 0, 0]

    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-4)


def test_every_leaf_of_the_network_is_filled(abstract, tensors):
    variables = convert(tensors, NAMES, abstract)
    assert jax.tree.map(jnp.shape, variables) == jax.tree.map(jnp.shape, abstract)
    assert jax.tree.structure(variables) == jax.tree.structure(abstract)


def changed(tensors, removed=(), **added):
    kept = {n: t for n, t in tensors.items() if n not in removed}
    return {**kept, **{n.replace("__", "."): np.zeros(s, np.float32) for n, s in added.items()}}


@pytest.mark.parametrize(
    ("removed", "added", "named"),
    [
        (["fc.1.bias"], {}, ["lack 'fc.1.bias'", "params/fc2/bias", "[6]"]),
        ([], {"fc__2__bias": (6,)}, ["no parameter for 'fc.2.bias'", "[6]", "did you mean 'fc."]),
        (
            [],
            {"fc__1__weight": (7, 5)},
            ["'fc.1.weight': expected shape [6, 5]", "got [7, 5]", "[5, 6]"],
        ),
        (
            [],
            {"fc__0__weight": (5, 25)},
            ["'fc.0.weight': expected shape [5, 24]", "got [5, 25]", "[2, 3, 4, 5]"],
        ),
        (
            [],
            {"features__0__weight": (4, 6, 3, 2)},
            ["'features.0.weight': expected", "got [4, 6, 3, 2]"],
        ),
        (
            [],
            {"features__1__running_var": (3,)},
            ["'features.1.running_var': expected shape [4]", "got [3]"],
        ),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(abstract, tensors, removed, added, named):
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the text is looked at below
        convert(changed(tensors, removed, **added), NAMES, abstract)
    for part in named:
        assert part in str(error.value)


def test_integers_are_no_weights(abstract, tensors):
    tensors["fc.1.bias"] = np.arange(6)
    with pytest.raises(
        ValueError, match=r"'fc\.1\.bias': expected floating-point weights, got int64"
    ):
        convert(tensors, NAMES, abstract)


def test_a_layer_without_a_torch_name_is_an_error(abstract, tensors):
    names = {theirs: ours for theirs, ours in NAMES.items() if ours != "fc2"}
    with pytest.raises(ValueError, match="'params/fc2/bias' \\(and 1 more\\)"):
        convert(tensors, names, abstract)
