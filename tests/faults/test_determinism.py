"""The same seed gives the same bits: repeated, resumed at any step, with a cold compile cache."""

import jax
import numpy as np
import pytest

from cnn_history import build, datasets, errors
from cnn_history.config import choose
from cnn_history.files.checkpoint import Checkpoints
from experiments import lenet5_digits
from tests.datasets import files
from tests.training import runs, settings

STEPS = 7


def config(folder):
    """Return LeNet-5 with dropout and an average, on digits or, in a folder, on photos."""
    made = lenet5_digits.get_config("smoke")
    made.update(steps=STEPS, batch_size=16)
    made.optimizer = choose("optimizer", "adam")
    made.learning_rate = 1e-3
    made.averaging = choose("averaging", "exponential", decay=0.9)
    if folder:
        made.update(dataset="folder", data_dir=str(folder), adapter="square")
        made.update(train_split="train", test_split="val", scaling="per_pixel_mean")
        made.augmentation = choose("augmentation", "vgg", scales=(33, 40))
    return made


@pytest.mark.parametrize("kind", ["in memory", "streamed"])
def test_resumed_at_every_step(tmp_path, kind):
    """Through checkpoints on the disk, 0 and the last step among them."""
    folder = files.make_folder(tmp_path / "photos", train=50, val=9) if kind == "streamed" else None
    setup = config(folder)
    with errors.blame("data"):
        train = datasets.source(setup.dataset, setup.train_split, setup.data_dir)
    network = build.model(setup, len(train.classes))

    def go(state, step, each=lambda step, state: None):
        compiled, training, *_ = made
        while True:
            each(step, state)
            if step == STEPS:
                break
            state, _ = compiled.step(state, training.data, training.at(step, 1))
            step += 1
        return [np.asarray(leaf) for leaf in jax.tree.leaves(plain(state))]

    def plain(state):
        return state.replace(key=jax.random.key_data(state.key))

    made = settings.of(setup, network, train)
    with Checkpoints(tmp_path / "run", keep=STEPS + 1) as checkpoints:
        whole = go(made[0].init(), 0, checkpoints.save)
    for step in range(STEPS, -1, -1):
        with Checkpoints(tmp_path / "run", keep=STEPS + 1) as checkpoints:
            assert checkpoints.latest() == step
            state = checkpoints.restore(made[0].abstract)
        again = go(state, step)
        for a, b in zip(whole, again, strict=True):
            np.testing.assert_array_equal(a, b, err_msg=f"resumed at {step}")
        (tmp_path / "run/checkpoints" / str(step)).rename(tmp_path / f"used_{step}")
    made[1].close()


def test_cold_and_warm_compile_cache(tmp_path):
    """In processes of their own: the first fills the cache, the second reads it."""
    cache = tmp_path / "cache"
    keep = {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    for name in ("cold", "warm"):
        arguments = ("--config=experiments/lenet5_digits.py:smoke", f"--workdir={tmp_path / name}")
        status, _, err = runs.run("train", *arguments, JAX_COMPILATION_CACHE_DIR=str(cache), **keep)
        assert status == 0, err
        assert any(cache.iterdir())
    runs.assert_same_bits(runs.state(tmp_path / "cold", 10), runs.state(tmp_path / "warm", 10))
