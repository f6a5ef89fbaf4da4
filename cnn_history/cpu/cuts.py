"""Programs over several devices, in which XLA's partitioner shards arrays.

It silently computes wrong numbers for some of them
(findings/partitioned_kernel_gradient.sh). A sharding constraint, which needs the mesh, keeps their
images whole.
"""

from typing import Any

import jax
from jax.extend.mlir.dialects import sdy
from jax.sharding import AbstractMesh, AxisType, NamedSharding, PartitionSpec


def is_cut(context: Any) -> bool:
    """Tell whether XLA may shard arrays of the program being lowered (not in `jax.shard_map`)."""
    around = context.module_context.axis_context
    if hasattr(around, "num_devices"):
        return around.num_devices > 1
    return set(around.manual_axes) != set(around.mesh.axis_names)


def keep_whole(context: Any, images: jax.Array) -> jax.Array:
    """Constrain images [n, h, w, c] to be sharded along n and c only.

    Args:
      context: the lowering context of a primitive.
      images: an argument of the primitive.
    """
    mesh = _mesh(context)
    if mesh is None:
        return images
    batch, *_, channels = jax.typeof(images).sharding.spec  # along axes of type Explicit
    known = NamedSharding(mesh, PartitionSpec(batch, None, None, channels))
    images = jax.sharding.reshard(images, known)
    if AxisType.Auto not in mesh.axis_types:
        return images
    batch, *_, channels = (None if cut else PartitionSpec.UNCONSTRAINED for cut in known.spec)
    place = NamedSharding(mesh, PartitionSpec(batch, None, None, channels))
    return jax.lax.with_sharding_constraint(images, place)


def _mesh(context) -> AbstractMesh | None:
    """Return the mesh of the arrays, or else that of the program's arguments.

    An uncommitted array does not know the mesh that `in_shardings` gives it.
    """
    for aval in context.avals_in:
        if not aval.sharding.mesh.empty:
            return aval.sharding.mesh
    for function in context.module_context.module.body.operations:
        for argument in function.attributes.get("arg_attrs", ()):
            if "sdy.sharding" in argument:
                made = sdy.MeshAttr(sdy.TensorShardingAttr(argument["sdy.sharding"]).mesh_or_ref)
                axes = [sdy.MeshAxisAttr(axis) for axis in made.axes]
                names, sizes = [axis.name for axis in axes], [axis.size for axis in axes]
                if names:
                    auto = (AxisType.Auto,) * len(names)
                    return AbstractMesh(tuple(sizes), tuple(names), axis_types=auto)
    return None
