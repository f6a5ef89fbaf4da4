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


class Partition:
    """Where the arguments of a primitive are, as far as it is known while it is lowered.

    Attributes:
      devices: number of those that share a batch in ways that XLA chooses; 1 where types of arrays
        say how they are sharded, or nothing does.
    """

    def __init__(self, context: Any):
        """Take the lowering context of a primitive."""
        self._mesh = _mesh(context)
        types = set(self._mesh.axis_types) if self._mesh else set()
        self.devices = self._mesh.size if types == {AxisType.Auto} else 1

    def keep_whole(self, images: jax.Array) -> jax.Array:
        """Constrain images [n, h, w, c], an argument, to be sharded along n and c only."""
        if self._mesh is None:
            return images
        batch, *_, channels = jax.typeof(images).sharding.spec  # along axes of type Explicit
        known = NamedSharding(self._mesh, PartitionSpec(batch, None, None, channels))
        images = jax.sharding.reshard(images, known)
        if AxisType.Auto not in self._mesh.axis_types:
            return images
        batch, *_, channels = (None if cut else PartitionSpec.UNCONSTRAINED for cut in known.spec)
        place = NamedSharding(self._mesh, PartitionSpec(batch, None, None, channels))
        return jax.lax.with_sharding_constraint(images, place)

    def everywhere(self, array: jax.Array) -> jax.Array:
        """Bring an array whole to each of the `devices`."""
        whole = NamedSharding(self._mesh, PartitionSpec())
        return jax.lax.with_sharding_constraint(array, whole)


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
