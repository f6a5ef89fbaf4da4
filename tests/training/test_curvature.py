"""Backpropagation of second derivatives: each rule, LeNet's layers by hand, an exact case."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cnn_history import build, initializers, layers, losses, models
from cnn_history.config import ACTIVATIONS, choose
from cnn_history.errors import UserError
from cnn_history.training import curvature
from experiments import resnet_cifar10
from tests.models import checks

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(3, 4)), RNG.normal(size=(4, 2))
MAPS = RNG.normal(size=(2, 1, 2, 13))
IMAGE, KERNEL = RNG.normal(size=(1, 4, 4, 2)), RNG.normal(size=(2, 2, 2, 3))
# Networks with each kind of layer, in every run of the tests; all others are slow.
SAMPLE = ("alexnet", "vgg11_lrn", "googlenet", "resnet20", "preact_resnet110")


def convolve(x, kernel):
    return jax.lax.conv_general_dilated(
        x, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


# One function for each way in which an output depends on an input.
RULES = {
    "dot, left": (lambda a: a @ B, A),
    "dot, right": (lambda b: A @ b, B),
    "convolution, image": (lambda x: convolve(x, KERNEL), IMAGE),
    "convolution, kernel": (lambda k: convolve(IMAGE, k), KERNEL),
    "tanh": (jnp.tanh, A),
    "sigmoid": (jax.nn.sigmoid, A),
    "relu": (jax.nn.relu, A),
    "product": (lambda a: a * A * 3, A),
    "quotient": (lambda a: a / A, A),
    "difference": (lambda a: 1 - a, A),
    "bias": (lambda b: A + b, A[0]),
    "mean pooling": (lambda x: nn.avg_pool(x, (2, 2), (2, 2)), IMAGE),
    "max pooling": (lambda x: nn.max_pool(x, (2, 2), (2, 2)), IMAGE),
    "scatter": (lambda a: jnp.zeros((3, 6)).at[:, np.array([4, 0, 1, 5])].set(a), A),
    "mean": (lambda a: jnp.mean(a, 0), A),
    "reshape": (lambda a: jnp.transpose(a.reshape(2, 6)), A),
    "normalized responses": (lambda x: layers.local_response_norm(x, 2.0, 5, 0.7), MAPS),
    "normalized by 4": (lambda x: layers.local_response_norm(x, n=4, alpha=2.0, beta=0.4), MAPS),
}


@pytest.mark.parametrize("name", RULES)
def test_goes_back_by_the_square_of_each_factor(name):
    """Against the square of the whole Jacobian."""
    with jax.enable_x64(True):
        function, at = RULES[name]
        at = jnp.asarray(at)
        out, back = curvature.squared(function, at)
        second = jnp.asarray(RNG.random(out.shape))
        jacobian = jax.jacobian(function)(at)
        wanted = jnp.tensordot(second, jnp.square(jacobian), second.ndim)
        np.testing.assert_allclose(back(second), wanted, rtol=1e-12, atol=1e-15)


def test_a_function_without_a_rule_is_refused():
    with pytest.raises(ValueError, match="through the primitive 'sort'"):
        curvature.squared(jnp.sort, jnp.asarray(A))


def traced(network, size):
    """Trace the second derivatives of a network on two images."""
    images = jax.ShapeDtypeStruct((2, *size), jnp.float32)
    variables = jax.eval_shape(lambda x: network.init(jax.random.key(0), x, train=False), images)
    found = jax.eval_shape(
        functools.partial(curvature.diagonal, network.apply, losses.cross_entropy()),
        variables,
        images,
        jax.ShapeDtypeStruct((2,), jnp.int32),
    )
    assert jax.tree.structure(found) == jax.tree.structure(variables["params"])


@pytest.mark.parametrize(
    "name",
    [n if n in SAMPLE else pytest.param(n, marks=pytest.mark.slow) for n in models.NETWORKS],
)
def test_every_network_has_a_rule_for_each_of_its_primitives(name):
    traced(checks.shallow(models.create(name)), models.info(name).input)


@pytest.mark.parametrize(
    "options",
    [
        *({"norm": norm} for name, norm in layers.NORMS.items() if name != "group_norm"),
        *({"activation": activation} for activation in ACTIVATIONS.values()),
    ],
)
def test_every_norm_and_activation_has_a_rule(options):
    traced(models.create("vgg11_bn", **options), models.info("vgg11_bn").input)


def test_a_norm_without_a_rule_is_refused_with_its_layer():
    chosen = resnet_cifar10.get_config("smoke,dataset=digits")
    chosen.optimizer.name = "stochastic_diagonal_lm"
    chosen.model.norm = choose("norm", "group_norm")
    with pytest.raises(UserError, match="lm does not support this resnet20") as e:
        build.experiment(chosen)
    assert "norm" in str(e.value).partition(" of ")[2]
    assert "\n" not in str(e.value)


class Net(nn.Module):
    """A convolution, a squashing function, and two units that are compared with codes."""

    codes: np.ndarray

    @nn.compact
    def __call__(self, x, train):
        x = layers.scaled_tanh(nn.Conv(3, (2, 2), padding="VALID", name="conv")(x))
        x = nn.Dense(2, name="dense")(x.reshape(len(x), -1))
        return layers.RBFOutput(self.codes)(layers.scaled_tanh(x))


def test_layers_as_the_appendix_writes_them():
    """LeCun et al. 1998, appendix C, by loops over connections in NumPy."""
    codes = np.array([[1.0, -1.0], [-1.0, 1.0]])
    images, labels = RNG.normal(size=(2, 3, 3, 1)), np.array([0, 1])
    with jax.enable_x64(True):
        net, images = Net(codes), jnp.asarray(images)
        variables = jax.jit(net.init, static_argnames="train")(
            jax.random.key(0), images, train=False
        )
        variables = jax.tree.map(lambda p: jnp.asarray(p, jnp.float64) + 0.1, variables)
        found = curvature.diagonal(
            net.apply, losses.rbf_mse(), variables, images, jnp.asarray(labels)
        )
        p = jax.device_get(variables)["params"]

    def slope(a):
        return 1.7159 * 2 / 3 * (1 - np.tanh(2 / 3 * a) ** 2)

    wanted = {name: {k: np.zeros_like(v) for k, v in leaves.items()} for name, leaves in p.items()}
    for image in np.asarray(images):
        a1 = np.zeros((2, 2, 3))
        for i, j in np.ndindex(2, 2):
            patch = image[i : i + 2, j : j + 2, :, None]
            a1[i, j] = (patch * p["conv"]["kernel"]).sum((0, 1, 2)) + p["conv"]["bias"]
        x1 = 1.7159 * np.tanh(2 / 3 * a1)
        a2 = x1.ravel() @ p["dense"]["kernel"] + p["dense"]["bias"]
        second_a2 = slope(a2) ** 2 * 2  # E = |x - code|^2 of the right class
        wanted["dense"]["kernel"] += x1.ravel()[:, None] ** 2 * second_a2
        wanted["dense"]["bias"] += second_a2
        second_x1 = (p["dense"]["kernel"] ** 2 @ second_a2).reshape(2, 2, 3)
        second_a1 = slope(a1) ** 2 * second_x1
        for i, j in np.ndindex(2, 2):  # one weight, four connections
            patch = image[i : i + 2, j : j + 2, :, None]
            wanted["conv"]["kernel"] += patch**2 * second_a1[i, j]
            wanted["conv"]["bias"] += second_a1[i, j]
    for layer in wanted:
        for name, leaf in wanted[layer].items():
            np.testing.assert_allclose(found[layer][name], leaf / 2, rtol=1e-6)


def test_a_layer_of_linear_units_is_exact():
    """Nothing is dropped where there is nothing to drop: softmax regression's own Hessian."""
    net = nn.Dense(4)
    images, labels = jnp.asarray(RNG.normal(size=(5, 3))), jnp.array([0, 1, 2, 3, 0])
    loss = optax.softmax_cross_entropy_with_integer_labels
    variables = net.init(jax.random.key(0), images)
    found = curvature.diagonal(
        lambda variables, x, train: net.apply(variables, x), loss, variables, images, labels
    )
    flat, unravel = jax.flatten_util.ravel_pytree(variables["params"])
    hessian = jax.hessian(lambda p: loss(net.apply({"params": unravel(p)}, images), labels).mean())
    wanted = unravel(jnp.diagonal(hessian(flat)))
    for name, leaf in wanted.items():
        np.testing.assert_allclose(found[name], leaf, rtol=1e-4)


def test_lenet_of_1998_has_a_positive_curvature_everywhere():
    net = models.create("lenet5_1998", num_classes=10, kernel_init=initializers.xavier())
    images = jnp.asarray(RNG.random((2, 32, 32, 1)), jnp.float32)
    variables = net.init(jax.random.key(0), images, train=False)
    made = jax.jit(
        lambda v, x, y: curvature.diagonal(net.apply, losses.rbf_map(), v, x, y)
    )(variables, images, jnp.array([3, 8]))  # fmt: skip
    assert jax.tree.structure(made) == jax.tree.structure(variables["params"])
    for leaf in jax.tree.leaves(made):
        assert leaf.min() > 0
