"""The error for wrong input, and how a ValueError becomes one."""

import contextlib


class UserError(Exception):
    """A flag, config or input is wrong; the message is one line and says how to mend it."""


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
