"""Work directories written by other versions of jax and Python give the same logits.

`tests/recorded/` holds a run of LeNet-5, of two steps, by each version, with its logits:

    python -m cnn_history.train --config=experiments/lenet5_digits.py:smoke --config.steps=2 \
        --config.optimizer.name=sgd --workdir=tests/recorded/NAME
    python -m tests.test_recorded tests/recorded/NAME
"""

import json
import pathlib
import sys

import numpy as np
import pytest

import cnn_history

RECORDED = sorted((pathlib.Path(__file__).parent / "recorded").iterdir())
LOGITS = "logits.npy"


def logits(folder):
    model, variables, preprocessing = cnn_history.load(folder)
    images = (np.arange(2 * 32 * 32, dtype=np.uint32) ** 2 % 251).astype(np.uint8)
    return model.apply(variables, preprocessing(images.reshape(2, 32, 32, 1)), train=False)


@pytest.mark.parametrize("folder", RECORDED, ids=lambda folder: folder.name)
def test_a_work_directory_of_another_version(folder):
    versions = json.loads((folder / "summary.json").read_text())["versions"]
    assert folder.name == f"jax_{versions['jax']}_python_{versions['python']}"
    np.testing.assert_allclose(logits(folder), np.load(folder / LOGITS), rtol=1e-5, atol=1e-5)


if __name__ == "__main__":
    np.save(pathlib.Path(sys.argv[1]) / LOGITS, logits(sys.argv[1]))
