"""Other forms of what layers compute: the one place where they meet `cnn_history.cpu`.

A form is a function that takes the layer's own first, and then what that takes. Those of
`cpu.FORMS` are the layer's own again on every platform but a CPU, which is known when a program is
lowered. Which forms there are is asked when it is traced.
"""

import contextlib
import contextvars
import functools
from collections.abc import Callable, Iterator

from cnn_history import cpu

_forms = contextvars.ContextVar("forms", default=cpu.FORMS)


def replaceable(function: Callable) -> Callable:
    """Return what calls the form of the function, by its name, or else the function."""

    @functools.wraps(function)
    def call(*args, **options):
        form = _forms.get().get(function.__name__)
        return form(function, *args, **options) if form else function(*args, **options)

    return call


@contextlib.contextmanager
def replaced(**forms: Callable) -> Iterator[None]:
    """Trace layers with these forms as well, in the place of others of that name."""
    token = _forms.set({**_forms.get(), **forms})
    try:
        yield
    finally:
        _forms.reset(token)


@contextlib.contextmanager
def as_written() -> Iterator[None]:
    """Trace layers without any other form, which shows what a position reads."""
    token = _forms.set({})
    try:
        yield
    finally:
        _forms.reset(token)
