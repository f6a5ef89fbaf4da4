"""What a run is made of: `build.experiment` makes it of a config, and each part once."""

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
    """The numbers of a run, under the names that its config has for them."""

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
    """The parts of a run; none of them knows the config.

    Attributes:
      model: name of the network.
      network: takes images [n, size, size, c].
      train: the training examples.
      test: the examples that errors are measured on.
      size: of the images that the network takes.
      adapter: name of the way in which images of another size reach it.
      images: (() -> statistics of the training images) -> what is done to images.
      loss: (logits, labels) -> [n], also of `(logits, heads)`.
      loss_name: of it.
      optimizer: from gradients to updates.
      schedule: the learning rate of each step, as the optimizer has it; None where it takes none.
      differentiate: how a step gets its gradient, and what else the optimizer asks for.
      evaluated: (params, optimizer's state) -> the parameters that are evaluated.
      averages: whether those are averages.
      of_last_batch: the network whose running statistics are those of the last batch alone; None
        where the run keeps moving averages of them.
      shardings: (optimizer's state, mesh) -> where its arrays live.
      init_from: the work directory whose parameters the run starts from; empty for none.
      init_layers: the layers that take those; empty for all.
      scaling: name of what is done to values.
      trained: the layers that are trained; empty for all.
      notes: what the first lines of a run say of it.
      plan: the numbers.
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
