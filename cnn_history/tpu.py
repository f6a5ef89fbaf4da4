"""Equivalent forms of layers that need less memory and bandwidth on TPUs (docs/pod.md).

Each form is the same function with the same derivatives. `training.program` substitutes them.
"""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp


def sums_over_maps(plain: Callable, x: jax.Array, n: int) -> jax.Array:
    """[..., c] -> [..., c]: the sum over the n maps around each map, as a matrix product.

    XLA:TPU fuses the squares before it and the scaling after it with a product, but not with
    `plain`, a sum over windows. The factors of the product are 0 and 1.
    """
    maps = jnp.arange(x.shape[-1])
    ahead = maps[:, None] - maps
    near = (-(n // 2) <= ahead) & (ahead <= (n - 1) // 2)
    return jnp.matmul(x, near.astype(x.dtype), precision=jax.lax.Precision.HIGHEST)


# Keys are names of the functions in `layers`.
FORMS = {"sums_over_maps": sums_over_maps}


def forms(platform: str) -> Mapping[str, Callable]:
    """Return the forms for a platform: none, unless it is `tpu`."""
    return FORMS if platform == "tpu" else {}
