"""Every network takes every normalization and every initialization, from Python and by config."""

import functools

import jax
import jax.numpy as jnp
import pytest

from cnn_history import build, config, models
from experiments import resnet_cifar10
from tests.models import checks

# Of VGG's columns one depth of each kind: the others are the same layers, and seconds to trace.
KEEP_STATISTICS = {"batch_norm", "decorrelated_batch_norm", "decorrelated first"}


def choose(norm):
    """Return the config's group of a norm."""
    if norm == "decorrelated first":
        return config.choose("norm", "decorrelated_batch_norm", place="first")
    return config.choose("norm", norm)


NORMS = (*config.NORM.candidates, "decorrelated first")


@pytest.mark.parametrize("name", checks.DISTINCT)
def test_every_kernel_is_drawn_by_the_chosen_initializer_under_every_norm(name):
    info = models.info(name)
    images = jax.ShapeDtypeStruct((1, *info.input), jnp.float32)
    for norm in NORMS if "norm" in models.options(name) else (None,):
        drawn = []

        def count(key, shape, dtype, drawn=drawn):
            drawn.append(shape)
            return jax.random.normal(key, shape, dtype)

        options = {"kernel_init": count}
        if norm is not None:
            options["norm"] = config.NORM.bind(choose(norm))
        network = checks.shallow(models.create(name, **options))
        init = functools.partial(network.init_with_output, train=False)
        logits, variables = jax.eval_shape(init, jax.random.key(0), images)
        assert logits.shape == (1, info.classes)
        kernels = [p for p in jax.tree.leaves(variables["params"]) if p.ndim > 1]
        big = [shape for shape in drawn if len(shape) > 1]
        assert len(big) >= len(kernels) > 0
        assert ("batch_stats" in variables) == (norm in KEEP_STATISTICS)
        if norm == "decorrelated first":
            leaves = jax.tree_util.tree_leaves_with_path(variables["batch_stats"])
            kinds = [jax.tree_util.keystr(path, simple=True).rsplit("/")[-1] for path, _ in leaves]
            assert sum("whitening" in kind for kind in kinds) == 1


@pytest.mark.parametrize(
    ("norm", "init"),
    [
        *((norm, "he") for norm in NORMS),
        *(("batch_norm", init) for init in config.INITIALIZER.candidates),
    ],
)
def test_a_config_swaps_them_and_a_gradient_step_works(norm, init):
    recipe = resnet_cifar10.get_config()
    recipe.model.norm, recipe.model.kernel_init.name = choose(norm), init
    recipe.model.kernel_init.constant.value = 0.01
    network = build.model(recipe, 10).clone(blocks=1, features=(4, 8, 8))
    images = jax.random.uniform(jax.random.key(0), (2, 8, 8, 3))

    @jax.jit
    def gradient():
        variables = dict(network.init(jax.random.key(1), images, train=False))
        params = variables.pop("params")

        def loss(params):
            logits, _ = network.apply(
                {"params": params, **variables}, images, train=True, mutable=["batch_stats"]
            )
            return jnp.square(logits - 1).mean()

        return jax.grad(loss)(params)

    gradients = jax.tree.leaves(gradient())
    assert all(bool(jnp.all(jnp.isfinite(g))) for g in gradients)
    assert max(float(jnp.abs(g).max()) for g in gradients) > 0
