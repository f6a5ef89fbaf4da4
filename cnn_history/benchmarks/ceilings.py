"""The device's peak and bandwidth, measured in the same run as the networks."""

import functools

import jax
import jax.numpy as jnp

from cnn_history.benchmarks import rounds

# Side of the square matrices, and bytes of the array that is read and written.
SIZES = {"cpu": (2048, 1 << 27), "gpu": (8192, 1 << 30), "tpu": (8192, 1 << 30)}


def measure(dtype: str, how_many: int, seconds: float) -> dict[str, float]:
    """Return operations/s of a large matrix product, and bytes/s of a pass over memory.

    Each is the best of `how_many` rounds of about `seconds`, because other load only slows rounds
    down. The pass reads and writes an array in place that is too large for the caches.
    """
    side, size = SIZES[jax.default_backend()]
    a, b = (jax.random.normal(jax.random.key(i), (side, side), dtype) for i in range(2))
    product = jax.jit(jnp.dot)
    add = jax.jit(functools.partial(jnp.add, 1), donate_argnums=0)
    array = jnp.zeros(size // jnp.dtype(dtype).itemsize, dtype)

    def multiply(count: int) -> None:
        for _ in range(count):
            made = product(a, b)
        jax.block_until_ready(made)

    def pass_over(count: int) -> None:
        nonlocal array
        for _ in range(count):
            array = add(array)
        jax.block_until_ready(array)

    runs = {"product": multiply, "pass": pass_over}
    found = rounds.alternate(runs, how_many, seconds)
    return {
        "operations_per_second": 2 * side**3 / min(found["product"]),
        "bytes_per_second": 2 * size / min(found["pass"]),
    }
