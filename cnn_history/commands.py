"""What the verbs share: how they start, and how they end.

Exit status: 0 finished; 2 a wrong flag, config or input, after one line on standard error that says
what and how to mend it; 143, 130, 129 stopped by SIGTERM, SIGINT, SIGHUP after saving; 1 else.
"""

import os
import pathlib
import re
import runpy
import sys
from collections.abc import Callable

from absl import app, flags, logging
from ml_collections import ConfigDict

from cnn_history.errors import UserError
from cnn_history.lookup import nearest

WRONG_INPUT = 2
CONFIG_FLAG = r"--?config=([^:]*)(?::(.*))?"
NEEDED = r"Flag --(\w+) must have a value other than None\."  # in absl's words
CHECKOUT = pathlib.Path(__file__).parents[1]  # experiments/ stands there, beside the package


def run(main: Callable[[list[str]], None]) -> None:
    """Parse the flags, call `main(argv)`, and exit with the status documented above."""
    logging.set_verbosity(logging.ERROR)  # the libraries' advice is not for who runs an experiment
    sys.path.append(str(CHECKOUT))  # config files import cnn_history, from whichever folder

    def guarded(argv):
        try:
            if argv[1:]:
                raise UserError(f"'{argv[1]}' is not understood; a flag looks like --name=value.")
            main(argv)
        except UserError as error:
            _refuse(error)

    app.run(guarded, flags_parser=_parse)


def writable(flag: str, path: str) -> pathlib.Path:
    """Return the path of a file to write; raise UserError if it could not be written."""
    path = pathlib.Path(path).expanduser()
    if not path.parent.is_dir():
        raise UserError(f"{flag}: the folder '{path.parent}' does not exist.")
    if path.is_dir():
        raise UserError(f"{flag}: '{path}' is a folder; name a file.")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise UserError(f"{flag}: '{path}' may not be written.")
    return path


def process_flags() -> tuple[flags.FlagHolder, ...]:
    """Define and return the flags of a verb that can run as several cooperating processes."""
    return (
        flags.DEFINE_string("processes", "1", "How many cooperate; auto: as the cluster says."),
        flags.DEFINE_integer("process", None, "Number of this process, from 0.", lower_bound=0),
        flags.DEFINE_string("coordinator", None, "HOST:PORT where process 0 listens."),
    )


def _refuse(error) -> None:
    verb = pathlib.Path(sys.argv[0]).stem
    print(f"{verb}: {' '.join(str(error).split())}", file=sys.stderr)
    sys.exit(WRONG_INPUT)


def _parse(argv: list[str]) -> list[str]:
    """Return what is no flag. A wrong flag, config file or config field ends the program."""
    try:
        _check_config_file(argv)
        return flags.FLAGS(argv)
    except SystemExit:  # absl printed the help that was asked for, and calls that a failure
        sys.exit(0)
    except Exception as error:
        _refuse(_wrong_field(argv) or _flag_message(error))


def _flag_message(error: Exception) -> str:
    if needed := re.findall(NEEDED, str(error)):
        return "; ".join(f"--{name} is needed: {flags.FLAGS[name].help}" for name in needed)
    if isinstance(error, flags.Error | ValueError | UserError):
        # Of a config file's own refusal, ml_collections gives the whole traceback.
        before, trace, inside = str(error).partition("Error whilst parsing config file:")
        return before + inside.rpartition("Error: ")[2] if trace else before
    return f"the config file fails: {type(error).__name__}: {error}"


def _check_config_file(argv: list[str]) -> None:
    for argument in argv:
        match = re.fullmatch(CONFIG_FLAG, argument)
        if match and not os.path.isfile(match[1]):
            there = [os.path.relpath(path) for path in CHECKOUT.glob("experiments/**/*_*.py")]
            raise UserError(f"there is no config file '{match[1]}'; {nearest(match[1], there)}")


def _config_without_overrides(argv: list[str]) -> ConfigDict | None:
    for argument in argv:
        if match := re.fullmatch(CONFIG_FLAG, argument):
            try:
                return runpy.run_path(match[1])["get_config"](match[2])
            except Exception:  # the file itself is to blame, and has been reported
                return None
    return None


def _wrong_field(argv: list[str]) -> str | None:
    """Say which `--config.field` does not exist, or is a group, if one is to blame."""
    config = _config_without_overrides(argv)
    if config is None:
        return None
    for argument in argv:
        match = re.fullmatch(r"--?(?:no)?config\.([^=]*)(=.*)?", argument)
        if not match:
            continue
        node, seen = config, "config"
        for field in match[1].split("."):
            if not isinstance(node, ConfigDict):
                return f"--config.{match[1]}: {seen} is a value and has no field '{field}'."
            if field not in node:
                return f"--config.{match[1]}: {seen} has no field '{field}'; {nearest(field, node)}"
            node, seen = node[field], f"{seen}.{field}"
        if isinstance(node, ConfigDict):
            inside = ", ".join(f"--{seen}.{field}" for field in node)
            return f"--{seen} is a group; set one of {inside}."
    return None
