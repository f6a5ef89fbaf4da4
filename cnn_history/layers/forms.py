"""Chooses between a layer's own function and an equivalent form, such as `cnn_history.cpu`'s.

A form is a function whose first argument is the layer's own function, followed by that function's
arguments. Those in `cpu.FORMS` differ from the layer's own only on CPUs, which is decided when a
program is lowered. The set of forms is read when it is traced.
"""

import contextlib
import contextvars
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cnn_history import cpu

_forms = contextvars.ContextVar("forms", default=cpu.FORMS)


def replaceable(function: Callable) -> Callable:
    """Make a function call the form registered under its name, if there is one."""

    @functools.wraps(function)
    def call(*args, **options):
        form = _forms.get().get(function.__name__)
        return form(function, *args, **options) if form else function(*args, **options)

    return call


def layer_of(primitive: Any, parameters: Mapping[str, Any]) -> str:
    """Return the name of the layer that a primitive of a form computes; "" if it tells none."""
    return cpu.layer_of(primitive, parameters)


@contextlib.contextmanager
def replaced(**forms: Callable) -> Iterator[None]:
    """Add forms, or replace those of the same names, while layers are traced."""
    token = _forms.set({**_forms.get(), **forms})
    try:
        yield
    finally:
        _forms.reset(token)


def using(forms: Mapping[str, Callable]) -> Callable[[Callable], Callable]:
    """Return a decorator: the function is traced with these forms added."""

    def decorate(function: Callable) -> Callable:
        @functools.wraps(function)
        def call(*args: Any) -> Any:
            with replaced(**forms):
                return function(*args)

        return call

    return decorate


@contextlib.contextmanager
def as_written() -> Iterator[None]:
    """Trace layers without any forms, to see which inputs a position reads."""
    token = _forms.set({})
    try:
        yield
    finally:
        _forms.reset(token)
