"""All that exists for XLA:CPU alone: forms of layers that it runs faster, and its options.

They are the same functions, with the same derivatives. Networks and layers know nothing of them;
`layers.forms` puts them in.
"""

from cnn_history.cpu import convolution, once, pooling, squashing

# By the name of the layer's function.
FORMS = {
    "convolve": convolution.convolve,
    "max_pool": pooling.max_pool,
    "residual_sum": once.residual_sum,
    "tanh": squashing.tanh,
    "window_sums": pooling.window_sums,
}
