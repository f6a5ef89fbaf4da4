"""The options that a signature declares, and the values that it refuses."""

import functools
from collections.abc import Callable, Sequence
from typing import Annotated, Literal

import pytest
from ml_collections import ConfigDict

from cnn_history.choices import (
    COUNT,
    GIVEN,
    SHARE,
    Choice,
    call,
    check_arguments,
    checked,
    kind_of,
    options,
    several,
    takes,
)
from cnn_history.errors import UserError


def steep(
    rate: Callable,
    decay: Annotated[float, SHARE] = 0.9,
    mode: Literal["in", "out"] = "in",
    weight: Annotated[float, GIVEN] = 0.0,
):
    return rate, decay, mode, weight


def flat(every: int = 5):
    return every


CHOICE = Choice("slope", {"none": None, "steep": steep, "flat": functools.partial(flat, every=7)})


def test_options_are_the_parameters_with_a_default_and_a_kind():
    assert {name: it.default for name, it in options(steep).items()} == {"decay": 0.9, "mode": "in"}
    assert options(functools.partial(steep, decay=0.5))["decay"].default == 0.5
    assert options(None) == {}


@pytest.mark.parametrize(
    ("annotation", "right", "wrong"),
    [
        (int, [1, 2**31 - 1], [0, -1, True, 1.0, "1", None, 2**31]),
        (float, [1, 0.5, 3e38], [0, -1.0, True, float("nan"), float("inf"), 1e39, "1"]),
        (bool, [True, False], [0, 1, "True"]),
        (str, ["", "x"], [None, 3, "a\0b"]),
        (str | None, ["x"], [3]),
        (Annotated[int, COUNT], [0], [-1]),
        (Annotated[int, "a word of help"], [1], [0]),
        (Literal["a", "b"], ["a"], ["c", 3, None]),
        (tuple[int, int], [(1, 2), [1, 2]], [(1,), (1, 2, 3), (0, 1), 1]),
        (tuple[int, ...], [(1,), (1, 2, 3)], [(), ("x",)]),
        (Sequence[str], [("a",)], [(), (3,), "a"]),
        (Annotated[tuple[int, ...], several(COUNT)], [(), (0,)], [(-1,)]),
    ],
)
def test_a_kind_follows_from_the_annotation(annotation, right, wrong):
    kind = kind_of(annotation)
    assert [v for v in right if not kind.fits(v)] == []
    assert [v for v in wrong if kind.fits(v)] == []


@pytest.mark.parametrize(
    "annotation", [Callable, Callable[[int], int], dict, Annotated[int, GIVEN]]
)
def test_a_parameter_without_a_kind_is_no_option(annotation):
    assert kind_of(annotation) is None


def test_a_group_chooses_a_candidate_and_binds_its_options():
    group = CHOICE.group("steep", mode="out")
    assert group.to_dict() == {
        "name": "steep",
        "none": {},
        "steep": {"decay": 0.9, "mode": "out"},
        "flat": {"every": 7},
    }
    CHOICE.check(group, "config.slope")
    made = CHOICE.bind(group)
    assert call(made, rate=3, weight=2.0, steps=9) == (3, 0.9, "out", 2.0)
    assert takes(made, "weight")
    assert not takes(made, "decay")  # which is bound
    group.name = "flat"
    assert call(CHOICE.bind(group), rate=3) == 7
    group.name = "none"
    assert CHOICE.bind(group) is None


def test_a_group_of_an_earlier_version_is_completed():
    group = ConfigDict({"name": "steep", "steep": {"decay": 0.5}})
    CHOICE.check(group, "config.slope")
    assert CHOICE.complete(group) == ["steep.mode"]  # what is not chosen is nobody's business
    assert group == CHOICE.group("steep", decay=0.5)


@pytest.mark.parametrize(
    ("group", "message"),
    [
        ("steep", "config.slope: expected a group of fields, got 'steep'"),
        ({}, "config.slope needs a name"),
        ({"name": 3}, "config.slope.name: expected a string, got 3"),
        ({"name": "stepe"}, "config.slope.name: unknown slope 'stepe'; did you mean 'steep'"),
        ({"name": "flat", "step": {}}, "config.slope.step: unknown slope 'step'"),
        ({"name": "flat", "flat": 3}, "config.slope.flat: expected a group of fields"),
        (
            {"name": "flat", "steep": {"deca": 1}},
            "config.slope.steep.deca: unknown option; did you",
        ),
        ({"name": "flat", "steep": {"decay": 1.0}}, "config.slope.steep.decay: expected a number"),
        ({"name": "flat", "steep": {"mode": "inn"}}, "unknown mode 'inn'; did you mean 'in'"),
    ],
)
def test_what_a_group_cannot_hold_is_named(group, message):
    with pytest.raises(UserError) as error:
        CHOICE.check(ConfigDict(group) if isinstance(group, dict) else group, "config.slope")
    assert message in str(error.value)


def test_a_checked_candidate_refuses_whoever_calls_it():
    made = checked(steep)
    assert made(3, mode="out") == (3, 0.9, "out", 0.0)
    assert options(made).keys() == options(steep).keys()
    for arguments in ({"decay": 1.0}, {"mode": "inn"}):
        with pytest.raises(ValueError, match=f"steep's {next(iter(arguments))}: "):
            made(3, **arguments)


def test_arguments_of_a_function():
    def run(seeds: int, sizes: Sequence[int] = (1,)):
        return seeds, sizes

    check_arguments({"seeds": 1}, run)
    for arguments, message in (
        ({"seed": 1}, "config.seed: unknown field; did you mean 'seeds'"),
        ({}, "config.seeds is missing"),
        ({"seeds": 0}, "config.seeds: expected a whole number from 1"),
        ({"seeds": 1, "sizes": ()}, "config.sizes: expected a tuple of whole numbers"),
    ):
        with pytest.raises(UserError) as error:
            check_arguments(arguments, run)
        assert message in str(error.value)
