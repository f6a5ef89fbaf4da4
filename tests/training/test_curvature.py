"""Second derivatives taken back by squares: each rule, LeNet's layers by hand, an exact case."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cnn_history import initializers, layers, losses, models
from cnn_history.training import curvature

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(3, 4)), RNG.normal(size=(4, 2))
IMAGE, KERNEL = RNG.normal(size=(1, 4, 4, 2)), RNG.normal(size=(2, 2, 2, 3))


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
    _, back = curvature.squared(jnp.sort, jnp.asarray(A))
    with pytest.raises(ValueError, match="back through 'sort'"):
        back(jnp.asarray(A))


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
