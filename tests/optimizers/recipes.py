"""Each paper's recipe with every rule: built, checked, and traced for one step.

./launch.sh python -m tests.optimizers.recipes [RECIPES]    # rows of docs/experiments.md's table
"""

import importlib
import os
import pathlib
import re
import sys

from cnn_history import optimizers
from cnn_history.errors import UserError
from tests import prepared

DOCUMENT = pathlib.Path(__file__).parents[2] / "docs" / "experiments.md"
RECIPES = ("alexnet", "zfnet", "vgg", "googlenet", "bn_inception", "inception_v3", "resnet")
RIGHT = "yes"
BETWEEN = re.compile("(<!-- recipes -->\n)(.*?)(\n<!-- end -->)", re.S)


def outcome(recipe: str, rule: str) -> str:
    """Return `yes`, or the line with which the rule is refused; other errors pass."""
    module = importlib.import_module(f"experiments.{recipe}_imagenet")
    config = module.get_config("smoke,dataset=digits")
    config.update(train_split="train", test_split="test")
    config.optimizer.name = rule
    try:
        prepared.prepare(config)
    except UserError as error:
        return str(error)
    return RIGHT


def document(text: str, recipe: str, outcomes: dict[str, str]) -> str:
    """Return the document with a recipe's outcomes: its row, and a line for each refusal."""
    found = BETWEEN.search(text)
    lines = [each for each in found[2].split("\n") if each.startswith(("| ", "* "))][1:]
    kept = [each for each in lines if each.split()[1].strip(":") != recipe]
    cells = [RIGHT if what == RIGHT else "refused" for what in outcomes.values()]
    kept.append(f"| {recipe} | " + " | ".join(cells) + " |")
    kept += [f"* {recipe}: {what}" for what in outcomes.values() if what != RIGHT]
    head = ["| recipe | " + " | ".join(outcomes) + " |", "|---" * (1 + len(outcomes)) + "|"]
    rows, lines = (sorted(each for each in kept if each[0] == mark) for mark in "|*")
    table = "\n".join([*head, *rows, "", *lines])
    return text[: found.start(2)] + table + text[found.end(2) :]


def main(*recipes: str):
    """Trace, print each outcome, and write a recipe's part of the document when it is through."""
    for recipe in recipes or RECIPES:
        outcomes = {}
        for rule in optimizers.OPTIMIZERS:
            outcomes[rule] = outcome(recipe, rule)
            print(f"{recipe}, {rule}: {outcomes[rule]}", flush=True)
        DOCUMENT.write_text(document(DOCUMENT.read_text(), recipe, outcomes))


if __name__ == "__main__":
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    main(*sys.argv[1:])
