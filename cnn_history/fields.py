"""What the fields of a config may hold: kinds and ranges, by name."""

import inspect
import numbers
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import ml_collections
import numpy as np

from cnn_history.errors import UserError
from cnn_history.lookup import nearest

ConfigDict = ml_collections.ConfigDict

MOST = 2**31 - 1  # steps and examples are counted in int32
SEEDS = 2**32 - 1
LARGEST, SMALLEST = float(np.finfo(np.float32).max), float(np.finfo(np.float32).tiny)


class Kind(NamedTuple):
    """What a value has to be, in words, and whether it is."""

    words: str
    fits: Callable[[Any], bool]


def whole(least: int, most: int = MOST) -> Kind:
    """Whole numbers in a range."""
    return Kind(
        f"a whole number from {least} to {most:,}",
        lambda v: _is(v, numbers.Integral) and least <= v <= most,
    )


def number(fits: Callable[[float], bool], words: str) -> Kind:
    """Numbers that fit, and that float32 or int32 can hold."""

    def holds(value):
        largest = MOST if isinstance(value, numbers.Integral) else LARGEST
        return _is(value, numbers.Real) and -largest <= value <= largest and fits(value)

    return Kind(f"{words} (float32, int32)", holds)


def several(kind: Kind, least: int = 0, most: float = float("inf")) -> Kind:
    """A tuple of so many of a kind."""
    size = f"{least}, each " if least == most else ""

    def fits(value):
        right = isinstance(value, tuple | list) and least <= len(value) <= most
        return right and all(map(kind.fits, value))

    return Kind(f"a tuple of {size}{kind.words}", fits)


def _is(value: Any, kind: type) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


GROUP = Kind("a group of fields", lambda v: isinstance(v, ConfigDict))
TEXT = Kind("a string", lambda v: isinstance(v, str) and "\0" not in v)
FLAG = Kind("True or False", lambda v: isinstance(v, bool))
COUNT, POSITIVE = whole(0), whole(1)
FINITE = number(lambda v: True, "a finite number")
NOT_NEGATIVE = number(lambda v: v >= 0, "a finite number of 0 or more")
ABOVE_0 = number(lambda v: v >= SMALLEST, "a finite number above 0")
SHARE = number(lambda v: 0 <= v < 1, "a number of 0 or more, below 1")
ERROR = number(lambda v: 0 <= v <= 1, "a number from 0 to 1")

FIELDS = {
    "seed": whole(0, SEEDS),
    **dict.fromkeys(("steps", "batch_size", "eval_batch_size", "image_size"), POSITIVE),
    **dict.fromkeys(("log_every", "eval_every", "checkpoint_every"), POSITIVE),
    **dict.fromkeys(("keep_checkpoints", "micro_batches"), POSITIVE),
    **dict.fromkeys(("warmup", "statistics_batches", "rate_batch"), COUNT),
    **dict.fromkeys(("skipped_images", "skipped_steps"), COUNT),
    **dict.fromkeys(("learning_rate", "weight_decay", "aux_weight", "warmup_from"), NOT_NEGATIVE),
    **dict.fromkeys(("bias_rate", "gradient_clipping", "filter_radius"), NOT_NEGATIVE),
    **dict.fromkeys(("dtype", "init_from", "dataset", "data_dir", "decayed", "evaluated"), TEXT),
    **dict.fromkeys(("train_split", "test_split", "adapter", "scaling", "optimizer_state"), TEXT),
    **dict.fromkeys(("augmentation", "model", "loss", "optimizer", "schedule"), GROUP),
    **dict.fromkeys(("averaging", "paper"), GROUP),
    "init_layers": several(TEXT),
}
MODEL_CHOICES = ("kernel_init", "norm")  # the choices within a network's options
# Of groups, by name; what is more than a range is the business of who takes the option.
OPTIONS = {
    **dict.fromkeys(("name", "activation", "shortcut", "mode", "distribution"), TEXT),
    **dict.fromkeys(("method", "place", "solver", "labels", "source"), TEXT),
    **dict.fromkeys(("unbiased", "scale_and_shift", "vectors", "aux_heads", "zero_gamma"), FLAG),
    "channels": TEXT,
    **dict.fromkeys(("decay", "b1", "b2", "factor_decay", "momentum"), SHARE),
    **dict.fromkeys(("dropout", "aux_dropout"), SHARE),
    **dict.fromkeys(("eps", "mu", "largest_gb", "kl_clip", "trust", "j"), ABOVE_0),
    **dict.fromkeys(("damping", "factor", "k", "power", "std"), NOT_NEGATIVE),
    **dict.fromkeys(("epsilon", "alpha", "beta", "colour_std"), NOT_NEGATIVE),
    **dict.fromkeys(("every", "cg_steps", "memory_size", "factors_every", "n"), POSITIVE),
    **dict.fromkeys(("inverses_every", "largest_factor", "patience", "iterations"), POSITIVE),
    **dict.fromkeys(("start", "drops", "group_size"), COUNT),
    "value": FINITE,
    "steps": several(COUNT),
    "factors": several(NOT_NEGATIVE),
    "scales": several(POSITIVE, 2, 2),
    **dict.fromkeys(("area", "aspect"), several(ABOVE_0, 2, 2)),
    "amounts": several(NOT_NEGATIVE, 2, 2),
}
# Of a study, by the types of the function's arguments; one that may hold less says it itself.
ARGUMENTS = {
    int: POSITIVE,
    float: ABOVE_0,
    str: TEXT,
    Sequence[int]: several(POSITIVE, 1),
    Sequence[str]: several(TEXT, 1),
}
PAPER = {"model": TEXT, "dataset": TEXT, "top1_error": ERROR, "source": TEXT}


def check(config: ConfigDict) -> None:
    """Raise UserError for a field that is missing, unknown, or holds what it cannot."""
    _check_names(config, FIELDS, "config")
    check_part(config, FIELDS)


def check_part(config: ConfigDict, names: Iterable[str]) -> None:
    """Raise UserError for one of these fields that holds what it cannot."""
    for name in names:
        where = f"config.{name}"
        _check_value(config[name], FIELDS[name], where)
        if name == "model":
            _check_model(config.model)
        elif name == "paper":
            _check_names(config.paper, PAPER, where)
            for option, value in config.paper.items():
                _check_value(value, PAPER[option], f"{where}.{option}")
        elif FIELDS[name] is GROUP:
            check_choice(config[name], where)


def check_arguments(options: Mapping[str, Any], function: Callable) -> None:
    """Raise UserError for options that do not fit a function's arguments, by name and type."""
    takes = inspect.signature(function).parameters
    _check_names(options, takes, "config")
    for name, value in options.items():
        if kind := _kind(takes[name].annotation):
            _check_value(value, kind, f"config.{name}")


def _kind(annotation: Any) -> Kind | None:
    """Return the kind of `Annotated[TYPE, kind]`, or that of the type."""
    said = [it for it in getattr(annotation, "__metadata__", ()) if isinstance(it, Kind)]
    return said[0] if said else ARGUMENTS.get(annotation)


def _check_names(group: Mapping[str, Any], known: Mapping[str, Any], where: str) -> None:
    for name in group:
        if name not in known:
            raise UserError(f"{where}.{name}: unknown field; {nearest(name, known)}")
    for name in known:
        if name not in group:
            raise UserError(
                f"{where}.{name} is missing; the files in experiments have every field."
            )


def _check_model(model: ConfigDict) -> None:
    _check_name(model, "config.model")
    for name, value in model.items():
        if name in MODEL_CHOICES:
            check_choice(value, f"config.model.{name}")
        else:
            _check_option(name, value, "config.model")


def check_choice(group: ConfigDict, where: str) -> None:
    """Raise UserError for options of a choice's candidates that hold what they cannot."""
    _check_name(group, where)
    for candidate, options in group.items():
        if candidate != "name":
            _check_value(options, GROUP, f"{where}.{candidate}")
            for name, value in options.items():
                _check_option(name, value, f"{where}.{candidate}")


def _check_name(group: ConfigDict, where: str) -> None:
    _check_value(group, GROUP, where)
    if "name" not in group:
        raise UserError(f"{where} lacks its name, which chooses among its groups.")
    _check_value(group.name, TEXT, f"{where}.name")


def _check_option(name: str, value: Any, where: str) -> None:
    if name in OPTIONS:
        _check_value(value, OPTIONS[name], f"{where}.{name}")


def _check_value(value: Any, kind: Kind, where: str) -> None:
    if not kind.fits(value):
        raise UserError(f"{where}: {_shown(value)} is not {kind.words}.")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
