"""docs/pod.md: what it shows is what is printed and what was measured."""

import re
import shlex

import pytest

from tests import pod_tables, test_lecture_guide

GUIDE = (test_lecture_guide.CHECKOUT / "docs" / "pod.md").read_text()
COMMANDS = [
    command.replace("\\\n", " ")
    for command in re.findall(r"^    (?:EXTRAS=tf )?(\./launch\.sh (?:.*\\\n)*.*)$", GUIDE, re.M)
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_exists(command):
    words = shlex.split(command)
    if words[1] == "tpu":
        del words[1:4]
    if words[1] != "prepare_data":
        test_lecture_guide.test_the_command_exists(" ".join(words))


@pytest.mark.parametrize("table", [pod_tables.equality, pod_tables.collectives, pod_tables.faults])
def test_the_tables_are_made_from_what_was_measured(table):
    """`./launch.sh python -m tests.pod_tables` prints them."""
    assert table() in GUIDE
