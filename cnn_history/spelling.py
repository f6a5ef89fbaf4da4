"""Conversion of typed values of config fields to the spelling that ml_collections accepts."""

import ast
import re
from collections.abc import Iterator

from ml_collections import ConfigDict

from cnn_history.errors import UserError

FIELD = r"^--?(?:no)?config\.([^=]*)=?(.*)"  # a flag with the path and the value of a field
TRUTHS = {"yes": "true", "on": "true", "no": "false", "off": "false"}


def changed(arguments: list[str]) -> dict[str, str]:
    """Return the new values of the fields that arguments change, by path."""
    return dict(said for argument in arguments for said in re.findall(FIELD, argument))


def respelled(arguments: list[str], config: ConfigDict) -> list[str]:
    """Return the arguments with each value spelled for its field's type.

    `1e3` can be a whole number, `1/3` a number, `conv1,conv2` a tuple, `yes` true, and `None` an
    empty string. Raises UserError, with the expected type, for other values.
    """
    made = []
    for argument in arguments:
        flag, equals, text = argument.partition("=")
        if equals and (found := re.findall(FIELD, argument)):
            node = config
            for name in found[0][0].split("."):
                node = node[name]
            argument = f"{flag}={_respelled(text, node, flag)}"
        made.append(argument)
    return made


def _respelled(text: str, now: object, where: str) -> str:
    match now:
        case bool():
            return TRUTHS.get(text.lower(), text)
        case int():
            return str(_number(text, where, whole=True))
        case float():
            return str(_number(text, where))
        case tuple() if text and text[0] not in "([\"'":
            return repr(tuple(map(_literal, text.split(","))))
        case str() if text == "None":
            return ""
    return text


def _number(text: str, where: str, whole: bool = False) -> int | float:
    words = "a whole number, such as 1000 or 1e3" if whole else "a number, such as 0.01 or 1/3"
    try:
        return int(text, 0) if whole else float(text)
    except ValueError:
        above, _, below = text.partition("/")
    try:
        number = float(above) / float(below or 1)
    except (ValueError, ZeroDivisionError):
        number = None
    if number is None or (whole and not number.is_integer()):
        raise UserError(f"{where}: expected {words}, got '{text}'.")
    return int(number) if whole else number


def _literal(text: str) -> object:
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError):
        return text.strip()


def without_effect(config: ConfigDict, fields: dict[str, str]) -> Iterator[str]:
    """Yield a warning for each changed option of a candidate that is not chosen."""
    for path in fields:
        node, names = config, path.split(".")
        for depth, name in enumerate(names[:-1]):
            group = ".".join(("config", *names[:depth]))
            chosen = fields.get(f"{group}.name".removeprefix("config."), node.get("name"))
            if chosen in node and chosen != name:
                yield f"--config.{path} has no effect: {group}.name is {chosen}."
            node = node[name]
