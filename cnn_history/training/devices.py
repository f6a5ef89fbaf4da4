"""Where arrays live: one mesh over all devices of all processes."""

import functools
import glob
import importlib.util
import os
import pathlib
import sys
from collections.abc import Sequence

import jax
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from cnn_history.files import private

TPUS = "/dev/accel*", "/dev/vfio/[0-9]*"  # as their drivers name them
COMPILED = "~/.cache/cnn_history/compiled_for_{}"  # so many processors


def start() -> None:
    """Set jax up: compiled programs are kept, in a folder for us alone.

    On a CPU a program runs in the thread that calls it. Of other threads, glibc gives what is
    larger than 64 MiB back to the system, to take it anew, page by page, in every step.

    What is loaded from that folder is executed, so that one which others may have written is not
    used, and that is said. $JAX_COMPILATION_CACHE_DIR names another folder. There is one for each
    number of processors: XLA:CPU divides its work by them as it compiles, and jax does not look at
    them as it loads (what was once compiled for one of two stays at half the speed).
    """
    jax.config.update("jax_cpu_enable_async_dispatch", False)
    look_for_no_tpu()
    named = os.environ.get("JAX_COMPILATION_CACHE_DIR", "")
    if "://" in named:
        return  # in the cloud, whose permissions are its own
    folder = pathlib.Path(os.path.expanduser(named or COMPILED.format(_processors())))
    try:
        private.make(folder)
        objection = private.objection(folder)
    except OSError as error:
        objection = str(error)
    if objection:
        print(f"compiled programs are not kept: {objection}.", file=sys.stderr)
        jax.config.update("jax_compilation_cache_dir", None)
    elif not named:
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def look_for_no_tpu() -> None:
    """Keep jax from looking for a TPU where libtpu is installed and there is none.

    It is there for `compile`; jax would load it in every process, which takes seconds and writes
    warnings. What the user has chosen, and what another accelerator's plugin brings, stays.
    """
    if jax.config.jax_platforms or not _installed("libtpu") or _installed("jax_plugins"):
        return
    if not any(map(glob.glob, TPUS)) and not os.environ.get("TPU_NAME"):
        jax.config.update("jax_platforms", "cpu")


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _processors() -> int:
    """Return how many this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux alone
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def platform(mesh: Mesh) -> str:
    """Return the platform of a mesh's devices, such as `cpu`, `gpu` or `tpu`."""
    return mesh.devices.flat[0].platform


def mesh(devices: Sequence[jax.Device] | None = None) -> Mesh:
    """Return the mesh of all devices, or of those given, with the one axis `data`."""
    auto = jax.sharding.AxisType.Auto  # the default, Explicit, breaks Linen's Dropout
    count = jax.device_count() if devices is None else len(devices)
    return jax.make_mesh((count,), ("data",), axis_types=(auto,), devices=devices)


def replicated(mesh: Mesh) -> NamedSharding:
    """A copy on each device."""
    return NamedSharding(mesh, PartitionSpec())


def over_batch(mesh: Mesh, axis: int = 0) -> NamedSharding:
    """Cut along `axis`, a part on each device."""
    return NamedSharding(mesh, PartitionSpec(*[None] * axis, "data"))


def all_replicated(tree, mesh: Mesh):
    """Return the sharding of each array of a tree: a copy on each device."""
    return jax.tree.map(lambda _: replicated(mesh), tree)


def sharded(tree, mesh: Mesh):
    """Return the sharding of each array of a tree: a part on each device, where it can be cut.

    An array is cut along its last axis that the number of devices divides, which of a kernel
    [h, w, in, out] is mostly `out`; one that has no such axis is copied.
    """

    def cut(array):
        fits = [axis for axis, n in enumerate(array.shape) if n and n % mesh.size == 0]
        return over_batch(mesh, fits[-1]) if fits else replicated(mesh)

    return jax.tree.map(cut, tree)


def whole_outside(rule: optax.GradientTransformation, mesh: Mesh):
    """Return the rule with gradients and updates whole on each device, however its state is cut.

    Else the cuts travel back into the network, and each of its norms is gathered and cut again.
    """
    rule = optax.with_extra_args_support(rule)
    whole = functools.partial(jax.lax.with_sharding_constraint, shardings=replicated(mesh))

    def update(grads, state, params=None, **extra):
        updates, state = rule.update(whole(grads), state, params, **extra)
        return whole(updates), state

    return optax.GradientTransformationExtraArgs(rule.init, update)


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


def steps_per_call(steps: int, batch_size: int, platform: str) -> int:
    """Return how many steps one call of the compiled program shall make: `steps`, or 1 on CPU.

    On an accelerator a scan over steps keeps the host out of the way; XLA:CPU runs convolutions
    inside a loop many times slower, but for those of single images, where the host is what costs.
    """
    return 1 if unrolls(platform) and batch_size > 1 else steps


def unrolls(platform: str) -> bool:
    """Say whether a loop over convolutions is better written out, as it is for XLA:CPU."""
    return platform == "cpu"


def divide(mesh: Mesh, function, arrays: Sequence[jax.Array]) -> list[jax.Array]:
    """Return the function of each array, each computed on one device and sent to all; inside jit.

    The largest goes first, to the device that has least to do so far; work grows with the cube of
    the rows, as that of an inversion does. The results have to be as large as the arrays.
    """
    if mesh.size == 1:
        return [function(array) for array in arrays]
    load, owners = [0] * mesh.size, {}
    for i in sorted(range(len(arrays)), key=lambda i: -len(arrays[i])):
        owners[i] = load.index(min(load))
        load[owners[i]] += len(arrays[i]) ** 3

    def share(device, arrays):
        return [
            function(array) if owners[i] == device else jax.numpy.zeros_like(array)
            for i, array in enumerate(arrays)
        ]

    def work(*arrays):
        shares = [functools.partial(share, device, arrays) for device in range(mesh.size)]
        mine = jax.lax.switch(jax.lax.axis_index("data"), shares)
        return jax.lax.psum(mine, "data")  # all others added zeros

    everywhere = PartitionSpec()
    whole = jax.shard_map(
        work, mesh=mesh, in_specs=everywhere, out_specs=everywhere, check_vma=False
    )
    return whole(*arrays)
