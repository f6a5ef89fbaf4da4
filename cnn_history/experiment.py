"""The parts of a run, which `build.experiment` makes from a config."""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import optax

from cnn_history import optimizers
from cnn_history.datasets import Source
from cnn_history.datasets.prepare import Images
from cnn_history.datasets.statistics import Statistics


class Plan(NamedTuple):
    """The numbers of a run, named as in its config."""

    seed: int
    steps: int
    batch_size: int
    eval_batch_size: int
    log_every: int
    eval_every: int
    checkpoint_every: int
    keep_checkpoints: int
    statistics_batches: int
    keep_best: bool
    skipped_images: int
    skipped_steps: int


class Experiment(NamedTuple):
    """The parts of a run; none depends on the config.

    Attributes:
      model: name of the network.
      network: the network, for images [n, size, size, c].
      train: training examples.
      test: test examples.
      size: side of the network's images.
      adapter: name of the adapter for images of other sizes.
      images: (() -> statistics of the training images) -> preprocessing and augmentation.
      loss: (logits, labels) -> [n]; also for `(logits, heads)`.
      loss_name: name of the loss.
      optimizer: gradients -> updates.
      schedule: learning rate by step, as in the optimizer; None if the rule takes no rate.
      differentiate: computes the gradient and the optimizer's extra arguments.
      evaluated: (params, optimizer's state) -> the parameters to evaluate.
      averages: whether these are averages.
      of_last_batch: the network with running statistics of only the last batch; None if the run
        keeps moving averages.
      shardings: (optimizer's state, mesh) -> shardings of its arrays.
      init_from: work directory with the initial parameters; empty for none.
      init_layers: layers that take these; empty for all.
      scaling: name of the scaling of values.
      trained: layers to train; empty for all.
      notes: remarks for the first lines of a run.
      plan: the numbers of the run.
    """

    model: str
    network: nn.Module
    train: Source
    test: Source
    size: int
    adapter: str
    images: Callable[[Callable[[], Statistics]], Images]
    loss: Callable[[Any, jax.Array], jax.Array]
    loss_name: str
    optimizer: optax.GradientTransformation
    schedule: optimizers.Rate | None
    differentiate: Callable
    evaluated: Callable[[Any, Any], Any]
    averages: bool
    of_last_batch: nn.Module | None
    shardings: Callable[[Any, jax.sharding.Mesh], Any]
    init_from: str
    init_layers: tuple[str, ...]
    scaling: str
    trained: tuple[str, ...]
    notes: tuple[str, ...]
    plan: Plan
