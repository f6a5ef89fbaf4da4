"""Flags are read as intended, or refused in a line that says what is expected."""

import pytest

from cnn_history import spelling
from cnn_history.errors import UserError
from experiments import lenet5_digits, resnet_cifar10

MEANT = {
    "steps=1e3": 1000,
    "steps=64.0": 64,
    "steps=1_000": 1000,
    "learning_rate=1/4": 0.25,
    "learning_rate=3": 3.0,
    "init_layers=conv1,conv2": ("conv1", "conv2"),
    "init_layers=conv1": ("conv1",),
    "init_layers=('conv1', 'conv2')": ("conv1", "conv2"),
    "mean=0.5,0.25": (0.5, 0.25),
    "data_dir=None": "",
    "keep_best=yes": True,
}
REFUSED = ("steps=ten", "steps=1.5", "steps=inf", "steps=", "learning_rate=a", "learning_rate=1/0")


@pytest.mark.parametrize("flag", MEANT)
def test_a_value_is_taken_as_meant(flag):
    """Read again by the type of the field, as ml_collections reads it."""
    field, _, text = flag.partition("=")
    config = lenet5_digits.get_config()
    (made,) = spelling.respelled([f"--config.{flag}"], config)
    text = made.removeprefix(f"--config.{field}=")
    read = {bool: lambda t: t == "true", tuple: spelling._literal}.get(
        type(config[field]), type(config[field])
    )
    assert read(text) == MEANT[flag]


@pytest.mark.parametrize("flag", REFUSED)
def test_a_value_that_cannot_be_meant_is_refused_in_a_line(flag):
    with pytest.raises(
        UserError, match=rf"^--config\.{flag.partition('=')[0]}: expected .*such as"
    ):
        spelling.respelled([f"--config.{flag}"], lenet5_digits.get_config())


def test_other_arguments_stay_as_they_are():
    said = ["train", "--workdir=1e3", "--config=a.py", "--config.keep_best", "--noconfig.keep_best"]
    assert spelling.respelled(said, lenet5_digits.get_config()) == said


def test_an_option_of_what_is_not_chosen_has_no_effect():
    config = lenet5_digits.get_config()
    config.optimizer.name = "momentum"
    adam = {"optimizer.adam.b1": "0.8"}
    (line,) = spelling.without_effect(config, adam)
    assert line == "--config.optimizer.adam.b1 has no effect: config.optimizer.name is momentum."
    assert not list(spelling.without_effect(config, {"optimizer.name": "adam", **adam}))
    config = resnet_cifar10.get_config()
    norm = {"model.norm.batch_norm.epsilon": "1", "model.norm.name": "batch_norm"}
    assert not list(spelling.without_effect(config, norm))
    assert list(spelling.without_effect(config, {**norm, "model.norm.name": "group_norm"}))
