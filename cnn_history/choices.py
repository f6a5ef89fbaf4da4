"""Kinds of values, and choices among candidates whose signatures declare their options.

    def momentum(learning_rate: Rate, decay: Share = 0.9): ...

declares the option `decay` of the optimizer `momentum`, with its default and kind. An option is a
parameter with a default and a kind; the kind is `Annotated` or follows from the type (`kind_of`).
The program supplies all other parameters. Candidates check conditions beyond kinds, such as two
options that must agree, and raise ValueError.

In a config, a choice is a group with a `name` and a group of options for each candidate. So
`--config.optimizer.name=sgd` changes the rule, and `--config.optimizer.momentum.decay=0.8` an
option.
"""

import functools
import inspect
import numbers
import re
import types
import typing
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from ml_collections import ConfigDict

from cnn_history.errors import UserError
from cnn_history.lookup import lookup, nearest

MOST = 2**31 - 1  # steps and examples are counted in int32
LARGEST, SMALLEST = float(np.finfo(np.float32).max), float(np.finfo(np.float32).tiny)


class Kind(NamedTuple):
    """A kind of values.

    Attributes:
      words: description for messages.
      fits: value -> whether it is of this kind.
      plural: description of several values, if there is a short one.
      names: all values, if they are names.
    """

    words: str
    fits: Callable[[Any], bool]
    plural: str = ""
    names: tuple[str, ...] = ()

    def check(self, value: Any, where: str) -> None:
        """Raise UserError, with the place `where`, unless the value is of this kind."""
        if not self.fits(value):
            raise UserError(f"{where}: {self.refusal(value, re.split(r'[.-]', where)[-1])}")

    def refusal(self, value: Any, name: str) -> str:
        """Return the message that refuses a value for `name`."""
        if self.names and isinstance(value, str):
            return f"unknown {name} '{value}'; {nearest(value, self.names)}"
        text = repr(value)
        return f"expected {self.words}, got {text if len(text) <= 80 else f'{text[:77]}...'}."


def whole(least: int, most: int = MOST) -> Kind:
    """Return the kind of whole numbers in a range."""
    return Kind(
        f"a whole number from {least} to {most:,}",
        lambda v: _is(v, numbers.Integral) and least <= v <= most,
        f"whole numbers from {least} to {most:,}",
    )


def number(fits: Callable[[float], bool], words: str) -> Kind:
    """Return the kind of numbers that fit and that float32 or int32 can represent.

    `words` follow "a number" in messages.
    """

    def holds(value):
        largest = MOST if isinstance(value, numbers.Integral) else LARGEST
        return _is(value, numbers.Real) and -largest <= value <= largest and fits(value)

    return Kind(f"a number{words}", holds, f"numbers{words}")


def several(kind: Kind, least: int = 0, most: float = float("inf")) -> Kind:
    """Return the kind of tuples of `least` to `most` values of a kind."""
    count = f"{least} " if least == most else ""

    def fits(value):
        right = isinstance(value, tuple | list) and least <= len(value) <= most
        return right and all(map(kind.fits, value))

    return Kind(f"a tuple of {count}{kind.plural or f'values, each {kind.words}'}", fits)


def one_of(*names: str) -> Kind:
    """Return the kind of these names."""
    return Kind(f"one of {', '.join(names)}", lambda v: v in names, names=names)


def _is(value: Any, kind: type) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


GROUP = Kind("a group of fields", lambda v: isinstance(v, ConfigDict))
TEXT = Kind("a string", lambda v: isinstance(v, str) and "\0" not in v, "strings")
FLAG = Kind("True or False", lambda v: isinstance(v, bool))
COUNT, POSITIVE = whole(0), whole(1)
FINITE = number(lambda v: True, " that is finite")
NOT_NEGATIVE = number(lambda v: v >= 0, " from 0 up")
ABOVE_0 = number(lambda v: v >= SMALLEST, " above 0")
SHARE = number(lambda v: 0 <= v < 1, " from 0 up, below 1")
Count, Share = Annotated[int, COUNT], Annotated[float, SHARE]
NotNegative = Annotated[float, NOT_NEGATIVE]
GIVEN = "given"  # `Annotated[TYPE, GIVEN]`: the program supplies it, although it has a default
# Kinds by type; parameters with other kinds are Annotated.
KINDS = {bool: FLAG, int: POSITIVE, float: ABOVE_0, str: TEXT}
RESERVED = ("name", "parent")  # a group's own name; flax's modules have both


def kind_of(annotation: Any) -> Kind | None:
    """Return the kind of a parameter from its annotation, or None if it is not an option."""
    origin, inside = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        said = [it for it in inside[1:] if isinstance(it, Kind)]
        return None if GIVEN in inside else said[0] if said else kind_of(inside[0])
    if origin is Literal:
        return one_of(*inside)
    if origin in (typing.Union, types.UnionType) and type(None) in inside:
        return kind_of(inside[0])
    if origin in (tuple, Sequence) and (kind := kind_of(inside[0])):
        return several(kind, 1) if inside[1:] in ((), (...,)) else several(kind, *[len(inside)] * 2)
    return KINDS.get(annotation) if isinstance(annotation, type) else None


class Option(NamedTuple):
    """A parameter that a config may set."""

    default: Any
    kind: Kind


@functools.cache
def options(make: Callable | None) -> dict[str, Option]:
    """Return the options of a candidate by name: a function, a class, or a partial of either."""
    made = {}
    for name, parameter in inspect.signature(make).parameters.items() if make else ():
        kind = kind_of(parameter.annotation)
        if kind and name not in RESERVED and parameter.default is not parameter.empty:
            made[name] = Option(parameter.default, kind)
    return made


def check_options(group: Any, known: Mapping[str, Option], where: str, what: str = "option"):
    """Raise UserError for an unknown option, or a value that is not of the option's kind."""
    GROUP.check(group, where)
    for name, value in group.items():
        if name not in known:
            raise UserError(f"{where}.{name}: unknown {what}; {nearest(name, known)}")
        known[name].kind.check(value, f"{where}.{name}")


class Choice(NamedTuple):
    """A choice of one candidate by name.

    Attributes:
      what: noun for the candidates, for messages.
      candidates: candidates by name; None does nothing.
    """

    what: str
    candidates: Mapping[str, Callable | None]

    @property
    def words(self) -> str:
        """The valid names, for messages."""
        return f"one of {', '.join(self.candidates)}"

    def group(self, name: str, **changed: Any) -> ConfigDict:
        """Return the group of a config that chooses `name`, with some of its options changed.

        Raises UserError for an unknown name or option, or a value of another kind.
        """
        group = ConfigDict({"name": name})
        self.complete(group)
        self.check(group, self.what)
        check_options(ConfigDict(changed), options(self.candidates[name]), f"{self.what}.{name}")
        group[name].update(changed)
        return group

    def complete(self, group: MutableMapping[str, Any]) -> list[str]:
        """Add missing options to a group, with their defaults; return those of the chosen one."""
        lacked = []
        for candidate, make in self.candidates.items():
            known = options(make)
            if candidate not in group:
                group[candidate] = {}
            missing = [option for option in known if option not in group[candidate]]
            group[candidate].update({option: known[option].default for option in missing})
            lacked += [f"{candidate}.{option}" for option in missing if candidate == group["name"]]
        return lacked

    def check(self, group: Any, where: str) -> None:
        """Raise UserError unless a group chooses a candidate and its options are known and valid.

        Missing options have their defaults.
        """
        GROUP.check(group, where)
        if "name" not in group:
            raise UserError(f"{where} needs a name, which chooses one of its groups.")
        TEXT.check(group.name, f"{where}.name")
        for candidate in (group.name, *(name for name in group if name != "name")):
            if candidate not in self.candidates:
                place = f"{where}.name" if candidate == group.name else f"{where}.{candidate}"
                advice = nearest(candidate, self.candidates)
                raise UserError(f"{place}: unknown {self.what} '{candidate}'; {advice}")
            if candidate in group:
                known = options(self.candidates[candidate])
                check_options(group[candidate], known, f"{where}.{candidate}")

    def bind(self, group: Mapping[str, Any]) -> Callable | None:
        """Return the chosen candidate with its options bound; None for one that does nothing.

        Raises ValueError for an unknown name.
        """
        make = lookup(self.candidates, group["name"], self.what)
        return make and functools.partial(make, **group.get(group["name"], {}))


def takes(make: Callable, name: str) -> bool:
    """Return whether a candidate takes an argument that is not bound yet."""
    bound = make.keywords if isinstance(make, functools.partial) else {}
    return name in inspect.signature(make).parameters and name not in bound


def call(make: Callable, **given: Any) -> Any:
    """Call a candidate with those of the given arguments that it takes."""
    return make(**{name: value for name, value in given.items() if takes(make, name)})


def checked(make: Callable) -> Callable:
    """Make a candidate raise ValueError for arguments that its annotations do not allow."""
    signature, known = inspect.signature(make), options(make)

    @functools.wraps(make)
    def made(*args, **given):
        for name, value in signature.bind(*args, **given).arguments.items():
            if name in known and not known[name].kind.fits(value):
                raise ValueError(
                    f"{make.__name__}'s {name}: {known[name].kind.refusal(value, name)}"
                )
        return make(*args, **given)

    return made


def check_arguments(arguments: Mapping[str, Any], function: Callable) -> None:
    """Raise UserError unless a config has a function's arguments, each of its kind.

    Arguments without a kind are not checked.
    """
    takes = inspect.signature(function).parameters
    for name, value in arguments.items():
        if name not in takes:
            raise UserError(f"config.{name}: unknown field; {nearest(name, takes)}")
        if kind := kind_of(takes[name].annotation):
            kind.check(value, f"config.{name}")
    for name, parameter in takes.items():
        if name not in arguments and parameter.default is parameter.empty:
            raise UserError(f"config.{name} is missing.")
