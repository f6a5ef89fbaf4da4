"""Workarounds for XLA: equivalent forms of layers that its CPU compiler runs faster or that its
partitioner gets right, and compiler options.

Each form is the same function with the same derivatives. Networks and layers do not know about
them; `layers.forms` substitutes them.
"""

from cnn_history.cpu import convolution, moments, once, pooling, squashing
from cnn_history.cpu.form import layer_of

# Keys are names of the functions in `layers`.
FORMS = {
    "convolve": convolution.convolve,
    "group_moments": moments.group_moments,
    "max_pool": pooling.max_pool,
    "residual_sum": once.residual_sum,
    "tanh": squashing.tanh,
    "window_sums": pooling.window_sums,
}

__all__ = ["FORMS", "layer_of"]
