"""The valley, the count of steps, and the pictures."""

import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest

from cnn_history import optimizers
from cnn_history.studies import optimizer_trajectories as study
from tests.studies import smoke


@pytest.mark.parametrize("turn", study.TURNS.values())
def test_the_valley_is_as_steep_as_it_says_and_all_start_on_one_level(turn):
    matrix = study.valley(30.0, turn)
    np.testing.assert_allclose(np.linalg.eigvalsh(matrix), [1, 30], rtol=1e-5)
    floor = np.array([np.cos(turn), np.sin(turn)])
    np.testing.assert_allclose(matrix @ floor, floor, atol=1e-5)
    starts = study.points(30.0, turn, 5)
    np.testing.assert_allclose(jnp.sum((starts @ matrix) * starts, 1) / 2, 1, rtol=1e-5)
    assert len(np.unique(np.asarray(starts).round(4), axis=0)) == 5


def test_a_value_counts_once_it_stays():
    low, high = study.TARGET / 2, 1.0
    values = np.array(
        [
            [high, low, high, low, low],
            [high, high, high, high, low],
            [low, low, low, low, low],
            [high, low, low, low, high],
            [high, low, np.nan, low, low],
        ]
    )
    assert study.steps_to_target(values).tolist() == [3, 4, 0, 5, 3]


def test_the_best_rate_of_sgd_is_that_of_the_formula():
    """2 / (1 + 30), and as many steps along the axes as turned."""
    found = []
    for turn in study.TURNS.values():
        begin = study.points(30.0, turn, 4)
        rate, steps, paths = study.best("sgd", study.valley(30.0, turn), begin, 200)
        assert rate in study.RATES[np.argsort(np.abs(np.log(study.RATES * 31 / 2)))[:2]]
        found.append(steps)
        assert paths.shape == (4, 201, 2)
    np.testing.assert_allclose(found[0], found[1], atol=1)
    path, _ = study.walk(optimizers.sgd(rate), study.valley(30.0, turn), begin[0], 200)
    np.testing.assert_allclose(path, paths[0], atol=1e-5)


def test_pictures_and_the_answer(tmp_path, monkeypatch):
    monkeypatch.setattr(study, "FRAMES", 8)
    findings = smoke.findings("optimizer_trajectories")
    assert "newton 1" in findings.answer
    assert "rmsprop" in findings.answer.split("Turned")[1]  # it has not settled in 20 steps
    for name, picture in findings.pictures.items():
        picture.draw(tmp_path / name)
    with PIL.Image.open(tmp_path / "race.gif") as race:
        assert race.format == "GIF"
        assert race.n_frames == 8
        assert (tmp_path / "race.gif").stat().st_size < 600_000
    assert (tmp_path / "paths.png").stat().st_size > 1000
    assert not list(tmp_path.glob("*unfinished*"))
