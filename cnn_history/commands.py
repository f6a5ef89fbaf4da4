"""The start and the end of every verb.

Exit status: 0 finished; 2 a wrong flag, config or input, after one line on standard error that
names it and the fix; 143, 130, 129, 138 stopped by SIGTERM, SIGINT, SIGHUP, SIGUSR1 after saving; 1
any other error.
"""

import contextlib
import os
import pathlib
import re
import runpy
import sys
import threading
from collections.abc import Callable

from absl import app, flags, logging
from ml_collections import ConfigDict

from cnn_history import models, spelling
from cnn_history.choices import options
from cnn_history.errors import WRONG_INPUT, Ending, UserError
from cnn_history.lookup import nearest
from cnn_history.training import together

COMING = 30  # seconds to wait for other processes, to tell them about our wrong flags
CONFIG = "config"  # the flag of a config file, where a verb has one
NEEDED = r"Flag --(\w+) must have a value other than None\."  # in absl's words
CHECKOUT = pathlib.Path(__file__).parents[1]  # the folder with experiments/ and the package


def run(main: Callable[[list[str]], None]) -> None:
    """Parse the flags, call `main(argv)`, and exit with the status documented above."""
    logging.set_verbosity(logging.ERROR)  # hides the libraries' advice
    sys.path.append(str(CHECKOUT))  # lets config files in any folder import cnn_history

    def guarded(argv):
        try:
            if argv[1:]:
                raise UserError(f"'{argv[1]}' is not a flag; flags look like --name=value.")
            main(argv)
        except UserError as error:
            _refuse(error)
        except Ending as ending:
            _say(ending.line)
            sys.exit(ending.code)

    app.run(guarded, flags_parser=_parse)


def announce(line: str) -> None:
    """Print on standard error what a verb is about to do; call it once every check has passed."""
    print(line, file=sys.stderr, flush=True)


def writable(flag: str, path: str) -> pathlib.Path:
    """Return the path of a file to write; raise UserError if it could not be written."""
    path = pathlib.Path(path).expanduser()
    if not path.parent.is_dir():
        raise UserError(f"{flag}: folder '{path.parent}' does not exist.")
    if path.is_dir():
        raise UserError(f"{flag}: '{path}' is a folder; name a file.")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise UserError(f"{flag}: '{path}' is not writable.")
    return path


def process_flags() -> tuple[flags.FlagHolder, ...]:
    """Define and return the flags of a verb that can run as several cooperating processes."""
    return (
        flags.DEFINE_string("processes", "1", "Number of processes; auto reads the cluster's."),
        flags.DEFINE_integer("process", None, "Number of this process, from 0.", lower_bound=0),
        flags.DEFINE_string("coordinator", None, "HOST:PORT where process 0 listens."),
    )


def _refuse(error) -> None:
    _say(" ".join(str(error).split()))
    sys.exit(WRONG_INPUT)


def _say(line: str) -> None:
    print(f"{pathlib.Path(sys.argv[0]).stem}: {line}", file=sys.stderr, flush=True)


def _parse(argv: list[str]) -> list[str]:
    """Parse flags; return the other arguments. A wrong flag or config ends the program."""
    if CONFIG in flags.FLAGS:
        flags.FLAGS[CONFIG].parser.parse = read_config
    try:
        argv = sys.argv = _as_meant(argv)  # ml_collections reads sys.argv
        return flags.FLAGS(argv)
    except SystemExit:  # absl printed the requested help, which it counts as a failure
        sys.exit(0)
    except Exception as error:
        _refuse_to_all(argv, str(_needed(error) or error))


def _refuse_to_all(argv: list[str], line: str) -> None:
    """Refuse wrong flags, also in other processes, whose flags may be right and who wait for us."""
    found = (re.match(r"--?(processes|process|coordinator)=(.*)", flag) for flag in argv)
    said = {match[1]: match[2] for match in found if match}
    if said.get("process", "").isdecimal():
        where = said.get("processes", "1"), int(said["process"]), said.get("coordinator")
        alone = threading.Timer(COMING, lambda: (_say(line), os._exit(WRONG_INPUT)))
        alone.daemon = True
        alone.start()
        with contextlib.suppress(UserError), together.joined(*where):
            raise UserError(line)
    _refuse(line)


def _as_meant(argv: list[str]) -> list[str]:
    """Return the arguments with the values of a config's fields spelled for their types.

    Warns about an option that has no effect.
    """
    files = [found[1] for flag in argv if (found := re.match(rf"--?{CONFIG}=(.*)", flag))]
    if CONFIG not in flags.FLAGS or not files:
        return argv
    config = read_config(files[-1])
    for line in spelling.without_effect(config, spelling.changed(argv)):
        _say(line)
    return spelling.respelled(argv, config)


def _needed(error: Exception) -> str:
    """Return the help of a required flag that is missing, or an empty string."""
    names = re.findall(NEEDED, str(error))
    return "; ".join(f"--{name} is needed: {flags.FLAGS[name].help}" for name in names)


def read_config(path: str) -> ConfigDict:
    """Return the config of FILE[:ARG], locked; raise UserError if it is wrong.

    A flag `--config.FIELD` without such a field is refused here too, because ml_collections'
    message says less.
    """
    file, _, arg = path.partition(":")
    if not os.path.isfile(file):
        there = [os.path.relpath(path) for path in CHECKOUT.glob("experiments/**/*_*.py")]
        advice = (
            nearest(file, there)
            if there
            else "experiments/ is only in the checkout, not in the wheel."
        )
        raise UserError(f"config file '{file}' does not exist; {advice}")
    try:
        config = runpy.run_path(file)["get_config"](arg or None)
    except (UserError, ValueError) as error:
        raise UserError(f"--config={path}: {error}") from error
    except Exception as error:
        raise UserError(f"--config={path} fails: {type(error).__name__}: {error}") from error
    changed = spelling.changed(sys.argv)
    _add_options(config, changed)
    for field in changed:
        _check_field(config, field)
    return config.lock()


def _add_options(config: ConfigDict, changed: dict[str, str]) -> None:
    """Add options of the network that flags change and the file does not mention."""
    model = config.get("model", {})
    network = changed.get("model.name", model.get("name"))
    known = options(models.NETWORKS[network].build) if network in models.NETWORKS else {}
    for option in known.keys() - model.keys():
        if f"model.{option}" in changed:
            model[option] = known[option].default


def _check_field(config: ConfigDict, path: str) -> None:
    """Raise UserError if the config has no such field, or if the field is a group."""
    node, seen = config, "config"
    for field in path.split("."):
        if not isinstance(node, ConfigDict):
            raise UserError(
                f"--config.{path}: {seen} is a value, not a group; it has no field '{field}'."
            )
        if field not in node:
            advice = nearest(field, node)
            raise UserError(f"--config.{path}: {seen} has no field '{field}'; {advice}")
        node, seen = node[field], f"{seen}.{field}"
    if isinstance(node, ConfigDict):
        inside = ", ".join(f"--{seen}.{field}" for field in node)
        raise UserError(f"--{seen} is a group; set one of {inside}.")
