"""Every study: its config, and a short run of it through the verb."""

import importlib
import inspect
import json
import pathlib

import pytest

from cnn_history import studies
from experiments import studies as configs
from tests.training import runs

CONFIGS = {path.stem for path in pathlib.Path(configs.__file__).parent.glob("*.py")} - {"__init__"}


def config(name, arg=None):
    """Return a study's config."""
    return importlib.import_module(f"experiments.studies.{name}").get_config(arg)


def test_every_study_has_a_config_and_every_config_a_study():
    assert set(studies.STUDIES) == CONFIGS


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_config_is_right(name):
    module = importlib.import_module(f"experiments.studies.{name}")
    assert f"--config=experiments/studies/{name}.py" in module.__doc__
    for arg in (None, "smoke"):
        options = module.get_config(arg).to_dict()
        assert options.pop("study") == name
        assert set(options) == set(inspect.signature(studies.STUDIES[name].run).parameters)


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_smoke(name):
    """It finds flat rows and answers in a sentence made of them."""
    options = config(name, "smoke").to_dict()
    findings = studies.STUDIES[options.pop("study")].run(**options)
    assert findings.question
    assert findings.answer.endswith(".")
    assert any(character.isdigit() for character in findings.answer)
    assert findings.rows
    assert findings.pictures
    for row in findings.rows:
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
