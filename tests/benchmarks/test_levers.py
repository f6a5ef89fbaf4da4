"""Levers: each alternative computes the same and is the one that is compiled."""

import contextlib
import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_history import models
from cnn_history.benchmarks import alternatives, levers, ours
from cnn_history.benchmarks.cases import Case
from cnn_history.benchmarks.levers import CASES, LEVERS, Lever
from cnn_history.benchmarks.suite import Effort
from cnn_history.layers import batch_norm, forms
from tests.models import checks

QUICK = Effort(rounds=2, seconds=0.0)
LAYOUT = {"dimension_numbers": ("NHWC", "HWIO", "NHWC")}
# Float32: sums of up to 363 products in another order, in units of their scale.
BOUND = 1e-5


def normal(seed, *shape):
    return jax.random.normal(jax.random.key(seed), shape)


@pytest.mark.parametrize(
    ("size", "window", "stride", "padding"),
    [
        (32, 7, 2, [(3, 3), (3, 3)]),  # ResNet's first layer
        (43, 11, 4, "VALID"),  # AlexNet's, which leaves nothing out
        (42, 11, 4, "VALID"),  # and three rows that no window reaches
        (21, 7, 2, [(3, 2), (1, 4)]),
        (20, 7, 2, "SAME"),
    ],
)
def test_space_to_depth(size, window, stride, padding):
    x, kernel = normal(0, 2, size, size, 3), normal(1, window, window, 3, 5)

    def made(convolve):
        def function(x, kernel):
            return convolve(x, kernel, (stride, stride), padding, **LAYOUT)

        y, back = jax.vjp(function, x, kernel)
        return y, *back(normal(2, *y.shape))

    plain = jax.lax.conv_general_dilated
    both = functools.partial(alternatives.space_to_depth, plain), plain
    for found, expected in zip(
        *jax.jit(lambda: [made(convolve) for convolve in both])(), strict=True
    ):
        scale = jnp.abs(expected).max()
        np.testing.assert_allclose(found / scale, expected / scale, rtol=0, atol=BOUND)


def test_groups_apart():
    arguments = normal(0, 2, 9, 9, 8), normal(1, 3, 3, 4, 6), (2, 2), [(1, 1), (1, 1)]
    options = {"feature_group_count": 2, **LAYOUT}
    expected = jax.lax.conv_general_dilated(*arguments, **options)
    found = alternatives.groups_apart(jax.lax.conv_general_dilated, *arguments, **options)
    np.testing.assert_allclose(found, expected, rtol=0, atol=BOUND * jnp.abs(expected).max())


@pytest.mark.parametrize("form", [alternatives.without_first_mean, alternatives.by_pallas])
def test_statistics(form):
    """Of values that bfloat16 has, since by_pallas takes no others."""
    x = (0.5 + normal(0, 2, 7, 16, 32, 128)).astype(jnp.bfloat16).astype(jnp.float32)
    off, rest, *moments = form(None, x)
    _, _, *expected = batch_norm.statistics(x)
    np.testing.assert_allclose(off - rest, x - expected[0], atol=BOUND)
    for found, value in zip(moments, expected, strict=True):
        np.testing.assert_allclose(found, value, rtol=BOUND)


def test_the_kernel_in_pallas_is_lowered_for_a_gpu(monkeypatch):
    """It is not run there by this; but what Triton has no words for fails here already."""
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    images = jax.ShapeDtypeStruct((1, 7, 16, 16, 64), jnp.float32)
    with gpu():
        traced = jax.jit(functools.partial(alternatives.by_pallas, None)).trace(images)
        assert "triton" in traced.lower(lowering_platforms=("cuda",)).as_text()


def gpu():
    """Later versions of jax ask which GPU a kernel is lowered for."""
    if jax.__version_info__ < (0, 11):
        return contextlib.nullcontext()
    device = jax.sharding.AbstractDevice("NVIDIA H200", num_cores=None, platform="gpu")
    return jax.sharding.use_abstract_mesh(jax.sharding.AbstractMesh((), (), abstract_device=device))


def gradients(network, lever):
    """Return what is traced of the gradients of a network, as for a GPU, and not compiled."""
    model = checks.shallow(models.create(network, dtype=jnp.bfloat16))
    images = jax.ShapeDtypeStruct((256, *models.info(network).input), jnp.float32)
    variables = checks.variables(model, images)

    def loss(params, rest, images):
        keys = {"dropout": jax.random.key(0)}
        made, _ = model.apply(
            {"params": params, **rest}, images, train=True, rngs=keys, mutable=["batch_stats"]
        )
        return jnp.sum(made)

    rest = {name: value for name, value in variables.items() if name != "params"}
    jax.clear_caches()
    with forms.as_written(), forms.replaced(**lever.forms):
        return str(jax.make_jaxpr(jax.grad(loss))(variables["params"], rest, images))


@pytest.mark.parametrize("network", [name for name in LEVERS if name != "resnet20"])
def test_a_form_is_traced_in_the_place_of_ours(network):
    plain = gradients(network, Lever())
    distinct = {repr(lever.forms): lever for lever in LEVERS[network].values() if lever.forms}
    for what, lever in distinct.items():
        assert gradients(network, lever) != plain, what


def test_loops_are_unrolled_and_lengthened(monkeypatch):
    """By what `train` runs on a GPU: a scan of so many steps."""
    traced = {}

    def note(function, options, state, data, cursors):
        del options
        text = str(function.trace(state, data, cursors).jaxpr)
        traced[name] = cursors["step"].shape, re.findall(r"length=10\s.*?unroll=(\d+)", text, re.S)
        raise InterruptedError

    monkeypatch.setattr(ours, "_compile", note)
    monkeypatch.setattr(ours, "RESIDENT", 40)
    monkeypatch.setattr("cnn_history.training.devices.steps_per_call", lambda *_: 10)
    case = Case("resnet20", "train", 2, data="resident")
    for name in ("plain", "unrolled_by_5", "1000_steps_a_call", "1_steps_a_call"):
        with pytest.raises(InterruptedError):
            levers.make(case, LEVERS["resnet20"].get(name, Lever()))
    assert traced == {
        "plain": ((10,), ["1"]),
        "unrolled_by_5": ((10,), ["5"]),
        "1000_steps_a_call": ((1000,), []),
        "1_steps_a_call": ((), []),
    }


def test_the_rows_of_levers(monkeypatch):
    case = Case("lenet5", "train", 4)
    made = []

    def slower(convolve, *arguments, **options):
        made.append(arguments)
        return convolve(*arguments, **options)

    lever = Lever({"xla_gpu_graph_min_graph_size": 1}, {"convolve": slower})
    row = levers.beside(case, "slower", lever, QUICK)
    assert (row["network"], row["lever"], row["batch"]) == ("lenet5", "slower", 4)
    assert made
    spread = row["times_without"]
    assert 0 < spread["low"] <= spread["median"] <= spread["high"]
    assert row["images_per_second"] == pytest.approx(4 / row["seconds_per_step"]["median"])
    unknown = levers.beside(case, "unknown", Lever({"xla_gpu_enable_magic": True}), QUICK)
    assert "xla_gpu_enable_magic" in unknown["failed"]
    assert "times_without" not in unknown


# Of later versions than the oldest that is supported.
LATER = {"xla_gpu_enable_pdl_launch"}


def test_xla_knows_the_settings():
    function = jax.jit(lambda x: x + 1)
    for name, lever in levers.OF_XLA.items():
        options = {key: value for key, value in lever.options.items() if key not in LATER}
        assert lever.options, name
        function.lower(1.0).compile(options)
    with pytest.raises(jax.errors.JaxRuntimeError, match="xla_gpu_enable_magic"):
        function.lower(1.0).compile({"xla_gpu_enable_magic": True})


def test_every_lever_has_its_case():
    assert {case.mode for case in CASES.values()} == {"train"}
    assert set(CASES) == set(LEVERS)
    assert len(levers.SUITE.names) == sum(map(len, LEVERS.values())) > 30
