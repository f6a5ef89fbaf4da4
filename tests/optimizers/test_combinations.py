"""Pairs of switches: a sample of the array in every run of the tests, the whole by `-m slow`."""

import itertools
import subprocess
import sys

import pytest

from cnn_history import optimizers
from cnn_history.errors import UserError
from cnn_history.training import loop
from experiments import lenet5_digits, resnet_cifar10
from tests.optimizers import combinations, recipes
from tests.training.runs import CHECKOUT

DEFAULT = {factor: levels[0] for factor, levels in combinations.FACTORS.items()}
SAMPLE = (
    {"rule": "adam", "decay": "decoupled kernels", "average": "ramp", "skipped": 1},
    {"rule": "kfac", "schedule": "plateau", "warmup": 2, "decay": "l2 all", "bias_rate": 2.0},
    {"rule": "lbfgs", "decay": "l2 kernels", "average": "polyak", "resumed": True},
)
RECIPES_SAMPLE = (("zfnet", "lars"), ("alexnet", "bfgs"))


def test_every_pair_is_in_a_row_and_what_is_refused_is_known():
    right, never, count = combinations.covering()
    factors = combinations.FACTORS.items()
    pairs = {
        ((f, a), (g, b))
        for (f, of_f), (g, of_g) in itertools.combinations(factors, 2)
        for a, b in itertools.product(of_f, of_g)
    }
    covered = {pair for row in right for pair in itertools.combinations(row.items(), 2)}
    refused = {
        (("rule", row["rule"]), changed)
        for row in never
        for changed in row.items()
        if changed[0] != "rule" and changed[1] != DEFAULT[changed[0]]
    }
    assert covered | refused == pairs
    assert not covered & refused
    assert len(pairs) == count
    searches = {"clipping", "bias_rate", "filter_radius", "decay", "micro_batches"}
    for rule in optimizers.OPTIMIZERS:
        found = {factor for (_, name), (factor, _) in refused if name == rule}
        whole = {"micro_batches"} if rule in ("newton", "kfac") else set()
        assert found == (searches if rule in ("bfgs", "lbfgs") else whole)


@pytest.mark.parametrize("row", combinations.covering()[1], ids=combinations.words)
def test_what_cannot_be_right_is_refused_with_both_names(row):
    assert combinations.outcome(row) == "refused"


@pytest.mark.parametrize("row", SAMPLE, ids=lambda row: row["rule"])
def test_a_combination_is_what_numpy_makes_of_it(row):
    assert combinations.outcome({**DEFAULT, **row}) == "right"


@pytest.mark.slow
def test_all_combinations():
    command = [sys.executable, "-m", "tests.optimizers.combinations"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("recipe", "rule"),
    [
        pair if pair in RECIPES_SAMPLE else pytest.param(*pair, marks=pytest.mark.slow)
        for pair in itertools.product(recipes.RECIPES, optimizers.OPTIMIZERS)
    ],
)
def test_a_recipe_with_another_rule_is_built_or_refused(recipe, rule):
    """And one step of it traced."""
    what = recipes.outcome(recipe, rule)
    if what != recipes.RIGHT:
        assert rule in what
        assert rule in ("bfgs", "lbfgs", "kfac")
        assert "\n" not in what


def test_a_recipe_takes_its_own_place_in_the_document():
    text = "Before\n<!-- recipes -->\n\n<!-- end -->\nAfter"
    for recipe, lbfgs in (("vgg", "yes"), ("alexnet", "yes"), ("vgg", "lbfgs: too large.")):
        text = recipes.document(text, recipe, {"sgd": "yes", "lbfgs": lbfgs})
    between = ["| recipe | sgd | lbfgs |", "|---|---|---|", "| alexnet | yes | yes |"]
    between += ["| vgg | yes | refused |", "", "* vgg: lbfgs: too large."]
    assert text.split("\n")[2:-2] == between


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("rule", optimizers.OPTIMIZERS)
@pytest.mark.parametrize("recipe", [lenet5_digits, resnet_cifar10])
def test_two_steps_of_a_recipe_with_another_rule(recipe, rule, tmp_path):
    config = recipe.get_config("smoke,dataset=digits")
    config.optimizer.name = rule
    config.update(steps=2, eval_every=2, checkpoint_every=2)
    if rule == "bfgs":
        with pytest.raises(UserError, match="bfgs: the inverse Hessian"):
            loop.run(config, tmp_path)
        return
    assert loop.run(config, tmp_path)["steps"] == 2
