"""What a finished run leaves behind: its summary."""

import json
import pathlib
from collections.abc import Mapping

import ml_collections
import numpy as np

from cnn_history import evaluation
from cnn_history.datasets import Source
from cnn_history.errors import UserError
from cnn_history.files import record, workdir
from cnn_history.training.beginning import parameters
from cnn_history.training.state import State

PROTOCOL = "single_crop"  # how a run measures its own test error


def read(folder: pathlib.Path) -> dict | None:
    """Return the summary in a work directory; None where there is none; `steps` is there always.

    Raises UserError where it is damaged.
    """
    path = folder / workdir.SUMMARY
    if not path.exists():
        return None
    try:
        return {"steps": None, **json.loads(path.read_bytes())}
    except (ValueError, TypeError, RecursionError) as error:
        raise UserError(
            f"'{path}' is damaged: {error}; remove it, and the run makes it again from its newest "
            "checkpoint."
        ) from error


def summary(
    config: ml_collections.ConfigDict,
    state: State,
    train: Source,
    tested: Mapping[str, np.ndarray],
    skipped_images: int,
    totals: Mapping[str, float],
) -> dict:
    """Return the summary of a run.

    Args:
      config: of the run.
      state: after its last step.
      train: its training examples.
      tested: `probabilities` and `label` of the test examples.
      skipped_images: how many could not be read.
      totals: seconds and images a second, as the log counts them.
    """
    return {
        "model": config.model.name,
        "dataset": train.name,
        "image_size": config.image_size,
        "adapter": config.adapter,
        "parameters": parameters(state),
        "steps": config.steps,
        "seed": config.seed,
        "test": {
            **evaluation.errors(tested["probabilities"], tested["label"]),
            "protocol": PROTOCOL,
        },
        "skipped_images": skipped_images,
        "skipped_steps": int(state.skipped),
        **totals,
        "versions": record.versions(),
        "devices": record.devices(),
    }
