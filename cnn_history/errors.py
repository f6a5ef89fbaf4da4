"""Errors for wrong input and for the end of a program."""

import contextlib

Kinds = type[Exception] | tuple[type[Exception], ...]
WRONG_INPUT = 2  # the exit status after a UserError


class UserError(Exception):
    """A flag, config or input is wrong; the message is one line and says how to fix it."""


class Ending(SystemExit):
    """End of the program with a status, after one line on standard error."""

    def __init__(self, status: int, line: str):
        super().__init__(status)
        self.line = line

    def __str__(self) -> str:
        return self.line


@contextlib.contextmanager
def blame(what: str, kinds: Kinds = ValueError):
    """Turn a ValueError, or an error of these kinds, into a UserError that names `what`."""
    try:
        yield
    except kinds as error:
        raise UserError(f"{what}: {error}") from error


def field(name: str):
    """Turn a ValueError into a UserError that names the config's field `name`."""
    return blame(f"config.{name}")
