"""What XLA needs of us: forms of layers that its CPU compiler runs faster, its options, and forms
that its partitioner gets right.

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
