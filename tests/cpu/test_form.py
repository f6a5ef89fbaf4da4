"""A form equals its function in every derivative; the target platform chooses the form."""

import collections
import dataclasses
import functools
import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_history import cpu, layers
from cnn_history.cpu.form import Form, as_on_cpu
from tests.training.runs import CHECKOUT

SHIFTS = 3
QUICK = {"xla_backend_optimization_level": 0}


def along_rows(x, weights):
    """[n, size], [SHIFTS] -> [n, size - SHIFTS + 1]: a convolution along the rows."""
    size = x.shape[1] - SHIFTS + 1
    return sum(jnp.sin(weights[i]) * x[:, i : i + size] for i in range(SHIFTS))


def back(y, weights):
    padded = jnp.pad(y, ((0, 0), (SHIFTS - 1, SHIFTS - 1)))
    size = y.shape[1] + SHIFTS - 1
    return sum(
        jnp.sin(weights[i]) * padded[:, SHIFTS - 1 - i : SHIFTS - 1 - i + size]
        for i in range(SHIFTS)
    )


@dataclasses.dataclass(frozen=True)
class Along(Form):
    """Linear in the rows, not in the weights; a CPU's form is told by a barrier."""

    back: bool = False

    def plain(self, x, weights):
        return (back if self.back else along_rows)(x, weights)

    def cpu(self, x, weights):
        return jax.lax.optimization_barrier(self.plain(x, weights))

    def transposed(self, i, y, weights):
        return Along(not self.back)(y, weights)


def drawn(n=2):
    draw = np.random.default_rng(0)
    return jnp.asarray(draw.normal(size=(n, 7))), jnp.asarray(draw.normal(size=SHIFTS))


def test_every_derivative_is_the_functions():
    """By both arguments: gradient, forward, the Hessian both ways, and over batches of either."""

    def everything(function, x, weights):
        def loss(x, weights):
            return jnp.sum(jnp.cos(function(x, weights)) ** 2)

        both = x, weights
        along = tuple(map(jnp.sin, both))
        loss_along = functools.partial(jax.jvp, jax.grad(loss, (0, 1)), both, along)
        xs, many = jnp.stack([x, 2 * x], 1), jnp.stack([weights, weights**2])
        gradients = jax.grad(loss, (0, 1))

        def over_batches(x, weights):
            return jnp.sum(jax.vmap(function, (1, None))(xs * x[:, None], weights) ** 3)

        return (
            function(x, weights),
            gradients(x, weights),
            jax.jvp(function, both, along),
            jax.jvp(lambda w: function(x, w), (weights,), (along[1],)),
            loss_along(),
            jax.grad(lambda x, w: jnp.sum(gradients(x, w)[0] ** 2), (0, 1))(x, weights),
            jax.vmap(gradients, (1, 0))(xs, many),
            jax.vmap(gradients, (None, 0))(x, many),
            jax.vmap(gradients, (1, None))(xs, weights),
            jax.vmap(lambda t: jax.jvp(function, both, (t, along[1])), 1)(xs),
            jax.grad(over_batches, (0, 1))(x, weights),
            jax.grad(lambda x: jnp.sum(jax.vmap(function, (None, 0))(x, many) ** 3))(x),
        )

    with jax.enable_x64(True):
        x, weights = drawn()
        expected, found = (
            jax.jit(functools.partial(everything, f), compiler_options=QUICK)(x, weights)
            for f in (along_rows, Along())
        )
        for a, b in zip(jax.tree.leaves(expected), jax.tree.leaves(found), strict=True):
            np.testing.assert_allclose(b, a, rtol=0, atol=1e-12)


def gradient(function, *arguments):
    """A new function each time: nothing that was traced before is taken."""
    return jax.jit(jax.grad(lambda *a: jnp.sum(function(*a) ** 3))), arguments


# What layers call, and arguments for which a CPU's form is another.
X, IMAGE = jnp.ones((2, 8, 8, 6)), jnp.ones((2, 12, 8, 1))
CALLS = {
    "convolve": (
        lambda x, k: layers.convolve(x, k, (1, 1), "SAME", feature_group_count=2),
        X,
        jnp.ones((3, 3, 3, 6)),
    ),
    "max_pool": (layers.MaxPool((3, 3), (1, 1), 1), X),
    "residual_sum": (lambda x: layers.residual_sum(x, jnp.sin(x), jax.nn.relu), X),
    "tanh": (layers.scaled_tanh, X),
    "window_sums": (layers.AvgPool((2, 2), (2, 2)), X),
}

# Forms that differ on several devices alone (training/test_devices.py).
OVER_DEVICES = {"group_moments"}


def operations(lowered):
    return collections.Counter(re.findall(r"stablehlo\.\w+", lowered))


def same(found, expected):
    """But for what is left of `jax.jvp` beside the derivative, which nobody reads, and for factors.

    The squashing function's derivative by its value has one fewer.
    """
    free = ("reduce_window", "maximum", "constant", "return", "broadcast_in_dim", "multiply")
    differ = set(found - expected) | set(expected - found)
    return set(found) == set(expected) and differ <= {f"stablehlo.{name}" for name in free}


def test_each_form_has_its_call():
    assert set(CALLS) | OVER_DEVICES == set(cpu.FORMS)


@pytest.mark.parametrize("name", CALLS)
def test_other_platforms_get_what_is_written(name):
    """What is lowered for them is what jax makes of the layer as it is written."""
    function, *arguments = CALLS[name]

    def lowered(platform):
        program, _ = gradient(function, *arguments)
        return operations(program.trace(*arguments).lower(lowering_platforms=(platform,)).as_text())

    found = {platform: lowered(platform) for platform in ("cpu", "cuda", "tpu")}
    with layers.as_written():
        expected = {platform: lowered(platform) for platform in found}
    assert not same(found["cpu"], expected["cpu"])
    for platform in ("cuda", "tpu"):
        assert same(found[platform], expected[platform]), platform


def test_one_export_for_several_platforms_and_any_batch():
    """A batch whose size is not known takes what is written, on a CPU too."""
    function, x, kernel = CALLS["convolve"]
    program, _ = gradient(function, x, kernel)
    export = jax.export.export(program, platforms=("cpu", "cuda"))
    fixed = export(x, kernel)
    (n,) = jax.export.symbolic_shape("n")
    any_batch = export(jax.ShapeDtypeStruct((n, *x.shape[1:]), x.dtype), kernel)
    expected = program(x, kernel)
    for exported in (fixed, any_batch):
        np.testing.assert_allclose(exported.call(x, kernel), expected, rtol=1e-5)
    for size in (1, 5):
        assert any_batch.call(jnp.ones((size, *x.shape[1:])), kernel).shape[0] == size


def test_to_measure_one_it_is_lowered_elsewhere():
    program, arguments = gradient(Along(), *drawn())

    def cuda():
        return program.trace(*arguments).lower(lowering_platforms=("cuda",)).as_text()

    assert "barrier" not in cuda()
    jax.clear_caches()
    with as_on_cpu(Along):
        assert "barrier" in cuda()
    jax.clear_caches()


SHARDED = """
import jax, jax.numpy as jnp, numpy as np
jax.config.update("jax_num_cpu_devices", 4)
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P
from tests.cpu.test_form import CALLS, operations, same

def lowered(program, arguments, platform):
    return program.trace(*arguments).lower(lowering_platforms=(platform,))

for name, (function, x, *rest) in CALLS.items():
    x = jnp.cos(jnp.arange(4 * x[0].size, dtype=jnp.float32)).reshape(4, *x.shape[1:])
    rest = [jnp.sin(jnp.arange(a.size, dtype=jnp.float32)).reshape(a.shape) for a in rest]
    whole = (lambda *a: jnp.sum(function(*a) ** 3))
    gradient = jax.grad(whole, range(1 + len(rest)))
    expected = jax.jit(gradient)(x, *rest)
    as_elsewhere = {}

    def check(way, program, *arguments):
        found = lowered(program, arguments, "cpu")
        others = lowered(program, arguments, "cuda")
        as_elsewhere[way] = same(operations(found.as_text()), operations(others.as_text()))
        for a, b in zip(expected, found.compile()(*arguments)):
            err = f"{name} {way}"
            np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-5 * np.abs(a).max(), err_msg=err)

    auto = jax.make_mesh((4,), ("data",), axis_types=(AxisType.Auto,))
    parts = [P("data")] + [P()] * len(rest)
    check("manual", jax.jit(jax.shard_map(
        jax.grad(lambda *a: jax.lax.psum(whole(*a), "data"), range(1 + len(rest))),
        mesh=auto, in_specs=tuple(parts), out_specs=tuple(parts))), x, *rest)

    # A mesh with an axis that nothing is cut along, where XLA errs.
    for kind in AxisType.Auto, AxisType.Explicit:
        mesh = jax.make_mesh((2, 2), ("a", "b"), axis_types=(kind,) * 2)
        # jax itself refuses to pool rows that lie along an axis of type Explicit.
        cut_rows = kind == AxisType.Auto or name in ("convolve", "max_pool")
        for spec in [P("a"), P(None, "a")] if cut_rows else [P("a")]:
            places = [NamedSharding(mesh, spec)] + [NamedSharding(mesh, P())] * len(rest)
            with jax.set_mesh(mesh):
                arguments = list(map(jax.device_put, (x, *rest), places))
                check(f"{kind.name} {spec}", jax.jit(lambda *a: gradient(*a)), *arguments)
        if kind == AxisType.Auto:  # the mesh is known of the arguments alone
            program = jax.jit(lambda *a: gradient(*a), in_shardings=tuple(places))
            check(f"in_shardings {spec}", program, x, *rest)
    assert not as_elsewhere.pop("manual"), name
    assert all(as_elsewhere.values()) and len(as_elsewhere) >= 4, (name, as_elsewhere)
"""


def test_on_several_devices_only_what_is_not_cut_takes_a_cpus_form():
    command = [sys.executable, "-c", SHARDED]
    result = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stderr
