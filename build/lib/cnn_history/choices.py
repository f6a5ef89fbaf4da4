"""What a value may be, and choices whose options are declared by the candidates' signatures.

    def momentum(learning_rate: Rate, decay: Share = 0.9): ...

declares the option `decay` of the optimizer `momentum`: its default, and its kind. An option is a
parameter with a default and a kind, which is `Annotated` or follows from the type (`kind_of`). The
program gives all other parameters. What a kind cannot say, such as two options that have to agree,
the candidate says itself by ValueError.

In a config a choice is a group: `name`, and for each candidate a group of its options. So
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
    """What a value has to be.

    Attributes:
      words: what it has to be, for a message.
      fits: whether a value is that.
      plural: the words for several such values, where there are shorter ones.
      names: all values, where they are names.
    """

    words: str
    fits: Callable[[Any], bool]
    plural: str = ""
    names: tuple[str, ...] = ()

    def check(self, value: Any, where: str) -> None:
        """Raise UserError, which names the place `where`, unless the value is of this kind."""
        if not self.fits(value):
            raise UserError(f"{where}: {self.refusal(value, re.split(r'[.-]', where)[-1])}")

    def refusal(self, value: Any, name: str) -> str:
        """Return why `name` cannot have the value."""
        if self.names and isinstance(value, str):
            return f"unknown {name} '{value}'; {nearest(value, self.names)}"
        text = repr(value)
        return f"expected {self.words}, got {text if len(text) <= 80 else f'{text[:77]}...'}."


def whole(least: int, most: int = MOST) -> Kind:
    """Whole numbers in a range."""
    return Kind(
        f"a whole number from {least} to {most:,}",
        lambda v: _is(v, numbers.Integral) and least <= v <= most,
        f"whole numbers from {least} to {most:,}",
    )


def number(fits: Callable[[float], bool], words: str) -> Kind:
    """Numbers that fit, and that float32 or int32 can hold; `words` continue "a number"."""

    def holds(value):
        largest = MOST if isinstance(value, numbers.Integral) else LARGEST
        return _is(value, numbers.Real) and -largest <= value <= largest and fits(value)

    return Kind(f"a number{words}", holds, f"numbers{words}")


def several(kind: Kind, least: int = 0, most: float = float("inf")) -> Kind:
    """A tuple of `least` to `most` values of a kind."""
    count = f"{least} " if least == most else ""

    def fits(value):
        right = isinstance(value, tuple | list) and least <= len(value) <= most
        return right and all(map(kind.fits, value))

    return Kind(f"a tuple of {count}{kind.plural or f'values, each {kind.words}'}", fits)


def one_of(*names: str) -> Kind:
    """One of these names."""
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
GIVEN = "given"  # `Annotated[TYPE, GIVEN]`: the program gives it, though it has a default
# By type; a parameter that may hold something else is Annotated.
KINDS = {bool: FLAG, int: POSITIVE, float: ABOVE_0, str: TEXT}
RESERVED = ("name", "parent")  # a group's own name; flax's modules have both


def kind_of(annotation: Any) -> Kind | None:
    """Return the kind that a parameter's annotation says, or None where it is no option."""
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
    """Raise UserError for a value that is no option of these, or is not of the option's kind."""
    GROUP.check(group, where)
    for name, value in group.items():
        if name not in known:
            raise UserError(f"{where}.{name}: unknown {what}; {nearest(name, known)}")
        known[name].kind.check(value, f"{where}.{name}")


class Choice(NamedTuple):
    """Candidates of which a config chooses one by its name.

    Attributes:
      what: what the candidates are, for a message.
      candidates: by name; None is the candidate that does nothing.
    """

    what: str
    candidates: Mapping[str, Callable | None]

    @property
    def words(self) -> str:
        """What a name has to be, for a message."""
        return f"one of {', '.join(self.candidates)}"

    def group(self, name: str, **changed: Any) -> ConfigDict:
        """Return the group of a config that chooses `name`, with some of its options changed.

        Raises UserError for a name or an option that is not there, or a value of another kind.
        """
        group = ConfigDict({"name": name})
        self.complete(group)
        self.check(group, self.what)
        check_options(ConfigDict(changed), options(self.candidates[name]), f"{self.what}.{name}")
        group[name].update(changed)
        return group

    def complete(self, group: MutableMapping[str, Any]) -> list[str]:
        """Give a group the options that it lacks, by default; return those of the chosen one."""
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
        """Raise UserError for a group that does not choose one of the candidates, or whose options
        are unknown or of another kind. An option that is missing has its default."""
        GROUP.check(group, where)
        if "name" not in group:
            raise UserError(f"{where} lacks its name, which chooses among its groups.")
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
        """Return the chosen candidate with its options bound; None for the one that does nothing.

        Raises ValueError for a name that is not there.
        """
        make = lookup(self.candidates, group["name"], self.what)
        return make and functools.partial(make, **group.get(group["name"], {}))


def takes(make: Callable, name: str) -> bool:
    """Whether a candidate still takes this argument, which is not one of its bound options."""
    bound = make.keywords if isinstance(make, functools.partial) else {}
    return name in inspect.signature(make).parameters and name not in bound


def call(make: Callable, **given: Any) -> Any:
    """Call a candidate with those of the given arguments that it takes."""
    return make(**{name: value for name, value in given.items() if takes(make, name)})


def checked(make: Callable) -> Callable:
    """Let a candidate refuse what its annotations do not allow, by ValueError, whoever calls it."""
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
    """Raise UserError for a config that does not give a function its arguments, each of its kind.

    Arguments without a kind may be anything.
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
