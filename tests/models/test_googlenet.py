import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_history import accounting, layers, models
from cnn_history.models.googlenet import InceptionModule, Widths
from tests.models import checks, drawn

SIZE = (224, 224, 3)
# Table 1, column "output size".
OUTPUTS = {
    "conv1": (112, 112, 64),
    "pool1": (56, 56, 64),
    "conv2": (56, 56, 192),
    "pool2": (28, 28, 192),
    "inception_3a": (28, 28, 256),
    "inception_3b": (28, 28, 480),
    "pool3": (14, 14, 480),
    "inception_4a": (14, 14, 512),
    "inception_4b": (14, 14, 512),
    "inception_4c": (14, 14, 512),
    "inception_4d": (14, 14, 528),
    "inception_4e": (14, 14, 832),
    "pool4": (7, 7, 832),
    "inception_5a": (7, 7, 832),
    "inception_5b": (7, 7, 1024),
    "pool5": (1024,),
    "fc": (1000,),
}


@pytest.mark.parametrize("name", ["googlenet", "googlenet_bn"])
def test_output_sizes_of_table_1(name):
    model = models.create(name)

    def run(key):
        images = jnp.zeros((1, *SIZE))
        variables = model.init(key, images, train=False)
        return model.apply(
            variables, images, train=False, capture_intermediates=True, mutable=["intermediates"]
        )

    _, state = jax.eval_shape(run, jax.random.key(0))
    found = {name: state["intermediates"][name]["__call__"][0].shape[1:] for name in OUTPUTS}
    assert found == OUTPUTS


@pytest.mark.parametrize(
    ("widths", "depth", "macs"),
    [
        (Widths(128, None, 192, None, 96, None), 672, 854_196_224),
        (Widths(128, 64, 192, 64, 96, 64), 480, 271_351_808),
    ],
)
def test_the_module_alone(widths, depth, macs):
    module, size = InceptionModule(widths), (28, 28, 256)
    variables, images = checks.of_size(module, size), jnp.zeros((1, *size))
    assert sum(row.macs for row in accounting.trace(module, size)[1]) == macs
    output = jax.eval_shape(lambda v: module.apply(v, images, train=False), variables)
    assert output.shape == (1, 28, 28, depth)


def test_initialization_is_that_of_the_release():
    model = models.create("googlenet")

    def init(key):  # only what is returned is compiled
        params = model.init(key, jnp.zeros((1, 31, 31, 3)), train=False)["params"]
        return params["inception_5b"]["3x3"], params["fc"]["bias"]

    layer, output_bias = jax.jit(init)(jax.random.key(0))
    kernel, bias = layer["kernel"], layer["bias"]
    limit = np.sqrt(3 / (9 * 192))
    np.testing.assert_allclose(bias, 0.2)
    assert 0.99 * limit < np.max(np.abs(kernel)) <= limit
    np.testing.assert_allclose(np.std(kernel), limit / np.sqrt(3), rtol=0.01)
    np.testing.assert_array_equal(output_bias, 0)


@pytest.mark.parametrize("norm", [None, layers.BatchNorm, layers.LocalResponseNorm])
def test_where_norm_stands_and_which_biases_remain(norm):
    places = {"googlenet": 2, "googlenet_bn": 57}  # 57 convolutions of table 1
    for name, count in places.items():
        network = models.create(name, norm=norm)
        variables, (_, rows) = checks.of_size(network, SIZE), accounting.trace(network, SIZE)
        norms = sum(r.operation == "lrn" for r in rows)
        norms += len(jax.tree.leaves(variables.get("batch_stats", {}))) // 2
        assert norms == (0 if norm is None else count)
        biased = name == "googlenet" or norm is None
        assert {r.parameters > r.weights for r in rows if r.operation == "conv"} == {biased}


def _torch_googlenet(params, images):
    """The paper's network and heads in torch's operations: (logits, logits at 4a and at 4d)."""
    import torch
    import torch.nn.functional as F

    def tensor(x, *order):
        return torch.from_numpy(np.asarray(x).transpose(*order).copy())

    def conv(x, layer, stride=1):
        kernel = tensor(layer["kernel"], 3, 2, 0, 1)
        pad = kernel.shape[-1] // 2
        return torch.relu(F.conv2d(x, kernel, tensor(layer["bias"], 0), stride, pad))

    def linear(x, layer):
        kernel = np.asarray(layer["kernel"])
        return x @ tensor(kernel.reshape(-1, kernel.shape[-1]), 0, 1) + tensor(layer["bias"], 0)

    def lrn(x):  # torch divides alpha by the size of the window
        return F.local_response_norm(x, 5, alpha=5e-4, beta=0.75, k=2.0)

    def pool(x):
        return F.max_pool2d(x, 3, 2, ceil_mode=True)

    def inception(x, p):
        return torch.cat(
            [
                conv(x, p["1x1"]),
                conv(conv(x, p["3x3_reduce"]), p["3x3"]),
                conv(conv(x, p["5x5_reduce"]), p["5x5"]),
                conv(F.max_pool2d(x, 3, 1, 1), p["pool_proj"]),
            ],
            1,
        )

    def head(x, p):
        x = conv(F.avg_pool2d(x, 5, 3), p["conv"])
        x = torch.relu(linear(x.permute(0, 2, 3, 1).flatten(1), p["fc1"]))
        return linear(x, p["fc2"])

    x = lrn(pool(conv(tensor(images, 0, 3, 1, 2), params["conv1"], 2)))
    x = pool(lrn(conv(conv(x, params["conv2_reduce"]), params["conv2"])))
    for block in ("3a", "3b"):
        x = inception(x, params[f"inception_{block}"])
    x, heads = pool(x), []
    for block in ("4a", "4b", "4c", "4d", "4e"):
        x = inception(x, params[f"inception_{block}"])
        if block in ("4a", "4d"):
            heads.append(head(x, params[f"aux_{block}"]))
    x = pool(x)
    for block in ("5a", "5b"):
        x = inception(x, params[f"inception_{block}"])
    return [y.numpy() for y in (linear(x.mean((2, 3)), params["fc"]), *heads)]


def test_parity_of_the_paper_network_with_torch():
    pytest.importorskip("torch")
    options = {"num_classes": 5, "aux_heads": True, "dropout": 0.0, "aux_dropout": 0.0}
    model = models.create("googlenet", **options)
    images = drawn.images(2, 231, 224, 3)
    variables = drawn.draw(checks.of_size(model, images.shape[1:]))
    expected = _torch_googlenet(variables["params"], images)
    logits, aux = jax.jit(lambda v, x: model.apply(v, x, train=True))(variables, images)
    for ours, theirs in zip((logits, *aux), expected, strict=True):
        assert np.ptp(theirs, axis=0).max() > 0.05 * np.max(np.abs(theirs))  # images tell apart
        # float32 sums of up to 9·192 products, in another order
        assert np.max(np.abs(ours - theirs)) <= 1e-5 * np.max(np.abs(theirs))


def test_heads_and_dropout_are_for_training_alone():
    options = {"num_classes": 5, "aux_heads": True}
    model = models.create("googlenet_bn", **options)
    images = drawn.images(2, 32, 32, 3)
    variables = drawn.draw(checks.of_size(model, images.shape[1:]))
    plain = {
        kind: {name: value for name, value in tree.items() if not name.startswith("aux")}
        for kind, tree in variables.items()
    }
    headless = models.create("googlenet_bn", num_classes=5, dropout=0.9)
    evaluate = drawn.jit(lambda m, v: m.apply(v, images, train=False), static_argnums=0)
    # Two programs, whose sums may be rounded otherwise.
    np.testing.assert_allclose(evaluate(model, variables), evaluate(headless, plain), rtol=1e-5)

    @drawn.jit
    def train(key, variables):
        return model.apply(
            variables, images, train=True, rngs={"dropout": key}, mutable=["batch_stats"]
        )[0]

    logits, (at_4a, at_4d) = train(jax.random.key(0), variables)
    assert logits.shape == at_4a.shape == at_4d.shape == (2, 5)
    other, (other_4a, other_4d) = train(jax.random.key(1), variables)
    for a, b in ((logits, other), (at_4a, other_4a), (at_4d, other_4d)):
        assert np.abs(a - b).max() > 0.01  # another draw of dropout

    # Heads come in order of depth: what lies behind 4a reaches the second alone.
    variables["params"]["inception_4c"]["1x1"]["kernel"] *= 2
    other, (other_4a, other_4d) = train(jax.random.key(0), variables)
    np.testing.assert_array_equal(other_4a, at_4a)
    assert np.abs(other_4d - at_4d).max() > 1e-3


def test_larger_images_give_the_mean_of_dense_logits():
    model = models.create("googlenet", num_classes=5)
    images = drawn.images(1, 80, 48, 3)
    variables = drawn.draw(checks.of_size(model, (80, 48, 3)))
    logits, state = drawn.jit(
        lambda v: model.apply(
            v, images, train=False, capture_intermediates=True, mutable=["intermediates"]
        )
    )(variables)
    maps = state["intermediates"]["inception_5b"]["__call__"][0]
    assert maps.shape[1:3] == (2, 1)
    fc = variables["params"]["fc"]
    dense = np.asarray(maps @ fc["kernel"] + fc["bias"])
    np.testing.assert_allclose(logits, dense.mean((1, 2)), rtol=1e-4, atol=1e-5)
