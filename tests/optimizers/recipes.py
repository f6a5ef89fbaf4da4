"""Each paper's recipe with each rule in place of its own: built, checked, and one step traced.

./launch.sh python -m tests.optimizers.recipes    # the table of docs/experiments.md, in 15 minutes
"""

import importlib
import os
import pathlib
import re

from cnn_history import optimizers
from cnn_history.errors import UserError
from tests import prepared

DOCUMENT = pathlib.Path(__file__).parents[2] / "docs" / "experiments.md"
RECIPES = ("alexnet", "zfnet", "vgg", "googlenet", "bn_inception", "inception_v3", "resnet")
RIGHT = "yes"


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


def table(outcomes: dict[tuple[str, str], str]) -> str:
    """Return the rules by recipes, and a line for each refusal."""
    lines = ["| rule | " + " | ".join(RECIPES) + " |", "|---" * (1 + len(RECIPES)) + "|"]
    for rule in optimizers.OPTIMIZERS:
        said = (outcomes[recipe, rule] for recipe in RECIPES)
        cells = [RIGHT if what == RIGHT else "refused" for what in said]
        lines.append(f"| {rule} | " + " | ".join(cells) + " |")
    refused = [f"* {recipe}: {what}" for (recipe, _), what in outcomes.items() if what != RIGHT]
    return "\n".join([*lines, "", *refused])


def main():
    """Trace all, print each outcome, and write the document's table anew."""
    outcomes = {}
    for recipe in RECIPES:
        for rule in optimizers.OPTIMIZERS:
            outcomes[recipe, rule] = outcome(recipe, rule)
            print(f"{recipe}, {rule}: {outcomes[recipe, rule]}", flush=True)
    between = re.compile("(<!-- recipes -->\n).*?(\n<!-- end -->)", re.S)
    written = between.sub(lambda found: found[1] + table(outcomes) + found[2], DOCUMENT.read_text())
    DOCUMENT.write_text(written)


if __name__ == "__main__":
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    main()
