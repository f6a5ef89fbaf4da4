"""The error for wrong input, and how a ValueError becomes one."""

import contextlib

WRONG_INPUT = 2  # the exit status after a UserError


class UserError(Exception):
    """A flag, config or input is wrong; the message is one line and says how to mend it."""


class Ending(SystemExit):
    """The program ends with a status, after one line on standard error."""

    def __init__(self, status: int, line: str):
        super().__init__(status)
        self.line = line


@contextlib.contextmanager
def blame(what: str):
    """Turn a ValueError raised inside into a UserError that names the flag or field `what`."""
    try:
        yield
    except ValueError as error:
        raise UserError(f"{what}: {error}") from error


def field(name: str):
    """Blame the config's field `name`."""
    return blame(f"config.{name}")
