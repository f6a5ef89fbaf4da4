"""The networks on meshes of 2 x 2 devices, each beside one device."""

import functools

import jax
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from cnn_history import layers, models
from tests.functional_api.case import HOLDS, Case, error_of
from tests.models import checks

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


def row(name: str) -> dict[str, str]:
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


def table(rows: dict) -> list[str]:
    """Return a line for each mesh, with a column for each network."""
    lines = ["| mesh | " + " | ".join(rows) + " |", "|---" * (1 + len(rows)) + "|"]
    for mesh in (f"{kind}: {spec}" for kind in KINDS for spec in SPECS):
        said = [of_network[mesh].split(":")[0] for of_network in rows.values()]
        lines.append(f"| {mesh} | " + " | ".join(said) + " |")
    return lines
