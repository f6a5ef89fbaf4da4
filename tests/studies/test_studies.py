"""Every study: its config, and a short run of it through the verb."""

import importlib
import inspect
import json
import pathlib

import pytest

from cnn_history import choices, studies
from experiments import studies as configs
from tests.studies import smoke
from tests.training import runs

CONFIGS = {path.stem for path in pathlib.Path(configs.__file__).parent.glob("*.py")} - {"__init__"}


def test_every_study_has_a_config_and_every_config_a_study():
    assert set(studies.STUDIES) == CONFIGS


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_config_is_right(name):
    module = importlib.import_module(f"experiments.studies.{name}")
    assert f"--config=experiments/studies/{name}.py" in module.__doc__
    study = studies.STUDIES[name]
    for variant, changes in {None: {}, **study.VARIANTS}.items():
        options = smoke.config(name, variant).to_dict()
        assert options.pop("study") == name
        choices.check_arguments(options, study.run)
        assert {**options, **changes} == options
        assert set(options) == set(inspect.signature(study.run).parameters)


def test_what_a_study_has_not_is_refused():
    with pytest.raises(
        ValueError, match="unknown option 'longer'; the options are smoke, long, dataset"
    ):
        smoke.config("degradation", "longer")
    with pytest.raises(ValueError, match="unknown option 'dataset'"):
        smoke.config("scaling", "dataset=digits")


def test_a_data_set_is_chosen_by_name():
    chosen = smoke.config("decorrelated_batch_normalization", "dataset=digits")
    assert (chosen.dataset, chosen.image_size) == ("digits", 8)
    assert smoke.config("decorrelated_batch_normalization", "long").image_size == 32


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_smoke(name):
    """It finds flat rows and answers in a sentence made of them."""
    found = smoke.findings(name)
    assert found.question
    assert found.answer.endswith(".")
    assert any(character.isdigit() for character in found.answer)
    assert found.rows
    assert found.pictures
    for row in found.rows:
        assert all(not isinstance(value, list | tuple | dict) for value in row.values())


def test_the_verb(tmp_path):
    path = "experiments/studies/constant_initialization.py:smoke"
    status, out, err = runs.run("study", f"--config={path}", f"--workdir={tmp_path}/s")
    assert status == 0, err
    assert "The lecture: Q: what happens when W_ij = c" in out
    found = json.loads((tmp_path / "s" / "results.json").read_text())
    assert found["study"] == "constant_initialization"
    assert len(found["rows"]) == 5
    for figure in found["figures"]:
        assert (tmp_path / "s" / figure).stat().st_size > 1000
    assert len(found["captions"]) == len(found["figures"])
