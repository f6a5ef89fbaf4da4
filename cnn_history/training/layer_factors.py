"""K-FAC's factors: second moments of a layer's input, and of the gradient at its output.

Covered are `nn.Dense`, `nn.Conv` and `layers.FullyConnected`. Other layers with parameters, such as
normalizations, `PartialConv` and `TrainableSubsampling`, are not.
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from cnn_history.layers import FullyConnected

COVERED = (nn.Dense, nn.Conv, FullyConnected)


class Watch:
    """Records the covered layers of one forward pass, and adds offsets to their outputs.

    Use it as `with nn.intercept_methods(watch):` around the network's `apply`.

    Args:
      offsets: arrays to add to the outputs, by layer; their gradients are those of the outputs.
        Layers without one are unchanged.

    Attributes:
      modules: layers by name, such as `conv2_1/conv1`.
      inputs: inputs by layer.
      outputs: outputs by layer.
    """

    def __init__(self, offsets: dict[str, jax.Array]):
        self.offsets, self.modules, self.inputs, self.outputs = offsets, {}, {}, {}

    def __call__(self, layer, arguments, keywords, context):
        """Call a layer as Flax's interceptor, and record it."""
        made, module = layer(*arguments, **keywords), context.module
        if not isinstance(module, COVERED) or context.method_name != "__call__":
            return made
        name = "/".join(module.path)
        if name in self.modules:
            raise ValueError(f"{name} is used twice in one pass; its factors are not defined.")
        self.modules[name], self.inputs[name] = module, arguments[0]
        self.outputs[name] = made + self.offsets[name] if name in self.offsets else made
        return self.outputs[name]


class Factors(NamedTuple):
    """The factors of a layer's Fisher matrix, A ⊗ G: float32 or wider.

    Attributes:
      inputs: A, [a, a]: a row for each weight of a unit, in the kernel's order, and a last one for
        the bias, if there is any.
      outputs: G, [g, g].
    """

    inputs: jax.Array
    outputs: jax.Array


def factors(module: nn.Module, x: jax.Array, gradient: jax.Array) -> Factors:
    r"""Return the factors of one batch.

    With T positions, a_t the window that the kernel meets at t followed by a 1 for the bias, and
    g_t the gradient at output t, $A = E[\sum_t a_t a_t^T]$, $G = E[\sum_t g_t g_t^T] / T$: $\Omega$
    and $\Gamma$ of Grosse & Martens 2016, sec. 3.1. With T = 1 they are those of a dense layer
    (Martens & Grosse 2015, sec. 3). Departure: to keep one pair of factors per layer, a kernel's
    groups share A, the mean of theirs, and G is zero between groups.

    Args:
      module: a covered layer.
      x: its input, [n, ..., c].
      gradient: gradient of the batch's mean loss with respect to its output, [n, ..., g].
    """
    wide = jnp.promote_types(gradient.dtype, jnp.float32)  # images may be narrower than the layer
    a = _windows(module, x.astype(wide))
    if _has_bias(module):
        a = jnp.concatenate([a, jnp.ones_like(a[..., :1])], axis=-1)
    n, t, groups, _ = a.shape
    g = n * gradient.astype(wide).reshape(n, t, -1)  # of an example's own loss
    ones = jnp.ones((g.shape[-1] // groups,) * 2, wide)
    return Factors(
        inputs=_moments(a) / (n * groups),
        outputs=_moments(g) / (n * t) * jnp.kron(jnp.eye(groups, dtype=wide), ones),
    )


def _has_bias(module: nn.Module) -> bool:
    """Return whether a covered layer has a bias; `FullyConnected` always has."""
    return getattr(module, "use_bias", True)


def _moments(x: jax.Array) -> jax.Array:
    """[..., d] -> the sum of the outer products, [d, d]."""
    rows = x.reshape(-1, x.shape[-1])
    return jnp.matmul(rows.T, rows, precision=jax.lax.Precision.HIGHEST)


def _windows(module: nn.Module, x: jax.Array) -> jax.Array:
    """Return the kernel's window at each position, [n, positions, groups, weights of a unit]."""
    if isinstance(module, nn.Dense):
        return x.reshape(x.shape[0], -1, 1, x.shape[-1])
    if isinstance(module, FullyConnected):
        return _sliding(x, module.window, (1, 1), "VALID", 1)
    strides = _pair(module.strides or 1)
    return _sliding(x, module.kernel_size, strides, module.padding, module.feature_group_count)


def _sliding(x, window, strides, padding, groups) -> jax.Array:
    """Return the windows of a convolution, from a shifted view of x for each place in the window.

    (`conv_general_dilated_patches`, with an identity kernel, puts channels outermost.)
    """
    n, *sides, channels = x.shape
    if isinstance(padding, str):
        padding = jax.lax.padtype_to_pads(sides, window, strides, padding)
    elif isinstance(padding, int):
        padding = [padding] * 2
    pads = [_pair(p) for p in padding]
    x = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    h, w = (
        (side - size) // step + 1
        for side, size, step in zip(x.shape[1:3], window, strides, strict=True)
    )
    shifted = [
        x[
            :,
            i : i + (h - 1) * strides[0] + 1 : strides[0],
            j : j + (w - 1) * strides[1] + 1 : strides[1],
        ]
        for i in range(window[0])
        for j in range(window[1])
    ]
    views = jnp.stack(shifted, axis=3).reshape(n, h * w, len(shifted), groups, channels // groups)
    return views.swapaxes(2, 3).reshape(n, h * w, groups, -1)


def _pair(value) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)
