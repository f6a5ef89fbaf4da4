"""The networks under jax's transformations, precisions and meshes, each beside the plain call.

    ./launch.sh python -m tests.functional_api --networks=lenet5,resnet20 [--table=meshes]

computes cells of the tables of docs/functional_api.md, keeps them in docs/functional_api.json, and
writes the tables anew. Small networks are executed, all others are traced: shapes and dtypes are
compared, and programs are lowered where a transformation does that.
"""

import functools
import json
import os
import pathlib
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags
from flax import nnx
from jax.sharding import AbstractMesh, AxisType, NamedSharding, PartitionSpec

from cnn_history import layers, models
from tests.models import checks, low_precision

DOCUMENT = pathlib.Path(__file__).parents[1] / "docs" / "functional_api.md"
CELLS = DOCUMENT.with_suffix(".json")
EXECUTED = ("lenet5",)
DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16, "float64": jnp.float64}
# Of the largest value of a leaf: sums in another order, in the precision of the computation.
TOLERANCES = {"float32": 2e-5, "bfloat16": 5e-2, "float64": 1e-12}
BATCH = 2
HOLDS = "holds"


class Case(NamedTuple):
    """A network with its loss, a sum over examples that looks at every logit."""

    network: Any
    state: dict
    executed: bool

    def forward(self, params, images):
        return self.network.apply({"params": params, **self.state}, images, train=False)

    def loss(self, params, images, train=False):
        made, _ = self.network.apply(
            {"params": params, **self.state},
            images,
            train=train,
            rngs={"dropout": jax.random.key(1)},
            mutable=["batch_stats"],
        )
        return sum(jnp.sum(jax.nn.softplus(logits / 8)) for logits in jax.tree.leaves(made))

    def in_training(self, params, images):
        return self.loss(params, images, train=True)


def plainly(function: Callable) -> Callable:
    """The reference: layers as they are written, by jax's own operations."""

    def call(*arguments):
        with layers.as_written():
            return jax.jit(lambda *a: function(*a))(*arguments)

    return call


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


def error_of(found, expected) -> float:
    """Return the largest error of any leaf, in parts of its largest value."""

    def error(a, b):
        assert a.dtype == b.dtype, (a.dtype, b.dtype)
        a, b = np.asarray(a, float), np.asarray(b, float)
        return np.abs(a - b).max() / max(np.abs(b).max(), 1e-6)

    return max(jax.tree.leaves(jax.tree.map(error, found, expected)))


# Meshes of 2 x 2 devices, and what lies along their axes.
KINDS = ("Auto", "Explicit", "manual")
SPECS = {
    "batch": PartitionSpec("a"),
    "batch, both axes": PartitionSpec(("a", "b")),
    "rows": PartitionSpec(None, "a"),
    "columns": PartitionSpec(None, None, "a"),
    "batch and rows": PartitionSpec("b", "a"),
    "rows and columns": PartitionSpec(None, "a", "b"),
}
SIZES = {"lenet5": 32, "lenet5_1998": 32, "nin": 32}  # of the images, where it is not 64
MESH_BATCH, MESH_TOLERANCE = 8, 1e-5
REFUSED = "refused"


def mesh_cells(name: str) -> dict[str, str]:
    """Return `holds`, `refused: why` or the error of loss, statistics and gradients, by mesh."""
    size = SIZES.get(name, min(models.info(name).input[0], 64))
    shape = (MESH_BATCH, size, size, models.info(name).input[2])
    images = np.random.default_rng(0).normal(size=shape).astype(np.float32)

    def made(**options):
        network = checks.shallow(models.create(name, **options))
        state = dict(checks.init(network, images[:1]))
        params = state.pop("params")

        def function(params, images):
            def loss(params, images):
                case = Case(network, state, executed=True)
                return case.in_training(params, images)

            return jax.grad(loss, (0, 1))(params, images)

        return function, params

    function, params = made()
    expected = jax.jit(function)(params, images)
    cells = {}
    for kind in KINDS:
        for spec_name, spec in SPECS.items():
            axis_type = AxisType.Auto if kind == "manual" else AxisType[kind]
            mesh = jax.make_mesh((2, 2), ("a", "b"), axis_types=(axis_type,) * 2)
            places = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, spec)
            program, reference = function, expected
            if kind == "manual":
                if not spec_name.startswith("batch") or "rows" in spec_name:
                    cells[f"{kind}: {spec_name}"] = "not offered: a part of an image is no image"
                    continue
                specs = PartitionSpec(), spec
                # A device draws dropout, and takes statistics, of the examples that it holds.
                options = {"dropout": 0.0} if "dropout" in models.options(name) else {}
                if getattr(models.create(name), "norm", None) is layers.BatchNorm:
                    count = mesh.size if spec_name.endswith("axes") else 2
                    size_of_group = MESH_BATCH // count
                    options["norm"] = functools.partial(layers.BatchNorm, group_size=size_of_group)
                local = made(**{k: v for k, v in options.items() if k != "norm"})[0]
                program = jax.shard_map(local, mesh=mesh, in_specs=specs, out_specs=specs)
                reference = jax.jit(made(**options)[0])(params, images)
            try:
                with jax.set_mesh(mesh):
                    arguments = map(jax.device_put, (params, images), places)
                    found = jax.jit(lambda *a, program=program: program(*a))(*arguments)
                worst = error_of(found, reference)
                said = HOLDS if worst <= MESH_TOLERANCE else f"error {worst:.1e}"
            except Exception as error:
                said = f"{REFUSED}: {type(error).__name__}: {error}".splitlines()[0]
            cells[f"{kind}: {spec_name}"] = said
    return cells


def out_of_reach(leaves: dict[str, dict[str, float]]) -> str:
    """Return the number of these leaves, and slopes with float32 sums and beside them."""
    if not leaves:
        return "0 | |"
    least = [leaf["least_slope"] for leaf in leaves.values()]
    apart = max(abs(leaf["slope"] - leaf["least_slope"]) for leaf in leaves.values())
    return f"{len(leaves)} | {min(least):.2f} to {max(least):.2f} | {apart:.4f}"


def tables(cells: dict) -> dict[str, str]:
    """Return the document's tables, by their names."""
    precisions = ["| network | " + " | ".join(TRANSFORMATIONS) + " |"]
    precisions.append("|---" * (1 + len(TRANSFORMATIONS)) + "|")
    for name, of_network in cells["transformations"].items():
        row = []
        for transformation in TRANSFORMATIONS:
            said = {dtype: of_network[dtype].get(transformation) for dtype in DTYPES}
            row.append("yes" if set(said.values()) == {HOLDS} else json.dumps(said))
        precisions.append(f"| {name} | " + " | ".join(row) + " |")
    columns = [f"{kind}: {spec}" for kind in KINDS for spec in SPECS]
    meshes = ["| mesh | " + " | ".join(cells["meshes"]) + " |"]
    meshes.append("|---" * (1 + len(cells["meshes"])) + "|")
    for column in columns:
        said = [of_network[column].split(":")[0] for of_network in cells["meshes"].values()]
        meshes.append(f"| {column} | " + " | ".join(said) + " |")
    columns = ("images", "leaves", "worst slope", "worst error / least", "about 0")
    columns += ("out of reach", "their slopes, float32 sums", "farthest from these")
    rounded = [" | ".join(("| network", *columns)) + " |", "|---" * (1 + len(columns)) + "|"]
    for name, row in cells["bfloat16"].items():
        slope, ratio = f"{row['slope']:.3f}", f"{row['ratio']:.2f}"
        values = name, row["image_size"], row["leaves"], slope, ratio, len(row["about 0"])
        rounded.append(f"| {' | '.join(map(str, values))} | {out_of_reach(row['out of reach'])} |")
    return {
        "transformations": "\n".join(precisions),
        "meshes": "\n".join(meshes),
        "bfloat16": "\n".join(rounded),
    }


def document(text: str, cells: dict) -> str:
    """Return the document with the tables of these cells."""
    for name, table in tables(cells).items():
        between = re.compile(f"(<!-- {name} -->\n).*?(\n<!-- end -->)", re.S)
        text = between.sub(lambda found, table=table: found[1] + table + found[2], text)
    return text


NETWORKS = flags.DEFINE_list("networks", list(EXECUTED), "Whose cells are computed.")
TABLE = flags.DEFINE_enum(
    "table", "transformations", ["transformations", "meshes", "bfloat16"], "Which is computed."
)


def row(name: str) -> dict:
    """Return a network's cells in the table that the flag says."""
    if TABLE.value == "meshes":
        return mesh_cells(name)
    if TABLE.value == "bfloat16":
        return low_precision.row(name)
    return {d: {t: cell(name, d, t) for t in TRANSFORMATIONS} for d in DTYPES}


def main(argv):
    """Compute the cells that the flags say, and write."""
    del argv
    if TABLE.value == "meshes":
        jax.config.update("jax_num_cpu_devices", 4)
    jax.config.update("jax_disable_most_optimizations", True)
    for name in NETWORKS.value:
        made = row(name)
        print(name, json.dumps(made, indent=1), flush=True)
        jax.clear_caches()
        cells = json.loads(CELLS.read_text())
        cells[TABLE.value][name] = made
        ordered = {key: dict(sorted(cells[key].items())) for key in sorted(cells)}
        CELLS.write_text(json.dumps(ordered, indent=1) + "\n")
        DOCUMENT.write_text(document(DOCUMENT.read_text(), ordered))


if __name__ == "__main__":
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    app.run(main)
