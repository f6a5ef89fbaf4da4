"""Where arrays live: one mesh over all devices of all processes."""

import os
import pathlib
import stat

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

COMPILED = "~/.cache/cnn_history/compiled"


def start() -> None:
    """Set jax up: compiled programs are kept, in a folder that nobody else can write.

    What is loaded from that folder is executed, so that one which others may write is not used.
    $JAX_COMPILATION_CACHE_DIR names another folder.
    """
    if os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        return
    folder = pathlib.Path(COMPILED).expanduser()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
    except OSError:
        return  # a read-only home: compile anew each time
    if status.st_uid != os.getuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def mesh() -> Mesh:
    """Return the mesh of all devices, with the one axis `data`."""
    auto = jax.sharding.AxisType.Auto  # the default, Explicit, breaks Linen's Dropout
    return jax.make_mesh((jax.device_count(),), ("data",), axis_types=(auto,))


def replicated(mesh: Mesh) -> NamedSharding:
    """A copy on each device."""
    return NamedSharding(mesh, PartitionSpec())


def over_batch(mesh: Mesh, axis: int = 0) -> NamedSharding:
    """Cut along `axis`, a part on each device."""
    return NamedSharding(mesh, PartitionSpec(*[None] * axis, "data"))


def put(tree, sharding: NamedSharding):
    """Place numpy arrays that every process has whole."""

    def place(array):
        array = np.asarray(array)
        return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])

    return jax.tree.map(place, tree)


def rows(sharding: NamedSharding, count: int) -> np.ndarray:
    """Return which of `count` rows the devices of this process hold, in order."""
    cuts = sharding.addressable_devices_indices_map((count,)).values()
    return np.unique(np.concatenate([np.arange(count)[cut] for cut in cuts]))


def put_rows(tree, rows: np.ndarray, count: int, sharding: NamedSharding):
    """Place arrays [count, ...] of which every process has its own `rows` alone."""

    def place(array):
        def part(index):
            return array[np.searchsorted(rows, np.arange(count)[index[0]])]

        return jax.make_array_from_callback((count, *array.shape[1:]), sharding, part)

    return jax.tree.map(place, tree)


def abstract(function, sharding: NamedSharding):
    """Return the shapes, dtypes and sharding of what `function()` would return, uncomputed."""
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        jax.eval_shape(function),
    )


def steps_per_call(steps: int, batch_size: int) -> int:
    """Return how many steps one call of the compiled program shall make: `steps`, or 1 on CPU.

    On an accelerator a scan over steps keeps the host out of the way; XLA:CPU runs convolutions
    inside a loop many times slower, but for those of single images, where the host is what costs.
    """
    return 1 if jax.default_backend() == "cpu" and batch_size > 1 else steps
