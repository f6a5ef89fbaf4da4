"""The example in each family's docstring is correct; the package works as a wheel."""

import doctest
import importlib
import os
import subprocess
import sys

import pytest

from tests.training.runs import CHECKOUT

FAMILIES = (
    *("accounting", "datasets", "evaluation", "initializers", "layers", "lecture", "losses"),
    *("models", "optimizers", "schedules"),
)
USE = """
import pathlib, cnn_history, jax, jax.numpy as jnp
from cnn_history import accounting, datasets, evaluation, models, optimizers
assert pathlib.Path(cnn_history.__file__).is_relative_to(TARGET)
assert pathlib.Path(cnn_history.__file__).with_name("py.typed").is_file()
net = models.create("lenet5")
jax.eval_shape(net.init, jax.random.key(0), jnp.zeros((1, 32, 32, 1)), False)
assert datasets.source("digits", "train").arrays()[0].shape == (1437, 8, 8, 1)
"""


@pytest.mark.parametrize("family", FAMILIES)
def test_example(family):
    failed, tried = doctest.testmod(importlib.import_module(f"cnn_history.{family}"))
    assert tried
    assert not failed


@pytest.mark.slow
def test_a_wheel_works_from_any_folder(tmp_path):
    """Installed without its dependencies, which this environment has."""
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target")
    subprocess.run([*pip, str(tmp_path / "there"), str(CHECKOUT)], check=True)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "there")}
    use = USE.replace("TARGET", repr(str(tmp_path / "there")))
    subprocess.run([sys.executable, "-c", use], cwd=tmp_path, env=environment, check=True)
    train = [sys.executable, "-m", "cnn_history.train", "--config=experiments/lenet5_digits.py"]
    done = subprocess.run(
        [*train, "--workdir=run"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "checkout" in done.stderr
