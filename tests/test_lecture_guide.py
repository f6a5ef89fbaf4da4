"""Every command of docs/lecture.md is one that exists."""

import pathlib
import runpy

import pytest

from cnn_history import lecture, models
from cnn_history.lookup import lookup
from tests.prepared import check

CHECKOUT = pathlib.Path(__file__).parents[1]
GUIDE = (CHECKOUT / "docs" / "lecture.md").read_text()
COMMANDS = [line.strip() for line in GUIDE.splitlines() if line.startswith("    ./launch.sh ")]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_exists(command):
    verb, *flags = command.split()[1:]
    assert (CHECKOUT / "cnn_history" / f"{verb}.py").is_file()
    values = dict(flag.removeprefix("--").split("=", 1) for flag in flags)
    source = (CHECKOUT / "cnn_history" / f"{verb}.py").read_text()
    assert all(f'"{name}"' in source for name in values if not name.startswith("config."))
    if "model" in values:
        lookup(models.NETWORKS, values["model"], "network")
    for claim in filter(None, values.get("id", "").split(",")):
        assert claim in lecture.claims()
    if "config" in values:
        path, _, arg = values["config"].partition(":")
        config = runpy.run_path(str(CHECKOUT / path))["get_config"](arg)
        for name, value in values.items():
            if name.startswith("config."):
                *groups, field = name.split(".")[1:]
                node = config
                for group in groups:
                    node = node[group]
                node[field] = type(node[field])(value)
        if verb == "train":
            check(config)
