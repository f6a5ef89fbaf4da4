"""Commands, claims, links and pictures in the documents exist."""

import importlib.util
import pathlib
import re
import shlex
import sys

import pytest

from cnn_history import build, commands, lecture, models
from cnn_history.lookup import lookup
from cnn_history.reporting import results

CHECKOUT = pathlib.Path(__file__).parents[1]
DOCUMENTS = {
    path.relative_to(CHECKOUT): path.read_text()
    for path in sorted([*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/*.md")])
}
COMMAND = re.compile(r"(?:^    |`)(?:[A-Z]+=\S+ )*\./launch\.sh ((?:[^\n`\\]|\\\n)+)", re.M)
BEFORE_A_VERB = {"processes": 1, "tpu": 2, "slurm": 0}  # words that come between
EXTRA = ("pdoc",)  # modules that an extra brings
PLACEHOLDERS = ("...", "ARGS", "TOPIC")


def named():
    """Return each command, as words behind `./launch.sh`, once."""
    found = {}
    for text in DOCUMENTS.values():
        for line in COMMAND.findall(text):
            words = shlex.split(line.replace("\\\n", " "), comments=True)
            while words and words[0] in BEFORE_A_VERB:
                words = [w for w in words if w != "--dry-run"][1 + BEFORE_A_VERB[words[0]] :]
            if words and not set(PLACEHOLDERS) & set(words):
                found[" ".join(words)] = words
    return list(found.values())


@pytest.mark.parametrize("words", named(), ids=" ".join)
def test_the_command_exists(words, monkeypatch):
    verb, *flags = words
    if verb == "test":
        return
    if verb == "python":
        assert flags[0] == "-m"
        assert flags[1] in EXTRA or importlib.util.find_spec(flags[1])
        return
    source = (CHECKOUT / "cnn_history" / f"{verb}.py").read_text()
    values = dict(flag.removeprefix("--").partition("=")[::2] for flag in flags)
    own = {name for name in values if not name.startswith("config.")}
    assert all(f'"{name}"' in source for name in own - {"help"}), values
    if "model" in values:
        lookup(models.NETWORKS, values["model"], "network")
    for claim in filter(None, values.get("id", "").split(",")):
        assert claim in lecture.claims()
    if "config" not in values:
        return
    monkeypatch.setattr(sys, "argv", list(words))
    config = commands.read_config(f"{CHECKOUT}/{values['config']}")
    for name, value in values.items():
        if name.startswith("config."):
            *groups, field = name.split(".")[1:]
            node = config
            for group in groups:
                node = node[group]
            node[field] = type(node[field])(value)
    if verb == "train":
        build.check(config)


@pytest.mark.parametrize("name", DOCUMENTS, ids=str)
def test_what_a_document_links_to_is_there(name):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", DOCUMENTS[name]):
        if "://" not in target:
            assert (CHECKOUT / name.parent / target).exists(), target


def test_the_results_are_those_that_were_measured():
    """`./launch.sh python -m cnn_history.reporting.results` writes them."""
    assert results.DOCUMENT.read_text() == results.document()
