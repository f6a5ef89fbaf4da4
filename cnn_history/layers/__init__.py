"""Layers that Flax lacks, or that it defines differently from the papers.

A new normalization is a file with a subclass of `Norm`, and a line in NORMS. Its fields declare its
options (`choices`).

    >>> import jax, jax.numpy as jnp
    >>> from cnn_history import layers
    >>> norm = layers.BatchNorm()
    >>> x = jax.random.normal(jax.random.key(0), (8, 4, 4, 3)) + 5
    >>> y, statistics = norm.init_with_output(jax.random.key(1), x, use_running_average=False)
    >>> bool(abs(y.mean()) < 1e-5), sorted(statistics)
    (True, ['batch_stats', 'params'])
"""

import functools

from cnn_history.layers.activations import scaled_tanh
from cnn_history.layers.batch_norm import BatchNorm
from cnn_history.layers.convolution import Conv, convolve
from cnn_history.layers.decorrelated_batch_norm import DecorrelatedBatchNorm
from cnn_history.layers.dense import Dense
from cnn_history.layers.dropout import Dropout
from cnn_history.layers.forms import as_written
from cnn_history.layers.fully_connected import FullyConnected
from cnn_history.layers.group_norm import GroupNorm
from cnn_history.layers.local_response_norm import LocalResponseNorm, local_response_norm
from cnn_history.layers.norm import Norm, made_by, of_last_batch
from cnn_history.layers.partial_convolution import PartialConv
from cnn_history.layers.pooling import AdaptiveAvgPool, AvgPool, GlobalAvgPool, MaxPool
from cnn_history.layers.rbf import RBFOutput
from cnn_history.layers.residual_sum import residual_sum
from cnn_history.layers.subsampling import TrainableSubsampling

DecorrelatedFirst = functools.partial(DecorrelatedBatchNorm, place="first")
# A network's `norm` stands wherever its paper normalizes.
NORMS = {
    "none": None,
    "batch_norm": BatchNorm,
    "decorrelated_batch_norm": DecorrelatedBatchNorm,
    "group_norm": GroupNorm,
    "local_response_norm": LocalResponseNorm,
}

__all__ = [
    "NORMS",
    "AdaptiveAvgPool",
    "AvgPool",
    "BatchNorm",
    "Conv",
    "DecorrelatedBatchNorm",
    "DecorrelatedFirst",
    "Dense",
    "Dropout",
    "FullyConnected",
    "GlobalAvgPool",
    "GroupNorm",
    "LocalResponseNorm",
    "MaxPool",
    "Norm",
    "PartialConv",
    "RBFOutput",
    "TrainableSubsampling",
    "as_written",
    "convolve",
    "local_response_norm",
    "made_by",
    "of_last_batch",
    "residual_sum",
    "scaled_tanh",
]
