"""Feeds of training steps: a data set resident on each device, or a stream of batches.

Both have the same interface. `take(data, cursor)`, traced into the step, returns uint8 images and
labels: as in the data set, or at the network's size if the feed `cuts`. `data` is the same for all
steps. `at(start, count)` returns cursors for some steps: indices into the data, or the batch
itself. A cursor always has `ids` and `epochs` of its examples, and `step`, the number of its step.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from cnn_history import evaluation
from cnn_history.datasets import Source, adapters, crops, examples, images, stream
from cnn_history.datasets.order import Order
from cnn_history.datasets.prepare import Images
from cnn_history.experiment import Experiment
from cnn_history.training import devices, keys


class FromWhole:
    """The traced part of a feed from a resident data set.

    An image is a row of bytes there: a TPU pads the last two dimensions of an array, and would
    convert all images to another layout in every step.
    """

    cuts = False

    def __init__(self, experiment: Experiment, mesh: Mesh):
        """Store the sizes; `shapes` needs nothing else."""
        plan = experiment.plan
        self._train, self._batch_size, self._mesh = experiment.train, plan.batch_size, mesh
        platform = devices.platform(mesh)
        self.stride = devices.steps_per_call(plan.log_every, plan.batch_size, platform)

    def take(self, data: dict, cursor: dict) -> tuple[jax.Array, jax.Array]:
        """Return (images, labels); traced."""
        return self._examples(data, cursor["ids"])

    def sample(
        self, data: dict, cursor: dict, key: jax.Array, count: int
    ) -> tuple[jax.Array, jax.Array]:
        """Return (images, labels) of `count` random examples; traced."""
        del cursor
        examples = len(data["label"])
        ids = jax.random.choice(key, examples, (min(count, examples),), replace=False)
        return self._examples(data, ids)

    def _examples(self, data: dict, ids: jax.Array) -> tuple[jax.Array, jax.Array]:
        return data["image"][ids].reshape(-1, *self._train.shape), data["label"][ids]

    def shapes(self, count: int) -> tuple[dict, dict]:
        """Return `data` and the cursors of `count` steps as shapes, dtypes and shardings."""
        examples, whole = len(self._train), devices.replicated(self._mesh)
        data = {
            "image": _shape((examples, math.prod(self._train.shape)), np.uint8, whole),
            "label": _shape((examples,), np.int32, whole),
        }
        return data, self._cursors(count, lambda name, shape, where: _shape(shape, np.int32, where))

    def _cursors(self, count: int, made: Callable) -> dict[str, Any]:
        """Return a cursor, with each part made from its name, shape and sharding."""
        several = (count,) if count > 1 else ()
        split = devices.over_batch(self._mesh, axis=len(several))
        batch = (*several, self._batch_size)
        return {
            "ids": made("ids", batch, split),
            "epochs": made("epochs", batch, split),
            "step": made("step", several, devices.replicated(self._mesh)),
        }


class Resident(FromWhole):
    """A resident data set, uint8 images and labels on each device; cursors are indices."""

    def __init__(self, order: Order, experiment: Experiment, mesh: Mesh):
        """Put them on the devices.

        Args:
          order: of the examples.
          experiment: has the training examples.
          mesh: of the devices.
        """
        super().__init__(experiment, mesh)
        images, labels = experiment.train.arrays()
        rows = {"image": images.reshape(len(images), -1), "label": labels}
        self.data = devices.put(rows, devices.replicated(mesh))
        self._order = order

    def at(self, start: int, count: int) -> dict[str, Any]:
        """Return the cursors of `count` steps from `start`; one step has no axis for steps."""
        ids, epochs = self._order(start * self._batch_size, (start + count) * self._batch_size)
        values = {
            "ids": ids,
            "epochs": epochs,
            "step": np.arange(start, start + count, dtype=np.int32),
        }
        return self._cursors(
            count, lambda name, shape, where: devices.put(values[name].reshape(shape), where)
        )

    def examples(self, step: int) -> np.ndarray:
        """Return the indices of a step's examples, int32 [batch]."""
        return _of_step(self._order, step, self._batch_size)

    def close(self) -> None:
        """Do nothing: there are no threads."""


class FromStream:
    """The traced part of a feed whose cursors are batches."""

    cuts, stride = True, 1

    def __init__(self, experiment: Experiment, mesh: Mesh):
        """Store the sizes; `shapes` needs nothing else."""
        self._batch_size, self._mesh = experiment.plan.batch_size, mesh
        self._shape = (experiment.size, experiment.size, experiment.train.shape[-1])

    def take(self, data: dict, cursor: dict) -> tuple[jax.Array, jax.Array]:
        """Return (images, labels); traced."""
        del data
        return cursor["image"], cursor["label"]

    def sample(
        self, data: dict, cursor: dict, key: jax.Array, count: int
    ) -> tuple[jax.Array, jax.Array]:
        """Return (images, labels) of up to `count` examples of the random batch; traced."""
        del key
        images, labels = self.take(data, cursor)
        return images[:count], labels[:count]

    def shapes(self, count: int) -> tuple[dict, dict]:
        """Return `data` and the batch of one step as shapes, dtypes and shardings."""
        assert count == self.stride, "a stream gives one step at a time"
        split, batch = devices.over_batch(self._mesh), (self._batch_size,)
        return {}, {
            "image": _shape((*batch, *self._shape), np.uint8, split),
            **{name: _shape(batch, np.int32, split) for name in ("label", "ids", "epochs")},
            "step": _shape((), np.int32, devices.replicated(self._mesh)),
        }


class Streamed(FromStream):
    """Batches decoded by a stream; each process decodes the rows of its own devices."""

    def __init__(
        self,
        order: Order,
        experiment: Experiment,
        crop: crops.CropFunction | None,
        skip: stream.Skip,
        mesh: Mesh,
    ):
        """Set up, without starting threads.

        Arguments as above; `crop` is the crop of each image (None for the adapter's), and `skip` is
        called for each replaced image.
        """
        super().__init__(experiment, mesh)
        self.data, self._order, plan = {}, order, experiment.plan
        self._stop = plan.steps + plan.statistics_batches  # later examples are not used by any step
        self._rows = devices.rows(devices.over_batch(mesh), plan.batch_size)
        self._open = functools.partial(
            stream.training,
            experiment.train,
            order,
            crop or adapters.for_any_size(experiment.adapter),
            experiment.size,
            plan.seed,
            plan.batch_size,
            self._rows,
            skip=skip,
        )
        self._stream, self._next = None, None

    def at(self, start: int, count: int) -> dict[str, Any]:
        """Return the batch of one step, while the next one is decoded."""
        assert count == self.stride, "a stream gives one step at a time"
        if start != self._next:
            self.close()
            self._stream = self._open(start=start, stop=self._stop)
        self._next = start + 1
        batch = next(self._stream)
        split = devices.over_batch(self._mesh)
        placed = devices.put_rows(batch, self._rows, self._batch_size, split)
        return {**placed, "step": devices.put(np.int32(start), devices.replicated(self._mesh))}

    def examples(self, step: int) -> np.ndarray:
        """Return the indices of a step's examples; damaged ones are replaced by others."""
        return _of_step(self._order, step, self._batch_size)

    def close(self) -> None:
        """Stop the decoding threads."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None


def _shape(shape: tuple[int, ...], dtype: Any, where: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, dtype, sharding=where)


def _of_step(order: Order, step: int, batch_size: int) -> np.ndarray:
    return order(step * batch_size, (step + 1) * batch_size)[0]


def over_examples(
    function: Callable[[dict], dict], chosen: examples.Examples, batch_size: int, mesh: Mesh
) -> dict:
    """Apply a function to batches `{"image", "label"}`, each example once; return the results.

    The batch size is rounded up to a multiple of the number of devices. Examples that cannot be
    decoded are left out; `ids` are the numbers of the others. Raises Unreadable if none can be
    decoded.
    """
    batch_size = devices.rounded_up(batch_size, mesh)
    split = devices.over_batch(mesh)
    rows = devices.rows(split, batch_size)
    batches = chosen.batches(batch_size, rows)
    put = functools.partial(devices.put_rows, rows=rows, count=batch_size, sharding=split)
    return _counted(evaluation.over_batches(function, batches, len(chosen), put))


def one_by_one(
    function: Callable[[dict], dict],
    source: Source,
    skip: stream.Skip,
    check: Callable[[int, int], None],
) -> dict:
    """Apply a function to one image at a time, of any size, as a batch of NumPy arrays.

    Images of one aspect ratio follow each other, so each program is compiled once. If `check`
    raises images.Damaged for (h, w), the image is left out too.
    """
    order = examples.by_aspect(source)

    def batch(index: int) -> dict[str, np.ndarray]:
        file = source.encoded(index)
        try:
            image, label = images.decode(file.image, source.shape[-1]), file.label
            check(*image.shape[:2])
        except images.Damaged as error:
            skip(file.name, str(error))
            image, label = np.zeros((1, 1, source.shape[-1]), np.uint8), examples.UNCOUNTED
        return {"image": image[None], "label": np.array([label], np.int32)}

    made = evaluation.over_batches(function, map(batch, order), len(source), lambda batch: batch)
    return _counted({name: values[np.argsort(order)] for name, values in made.items()})


def _counted(made: dict) -> dict:
    ids = np.flatnonzero(made["label"] != examples.UNCOUNTED)
    if not len(ids):
        raise images.Unreadable("no test image can be decoded")
    return {**{name: values[ids] for name, values in made.items()}, "ids": ids}


Feed, Takes = Resident | Streamed, FromWhole | FromStream


def abstract(experiment: Experiment, mesh: Mesh) -> Takes:
    """Return the traced part of the training feed, which needs no examples, only their shapes."""
    return (FromStream if examples.streamed(experiment.train) else FromWhole)(experiment, mesh)


def feed(experiment: Experiment, images: Images, skip: stream.Skip, mesh: Mesh) -> Feed:
    """Return the feed of the training examples: resident or streamed, by their size.

    Args:
      experiment: has the examples.
      images: their preprocessing and augmentation.
      skip: called for each image that cannot be decoded.
      mesh: of the devices.
    """
    order = Order(keys.keys(experiment.plan.seed).order, len(experiment.train))
    if examples.streamed(experiment.train):
        return Streamed(order, experiment, images.augmentation.crop, skip, mesh)
    return Resident(order, experiment, mesh)
