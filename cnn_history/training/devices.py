"""Placement of arrays: one mesh over all devices of all processes."""

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

# Device files of TPUs and NVIDIA's GPUs; the last is that of Windows.
ACCELERATORS = "/dev/accel*", "/dev/vfio/[0-9]*", "/dev/nvidia*", "/dev/dxg"
COMPILED = "~/.cache/cnn_history/compiled_for_{}"  # number of processors


def start() -> None:
    """Set up jax: synchronous programs on CPUs, and a private cache of compiled programs.

    On a CPU, a program runs in the thread that calls it. glibc returns blocks over 64 MiB freed by
    other threads to the system, so every step would page-fault them in again.

    Programs in the cache are executed, so a cache that others may have written is reported and not
    used. $JAX_COMPILATION_CACHE_DIR names another folder. There is a folder for each number of
    processors: XLA:CPU divides the work among them when compiling, and jax ignores their number
    when loading (a program compiled on one processor would keep half the speed on two).
    """
    jax.config.update("jax_cpu_enable_async_dispatch", False)
    look_for_what_is_here()
    named = os.environ.get("JAX_COMPILATION_CACHE_DIR", "")
    if "://" in named:
        return  # in the cloud, with permissions of its own
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


def look_for_what_is_here() -> None:
    """Keep jax from searching for absent TPUs or GPUs whose compilers are installed.

    The compilers are installed for `compile`. jax would load them in every process, which takes
    seconds and prints warnings. The user's choice of a platform and other accelerators' plugins
    have priority.
    """
    compilers = [_installed("libtpu"), _installed("jax_cuda13_plugin")]
    others = _installed("jax_plugins") and not compilers[1]
    if jax.config.jax_platforms or others or not any(compilers):
        return
    if not any(map(glob.glob, ACCELERATORS)) and not os.environ.get("TPU_NAME"):
        jax.config.update("jax_platforms", "cpu")


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _processors() -> int:
    """Return the number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # only on Linux
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
    """Return the sharding of an array with a copy on each device."""
    return NamedSharding(mesh, PartitionSpec())


def over_batch(mesh: Mesh, axis: int = 0) -> NamedSharding:
    """Return the sharding of an array split along `axis`, with a part on each device."""
    return NamedSharding(mesh, PartitionSpec(*[None] * axis, "data"))


def all_replicated(tree, mesh: Mesh):
    """Return the sharding of each array of a tree: a copy on each device."""
    return jax.tree.map(lambda _: replicated(mesh), tree)


def sharded(tree, mesh: Mesh):
    """Return the sharding of each array of a tree: a part on each device, or a copy.

    An array is split along its last axis that the number of devices divides, usually `out` of a
    kernel [h, w, in, out]. Without such an axis, it is copied.
    """

    def cut(array):
        fits = [axis for axis, n in enumerate(array.shape) if n and n % mesh.size == 0]
        return over_batch(mesh, fits[-1]) if fits else replicated(mesh)

    return jax.tree.map(cut, tree)


def whole_outside(rule: optax.GradientTransformation, mesh: Mesh):
    """Return the rule with gradients and updates replicated, even if its state is sharded.

    Otherwise the sharding spreads into the network, where each norm would be gathered and split.
    """
    rule = optax.with_extra_args_support(rule)
    whole = functools.partial(jax.lax.with_sharding_constraint, shardings=replicated(mesh))

    def update(grads, state, params=None, **extra):
        updates, state = rule.update(whole(grads), state, params, **extra)
        return whole(updates), state

    return optax.GradientTransformationExtraArgs(rule.init, update)


def put(tree, sharding: NamedSharding):
    """Place NumPy arrays; every process has a full copy."""

    def place(array):
        array = np.asarray(array)
        return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])

    return jax.tree.map(place, tree)


def rounded_up(count: int, mesh: Mesh) -> int:
    """Return the smallest multiple of the number of devices that is not below `count`."""
    return -(-count // mesh.size) * mesh.size


def rows(sharding: NamedSharding, count: int) -> np.ndarray:
    """Return the indices of `count` rows that this process's devices hold, ascending."""
    cuts = sharding.addressable_devices_indices_map((count,)).values()
    return np.unique(np.concatenate([np.arange(count)[cut] for cut in cuts]))


def put_rows(tree, rows: np.ndarray, count: int, sharding: NamedSharding):
    """Place arrays [count, ...]; every process has only its own `rows`."""

    def place(array):
        def part(index):
            return array[np.searchsorted(rows, np.arange(count)[index[0]])]

        return jax.make_array_from_callback((count, *array.shape[1:]), sharding, part)

    return jax.tree.map(place, tree)


def steps_per_call(steps: int, batch_size: int, platform: str) -> int:
    """Return the number of steps per call of the compiled program.

    On an accelerator it is `steps`: a scan avoids waiting for the host. It is 1 on a CPU, where the
    host is soon ready and XLA runs convolutions over several devices many times slower in a loop,
    except for single images, where the host's time dominates.
    """
    return 1 if unrolls(platform) and batch_size > 1 else steps


def unrolls(platform: str) -> bool:
    """Return whether a loop over convolutions should be unrolled, as on several CPUs."""
    return platform == "cpu"


def divide(mesh: Mesh, function, arrays: Sequence[jax.Array]) -> list[jax.Array]:
    """Return the function of each array, each computed on one device and sent to all; inside jit.

    The largest array is assigned first, each to the device with the least work so far. Work is
    taken as the cube of the rows, as for an inversion. Results must have the arrays' shapes.
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
