"""Each field of each config with a wrong type, value or name: refused by name, or it runs.

The long form: `./launch.sh test tests/test_config_mutations.py --hypothesis-profile=long`, and `-m
slow` for every mutation.
"""

import importlib
import pathlib

import ml_collections
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import experiments
from cnn_history import choices, studies
from cnn_history.errors import UserError
from tests import mutations
from tests.prepared import check, prepare

HERE = pathlib.Path(experiments.__file__).parent
NAMES = sorted(p.stem for p in HERE.glob("*.py") if p.stem != "__init__")
STUDIES = sorted(p.stem for p in (HERE / "studies").glob("*.py") if p.stem != "__init__")
SMALL = ["lenet5_digits", "lenet5_mnist"]  # those whose step is traced in a third of a second


def experiment(name):
    """Return its config as a dict, on data that are at hand."""
    module = importlib.import_module(f"experiments.{name}")
    return module.get_config("smoke,dataset=digits").to_dict()


def study(name):
    return importlib.import_module(f"experiments.studies.{name}").get_config("").to_dict()


CONFIGS = {name: experiment(name) for name in NAMES}
OPTIONS = {name: study(name) for name in STUDIES}


def mutated(configs):
    """Return the strategy of (field, config) that may be wrong."""

    @st.composite
    def draw_one(draw):
        config = configs[draw(st.sampled_from(sorted(configs)))]
        path = draw(st.sampled_from(mutations.leaves(config)))
        return path, draw(st.sampled_from(list(mutations.all_of(config, path))))

    return draw_one()


def refused(path, check, config):
    """Return whether a config is refused; how it is, is checked."""
    try:
        check(config)
    except UserError as error:
        said = str(error)
        assert any(name in said for name in path), f"{path}: {said}"
        return True
    return False


@given(mutated(CONFIGS))
def test_a_config_is_refused_by_name_or_right(case):
    path, config = case
    refused(path, check, ml_collections.ConfigDict(config))


@settings(max_examples=settings().max_examples // 10)
@given(mutated({name: CONFIGS[name] for name in SMALL}))
def test_what_is_not_refused_can_be_traced(case):
    """Before anything is compiled: the data, the network, the step and the evaluation."""
    path, config = case
    refused(path, prepare, ml_collections.ConfigDict(config))


def check_study(config):
    options = dict(config)
    choices.check_arguments(options, studies.STUDIES[options.pop("study")].run)


@given(mutated({name: options for name, options in OPTIONS.items() if len(options) > 1}))
def test_a_study_is_refused_by_name_or_right(case):
    path, config = case
    if path != ("study",) and "study" in config:  # which is looked up elsewhere
        refused(path, check_study, config)


WRONG_OPTIONS = {
    "augmentation": {
        "candidates": [
            *({}, 3, {"vgg": 3}, {"vgh": {}}, {"zfnet": {"scale": 1}}),
            {"vgg": {"scales": (9, 9), "colour_std": 0.1}},
        ],
    },
    "auxiliary_heads": {"image_size": [30], "dataset": ["digitz"]},
    "batch_normalization": {"image_size": [7], "examples": [39], "dataset": ["digitz"]},
    "decorrelated_batch_normalization": {
        "image_size": [3],
        "features": [(8, 8), (8, 4, 4), (8, 8, 8, 8)],
        "dataset": ["digitz"],
    },
    "degradation": {"image_size": [3], "depths": [(9,), (2,), ()], "features": [(8, 4, 4)]},
    "fc7_transfer": {
        "image_size": [31],
        "endpoints": [("fc5", "fc9"), ()],
        "network": ["lenet6", "vgg16"],
        "source": ["digitz"],
        "target": ["digitz"],
        "target_splits": [("train",), ("train", "tests"), ("train", "test[9:9]")],
        "examples": [19],
    },
}


@pytest.mark.parametrize("name", WRONG_OPTIONS)
def test_a_study_says_which_option_it_cannot_take(name):
    """Wrong configs are refused as by a command, before anything is compiled."""
    for option, values in WRONG_OPTIONS[name].items():
        for value in values:
            options = mutations.changed(study_options(name), (option,), value)
            with pytest.raises(UserError, match=rf"config\..*{option}"):
                run_study(options)


def run_study(options):
    check_study(options)
    studies.STUDIES[options.pop("study")].run(**options)


def study_options(name):
    return importlib.import_module(f"experiments.studies.{name}").get_config("smoke").to_dict()


def test_every_config_as_it_is_is_right():
    for name, config in CONFIGS.items():
        assert not refused(("",), check, ml_collections.ConfigDict(config)), name
    for name, options in OPTIONS.items():
        assert not refused(("",), check_study, options), name


def test_every_kind_of_wrong_value_is_refused_somewhere():
    """So that the tests above show something: of a field of each kind, all that it cannot hold."""
    wrong = {
        ("steps",): [0, -1, 2.5, "x", None, True, 2**31, (1,), float("nan")],
        ("learning_rate",): [-1, 2**31, "x", None, True, float("nan"), float("inf"), 10**400],
        ("optimizer", "momentum", "decay"): [-0.1, 1, 2.5, "x", None, (), float("nan")],
        ("optimizer", "momentum"): [None, 3, "x"],
        ("optimizer", "name"): ["momentun", "", 3, None, {}],
        ("model", "kernel_init", "name"): ["xavir", 3, {}],
        ("model", "kernel_init"): ["xavier", None],
        ("model", "activation"): ["rellu", 3, None],
        ("schedule", "piecewise", "steps"): [(-1,), ("x",), 3, None, (2.5,)],
        ("augmentation", "vgg", "scales"): [(256,), (1, 2, 3), (0, 9), 256, ("x", 1)],
        ("data_dir",): ["a\0b", 3, None],
        ("init_layers",): ["conv1", (3,), None],
    }
    for path, values in wrong.items():
        for value in values:
            config = mutations.changed(CONFIGS["lenet5_digits"], path, value)
            assert refused(path, check, ml_collections.ConfigDict(config)), (path, value)
    for path in mutations.leaves(CONFIGS["lenet5_digits"]):
        if path[0] != "model":  # of which more is said below
            renamed, _ = mutations.misspelt(CONFIGS["lenet5_digits"], path)
            assert refused(path, check, ml_collections.ConfigDict(renamed)), path


def test_a_wrong_name_is_told_the_nearest():
    config = CONFIGS["resnet_cifar10"]
    for path, nearest in (
        (("learning_rate",), "did you mean 'learning_rate'?"),
        (("optimizer", "kfac"), "did you mean 'kfac'?"),
        (("optimizer", "momentum", "decay"), "did you mean 'decay'?"),
        (("schedule", "plateau", "patience"), "did you mean 'patience'?"),
        (("model", "norm", "batch_norm", "momentum"), "did you mean 'momentum'?"),
        (("model", "shortcut"), "did you mean 'shortcut'?"),
    ):
        renamed, _ = mutations.misspelt(config, path)
        with pytest.raises(UserError) as error:
            check(ml_collections.ConfigDict(renamed))
        assert nearest in str(error.value), path


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_mutation(name):
    config = CONFIGS[name]
    for path in mutations.leaves(config):
        for one in mutations.all_of(config, path):
            refused(path, check, ml_collections.ConfigDict(one))
