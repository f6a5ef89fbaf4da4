"""The algebra of K-FAC: a layer's weights as a matrix, and its two damped factors."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class Pair(NamedTuple):
    """Two matrices of a layer: its factors A and G, or their damped inverses."""

    inputs: jax.Array
    outputs: jax.Array


class Layers(NamedTuple):
    """A tree of parameters, split into layers.

    Attributes:
      matrices: kernel and bias as one matrix, [weights of a unit (and bias), units], by layer.
      rest: all other parameters, by name.
      join: (matrices, rest) -> the tree.
    """

    matrices: dict[str, jax.Array]
    rest: dict[str, jax.Array]
    join: Callable[[dict, dict], Any]


def split(params: Any) -> Layers:
    """Split a tree of parameters; each `kernel` [a, g] or [k, k, c, g] makes a layer."""
    leaves, structure = jax.tree_util.tree_flatten_with_path(params)
    named = {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}
    kernels = {
        name.rpartition("/")[0]: leaf
        for name, leaf in named.items()
        if name.rpartition("/")[2] == "kernel" and leaf.ndim in (2, 4)
    }
    matrices, rest = {}, dict(named)
    for layer, kernel in kernels.items():
        del rest[f"{layer}/kernel"]
        matrices[layer] = kernel.reshape(-1, kernel.shape[-1])
        if f"{layer}/bias" in named:
            bias = rest.pop(f"{layer}/bias")
            matrices[layer] = jnp.concatenate([matrices[layer], bias[None]])

    def join(matrices: dict, rest: dict) -> Any:
        made = dict(rest)
        for layer, kernel in kernels.items():
            weights = kernel.size // kernel.shape[-1]
            made[f"{layer}/kernel"] = matrices[layer][:weights].reshape(kernel.shape)
            if f"{layer}/bias" in named:
                made[f"{layer}/bias"] = matrices[layer][weights]
        return jax.tree.unflatten(structure, [made[name] for name in named])

    return Layers(matrices, rest, join)


def damped(factors: Pair, damping: float) -> Pair:
    r"""Return $A + \pi\sqrt\lambda I$ and $G + \sqrt\lambda/\pi\, I$.

    $\pi^2 = (\mathrm{tr} A / \dim A) / (\mathrm{tr} G / \dim G)$, so that the damping is split in
    proportion to the factors' mean eigenvalues (Martens & Grosse 2015, sec. 6.3). For a factor of
    zeros, as in a layer that no gradient reaches, π = 1.
    """
    a, g = (jnp.trace(factor) / len(factor) for factor in factors)
    pi = jnp.where((a > 0) & (g > 0), jnp.sqrt(a / jnp.where(g > 0, g, 1)), 1)
    shares = pi * damping**0.5, damping**0.5 / pi
    return Pair(
        *(f + s * jnp.eye(len(f), dtype=f.dtype) for f, s in zip(factors, shares, strict=True))
    )


def inverse(matrix: jax.Array) -> jax.Array:
    """Return the inverse of a symmetric positive definite matrix, by Cholesky."""
    factor = jax.scipy.linalg.cho_factor(matrix)
    return jax.scipy.linalg.cho_solve(factor, jnp.eye(len(matrix), dtype=matrix.dtype))


def precondition(gradient: jax.Array, inverses: Pair) -> jax.Array:
    """[a, g] -> A⁻¹ gradient G⁻¹, which is (A ⊗ G)⁻¹ times the gradient as a vector."""
    highest = jax.lax.Precision.HIGHEST
    left = jnp.matmul(inverses.inputs, gradient, precision=highest)
    return jnp.matmul(left, inverses.outputs, precision=highest)
