"""Convolution of images [n, h, w, c] by kernels [k, k, c / groups, f]."""

from typing import Any

import flax.linen as nn
import jax

from cnn_history.layers import forms
from cnn_history.layers.bias import call_of, promote_all_but_bias

LAYOUT = ("NHWC", "HWIO", "NHWC")


@forms.replaceable
def convolve(
    x: jax.Array,
    kernel: jax.Array,
    strides: tuple[int, int],
    padding: Any,
    feature_group_count: int = 1,
    dimension_numbers: Any = LAYOUT,
    **options: Any,
) -> jax.Array:
    """[n, h, w, c], [k, k, c / groups, f] -> [n, h', w', f] by `jax.lax.conv_general_dilated`."""
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        strides,
        padding,
        feature_group_count=feature_group_count,
        dimension_numbers=dimension_numbers,
        **options,
    )


class Conv(nn.Conv):
    """`flax.linen.Conv` that calls `convolve` and adds its bias in the dtype of parameters."""

    conv_general_dilated: Any = convolve
    promote_dtype: Any = promote_all_but_bias

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[n, h, w, c] -> [n, h', w', f]."""
        y = call_of(nn.Conv)(self, x)
        return y.astype(self.dtype or y.dtype)
