"""Print a network's shapes, parameters, multiply-adds, activations and receptive fields.

    python -m cnn_history.summarize --model=vgg16 --norm=batch_norm

They come from tracing the network; no weights are allocated. Every option of a network is a flag.
`--format=json` prints one document.
"""

import ast
import contextlib

from absl import flags
from ml_collections import ConfigDict

from cnn_history import accounting, build, commands, config, models
from cnn_history.choices import FLAG, POSITIVE, TEXT, Choice, Kind
from cnn_history.errors import UserError, blame
from cnn_history.reporting import accounts

DECLARED = {
    option: kind for name in models.names() for option, kind in config.network_options(name).items()
}

MODEL = flags.DEFINE_string("model", None, "Network: " + ", ".join(models.names()) + ".")
IMAGE_SIZE = flags.DEFINE_string("image_size", None, "Height and width; the paper's if not given.")
OPTIONS = {
    option: (flags.DEFINE_bool if kind is FLAG else flags.DEFINE_string)(
        option, None, f"Option of some networks: {kind.words}; the paper's if not given."
    )
    for option, kind in sorted(DECLARED.items())
}
FORMAT = flags.DEFINE_enum("format", "table", ["table", "markdown", "json"], "What is printed.")
flags.mark_flags_as_required(["model"])


def main(argv: list[str]) -> None:
    chosen = {
        option: option_of(option, flag.value)
        for option, flag in OPTIONS.items()
        if flag.value is not None
    }
    size = IMAGE_SIZE.value and _value("image_size", IMAGE_SIZE.value, POSITIVE)
    try:
        account = accounting.account(MODEL.value, size, **chosen)
    except ValueError as error:
        raise UserError(error) from error
    if FORMAT.value == "table":
        accounts.table(account)
    elif FORMAT.value == "markdown":
        print(accounts.markdown(account))
    else:
        print(accounts.as_json(account))


def option_of(name: str, said: str | bool):
    """Return a network's option for the value of a flag; raise UserError for a wrong value."""
    kind = DECLARED[name]
    if isinstance(kind, Choice):
        with blame(f"--{name}"):
            return build.network_option(name, ConfigDict({"name": said}))
    value = _value(name, said, kind)
    return build.network_option(name, value) if name in config.OF_NETWORKS else value


def _value(name: str, said: str | bool, kind: Kind):
    """Parse the value of a flag: a number or a tuple, unless it is a name."""
    if isinstance(said, str) and kind is not TEXT and not kind.names:
        with contextlib.suppress(ValueError, SyntaxError):  # then the kind refuses the text
            said = ast.literal_eval(said)
    kind.check(said, f"--{name}")
    return said


if __name__ == "__main__":
    commands.run(main)
