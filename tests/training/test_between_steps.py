"""State besides parameters: the plateau's state, averages, second derivatives."""

import jax
import numpy as np
import pytest

import cnn_history
from cnn_history.config import choose
from cnn_history.training import loop
from experiments import lenet5_digits
from tests.training import runs

pytestmark = pytest.mark.usefixtures("undrawn")


def config(steps):
    """Return a short run whose rate drops at almost every evaluation, evaluated by an average."""
    made = lenet5_digits.get_config("smoke")
    made.steps, made.eval_every, made.log_every = steps, 4, 1
    made.warmup = 3
    made.schedule = choose("schedule", "plateau", factor=0.5, patience=1, drops=3)
    made.averaging = choose("averaging", "exponential", decay=0.8)
    made.evaluated = "averaged"
    return made


def lines(folder, split):
    """Return the lines of a split."""
    return [line for line in loop.record.read_metrics(folder) if line["split"] == split]


def test_plateau_and_average_resume_exactly(tmp_path):
    """Stopped where it is evaluated only because it ends there, and once at an evaluation."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    summary = loop.run(config(24), whole)
    for steps in (10, 16, 24):
        loop.run(config(steps), parts)
    runs.assert_same_bits(runs.state(whole, 24), runs.state(parts, 24))

    errors = [line["top1_error"] for line in lines(whole, "test")]
    best, drops, wanted = np.inf, 0, []
    for error in errors[:-1]:  # at steps 0, 4, ..., 20, each before the four steps that follow
        drops += error >= best and drops < 3
        best = min(best, error)
        wanted += [0.05 * 0.5**drops] * 4
    wanted[:3] = [0.05 * step / 3 for step in range(3)]  # and nothing had dropped by then
    told = [line["learning_rate"] for line in lines(whole, "train")]
    assert drops > 0
    np.testing.assert_allclose(told, wanted, rtol=1e-6)
    assert told == [line["learning_rate"] for line in lines(parts, "train")]

    saved = runs.state(whole, 24)
    _, variables, _ = cnn_history.load(whole)
    average = {name: leaf for name, leaf in saved.items() if "averaged_params" in name}
    for path, leaf in jax.tree_util.tree_leaves_with_path(variables["params"]):
        name = "/".join(key.key for key in path)
        (kept,) = (leaf for key, leaf in average.items() if key.endswith(name))
        np.testing.assert_array_equal(leaf, kept)
        assert not np.array_equal(leaf, saved[f"/params/{name}"])
    assert summary["test"]["top1_error"] == errors[-1]


def test_a_plateau_sees_the_first_evaluation_of_a_run_killed_before_its_first_checkpoint(tmp_path):
    """The killed run had written lines; nothing is learned, so that every error is as the first."""
    still = config(8)
    still.learning_rate = 0.0
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    loop.run(still, whole)
    killed.mkdir()
    for name in ("config.json", "inputs.npz"):
        (killed / name).write_bytes((whole / name).read_bytes())
    begun = (whole / "metrics.jsonl").read_text().splitlines(keepends=True)[:3]
    (killed / "metrics.jsonl").write_text("".join(begun))
    loop.run(still, killed)
    runs.assert_same_bits(runs.state(whole, 8), runs.state(killed, 8))
    steps = [[line["step"] for line in lines(folder, "test")] for folder in (whole, killed)]
    assert steps[0] == steps[1] == [0, 4, 8]


def test_second_derivatives_resume_exactly(tmp_path):
    """One example a step, several steps a call; a pass of five steps, stopped within one."""

    def alone(steps):
        made = lenet5_digits.get_config("smoke")
        made.update(steps=steps, batch_size=1, log_every=4, eval_every=12, checkpoint_every=12)
        made.learning_rate = 5e-4
        made.schedule = choose("schedule", "constant")
        made.optimizer = choose("optimizer", "stochastic_diagonal_lm", every=5)
        return made

    whole, parts = tmp_path / "whole", tmp_path / "parts"
    loop.run(alone(12), whole)
    for steps in (8, 12):
        loop.run(alone(steps), parts)
    end, middle = runs.state(whole, 12), runs.state(parts, 8)
    runs.assert_same_bits(end, runs.state(parts, 12))
    curvature = [name for name in end if "curvature" in name]
    assert curvature
    for name in curvature:
        assert end[name].min() >= 0
        assert not np.array_equal(end[name], middle[name])  # estimated anew at step 10
