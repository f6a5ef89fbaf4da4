"""The networks under jax's transformations and precisions, compared with the plain call."""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import AbstractMesh, AxisType, PartitionSpec

from cnn_history import models
from tests.functional_api.case import HOLDS, Case, error_of, plainly
from tests.models import checks

EXECUTED = ("lenet5",)
DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16, "float64": jnp.float64}
# Of the largest value of a leaf: sums in another order, in the precision of the computation.
TOLERANCES = {"float32": 2e-5, "bfloat16": 5e-2, "float64": 1e-12}
BATCH = 2


def product(a, b):
    return sum(map(jnp.vdot, jax.tree.leaves(a), jax.tree.leaves(b)))


def along(params):
    return jax.tree.map(lambda leaf: jnp.cos(leaf) / 8, params)


# Each: (case, params, images) -> (found, expected).


def jit(case, params, images):
    return jax.jit(case.forward)(params, images), plainly(case.forward)(params, images)


def grad(case, params, images):
    gradient = jax.grad(case.in_training)
    return jax.jit(gradient)(params, images), plainly(gradient)(params, images)


def per_example(case, params, images):
    each = jax.jit(jax.vmap(jax.grad(case.loss), (None, 0)))(params, images[:, None])
    return jax.tree.map(lambda g: g.sum(0), each), plainly(jax.grad(case.loss))(params, images)


def ensemble(case, params, images):
    several = [params, jax.tree.map(lambda leaf: leaf / 2, params)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *several)
    found = jax.jit(jax.vmap(case.forward, (0, None)))(stacked, images)
    return found, jnp.stack([plainly(case.forward)(each, images) for each in several])


def jvp(case, params, images):
    def directional(params, images):
        return jax.jvp(lambda p: case.loss(p, images), (params,), (along(params),))[1]

    gradient = plainly(jax.grad(case.loss))(params, images)
    return jax.jit(directional)(params, images), product(gradient, along(params))


def hvp(case, params, images):
    def forward_over_reverse(params, images):
        gradient = jax.grad(lambda p: case.loss(p, images))
        return jax.jvp(gradient, (params,), (along(params),))[1]

    def reverse_over_reverse(params, images):
        direction = along(params)
        return jax.grad(lambda p: product(jax.grad(case.loss)(p, images), direction))(params)

    return jax.jit(forward_over_reverse)(params, images), plainly(reverse_over_reverse)(
        params, images
    )


def jacobians(case, params, images):
    """Derivatives of the logits by the smallest leaf, in forward and reverse mode."""
    leaves, tree = jax.tree.flatten(params)
    i = min(range(len(leaves)), key=lambda i: leaves[i].size)

    def logits(leaf):
        return case.forward(tree.unflatten([*leaves[:i], leaf, *leaves[i + 1 :]]), images)

    return jax.jit(jax.jacfwd(logits))(leaves[i]), plainly(jax.jacrev(logits))(leaves[i])


def remat(case, params, images):
    found = jax.jit(jax.grad(jax.checkpoint(case.in_training)))(params, images)
    return found, plainly(jax.grad(case.in_training))(params, images)


def scan(case, params, images):
    """Over two layers that are alike, where there are such; else over batches."""
    alike = layers_alike(case, params)
    if alike is not None:
        layer, shape, several = alike
        x = jnp.ones(shape, case.network.dtype)

        def step(x, variables):
            return layer.apply(variables, x), None

        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *several)
        found = jax.jit(lambda x, stacked: jax.lax.scan(step, x, stacked)[0])(x, stacked)
        return found, functools.reduce(lambda x, variables: step(x, variables)[0], several, x)

    def add(total, images):
        gradient = jax.grad(case.loss)(params, images)
        return jax.tree.map(jnp.add, total, gradient), None

    zeros = jax.tree.map(jnp.zeros_like, params)
    found, _ = jax.jit(lambda images: jax.lax.scan(add, zeros, images))(images[:, None])
    return found, plainly(jax.grad(case.loss))(params, images)


def layers_alike(case, params):
    """Return a layer of images to images like them, their shape, and the variables of two such."""
    shapes = jax.tree.map(jnp.shape, params)
    images = jax.ShapeDtypeStruct((1, *models.info(NAMES[case.network]).input), jnp.float32)
    modules = models.layers_of(case.network, images)
    for name in params:
        others = [other for other in params if other != name and shapes[other] == shapes[name]]
        kernels = [leaf.shape for leaf in jax.tree.leaves(params[name]) if leaf.ndim == 4]
        if not others or not kernels or kernels[0][2] != kernels[-1][3]:
            continue
        layer, shape = modules[name].clone(parent=None), (1, 8, 8, kernels[0][2])
        several = [
            {"params": params[each]}
            | {c: tree[each] for c, tree in case.state.items() if each in tree}
            for each in (name, others[0])
        ]
        try:
            made = jax.eval_shape(layer.apply, several[0], jnp.ones(shape, case.network.dtype))
        except (TypeError, ValueError):  # one that takes more than images
            continue
        if made.shape == shape:
            return layer, shape, several
    return None


def eval_shape(case, params, images):
    expected = plainly(case.forward)(params, images)
    found = jax.eval_shape(case.forward, params, images)
    return jnp.zeros(found.shape, found.dtype), jnp.zeros_like(expected)


def export(case, params, images, batch=None):
    """Export of the loss and its gradient, read back and executed."""

    def both(state, params, images):
        return jax.value_and_grad(case._replace(state=state).loss)(params, images)

    like = functools.partial(jax.tree.map, lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype))
    shape = (batch or images.shape[0], *images.shape[1:])
    shapes = like(case.state), like(params), jax.ShapeDtypeStruct(shape, images.dtype)
    exported = jax.export.export(jax.jit(both))(*shapes)
    if case.executed:
        exported = jax.export.deserialize(exported.serialize())
    found = exported.call(case.state, params, images)
    return found, plainly(both)(case.state, params, images)


def symbolic(case, params, images):
    return export(case, params, images, *jax.export.symbolic_shape("n"))


def shard_map(case, params, images):
    auto = (AxisType.Auto,)
    if case.executed:
        mesh = jax.make_mesh((1,), ("data",), axis_types=auto)
    else:
        mesh = AbstractMesh((BATCH,), ("data",), axis_types=auto)
    everywhere, cut = PartitionSpec(), PartitionSpec("data")
    found = jax.shard_map(
        jax.grad(case.loss), mesh=mesh, in_specs=(everywhere, cut), out_specs=everywhere
    )
    return jax.jit(found)(params, images), plainly(jax.grad(case.loss))(params, images)


def pmap(case, params, images):
    found = jax.pmap(jax.grad(case.loss), in_axes=(None, 0))(params, images[None])
    expected = plainly(jax.grad(case.loss))(params, images)
    return jax.tree.map(lambda leaf: leaf[0], found), expected


def donation(case, params, images):
    def update(params, images):
        return jax.tree.map(jnp.subtract, params, jax.grad(case.in_training)(params, images))

    expected = plainly(update)(params, images)
    return jax.jit(update, donate_argnums=0)(jax.tree.map(jnp.copy, params), images), expected


def nnx_bridge(case, params, images):
    def both(images):
        module = nnx.bridge.ToNNX(case.network, rngs=nnx.Rngs(params=0))
        module = nnx.bridge.lazy_init(module, images, train=False)
        kinds = {"params": nnx.Param, "batch_stats": nnx.BatchStat}
        kept = {name: nnx.to_pure_dict(nnx.state(module, kind)) for name, kind in kinds.items()}
        return module(images, train=False), case.network.apply(kept, images, train=False)

    return jax.jit(both)(images)


TRANSFORMATIONS = {
    "jit": jit,
    "grad": grad,
    "vmap: gradients of examples": per_example,
    "vmap: ensemble": ensemble,
    "jvp": jvp,
    "remat": remat,
    "eval_shape": eval_shape,
    "export": export,
    "export, any batch": symbolic,
    "shard_map of grad": shard_map,
    "hvp": hvp,
    "jacobians": jacobians,
    "scan": scan,
    "pmap": pmap,
    "donation": donation,
    "NNX": nnx_bridge,
}
NAMES = {}  # of the networks made here


def cell(name: str, dtype: str, transformation: str) -> str:
    """Return `holds`, or how a network fails under a transformation in a precision."""
    with jax.enable_x64(dtype == "float64"):
        heads = {"aux_heads": True} if "aux_heads" in models.options(name) else {}
        network = checks.shallow(models.create(name, dtype=DTYPES[dtype], **heads))
        NAMES[network] = name
        images = jax.ShapeDtypeStruct((BATCH, *models.info(name).input), _wide(dtype))
        executed = name in EXECUTED

        def both(state, params, images):
            return TRANSFORMATIONS[transformation](Case(network, state, executed), params, images)

        try:
            if executed:
                draw = np.random.default_rng(0)
                images = jnp.asarray(draw.normal(size=images.shape), images.dtype)
                state = dict(checks.init(network, images))
                return _compared(*both(state, state.pop("params"), images), TOLERANCES[dtype])
            state = dict(checks.variables(network, images))
            found, expected = jax.eval_shape(both, state, state.pop("params"), images)
        except Exception as error:
            return f"{type(error).__name__}: {error}".splitlines()[0]
        return HOLDS if found == expected else f"{found} instead of {expected}"


def _wide(dtype):
    return jnp.promote_types(DTYPES[dtype], jnp.float32)


def _compared(found, expected, tolerance):
    worst = error_of(found, expected)
    return HOLDS if worst <= tolerance else f"error {worst:.1e}"


def row(name: str) -> dict[str, dict[str, str]]:
    """Return a network's cells, by precision and transformation."""
    return {d: {t: cell(name, d, t) for t in TRANSFORMATIONS} for d in DTYPES}


def table(rows: dict) -> list[str]:
    """Return a line for each network: `yes` where every precision holds."""
    lines = ["| network | " + " | ".join(TRANSFORMATIONS) + " |"]
    lines.append("|---" * (1 + len(TRANSFORMATIONS)) + "|")
    for name, of_network in rows.items():
        shown = []
        for transformation in TRANSFORMATIONS:
            said = {dtype: of_network[dtype].get(transformation) for dtype in DTYPES}
            shown.append("yes" if set(said.values()) == {HOLDS} else json.dumps(said))
        lines.append(f"| {name} | " + " | ".join(shown) + " |")
    return lines
