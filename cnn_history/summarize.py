"""Print the account of a network: shapes, parameters, multiply-adds, activations, receptive fields.

    python -m cnn_history.summarize --model=vgg16

It is derived by tracing the network itself; no weights are allocated. `--format=json` prints one
document.
"""

from absl import flags

from cnn_history import accounting, commands, errors, models
from cnn_history.reporting import accounts

MODEL = flags.DEFINE_string("model", None, "Network: " + ", ".join(models.names()) + ".")
IMAGE_SIZE = flags.DEFINE_integer("image_size", None, "Height and width; the paper's if not given.")
NUM_CLASSES = flags.DEFINE_integer("num_classes", None, "Classes; the paper's if not given.")
SHORTCUT = flags.DEFINE_string("shortcut", None, "A, B or C, of a residual network.")
AUX_HEADS = flags.DEFINE_bool("aux_heads", False, "With the auxiliary heads.")
FORMAT = flags.DEFINE_enum("format", "table", ["table", "markdown", "json"], "What is printed.")
flags.mark_flags_as_required(["model"])


def main(argv: list[str]) -> None:
    """Run the verb."""
    del argv
    chosen = {
        "num_classes": NUM_CLASSES.value,
        "shortcut": SHORTCUT.value,
        "aux_heads": AUX_HEADS.value or None,
    }
    options = {name: value for name, value in chosen.items() if value is not None}
    for name, value in {"image_size": IMAGE_SIZE.value, "num_classes": NUM_CLASSES.value}.items():
        if value is not None and value < 1:
            raise errors.UserError(f"--{name}: {value} is not positive.")
    try:
        account = accounting.account(MODEL.value, IMAGE_SIZE.value, **options)
    except ValueError as error:
        raise errors.UserError(error) from error
    if FORMAT.value == "table":
        accounts.table(account)
    elif FORMAT.value == "markdown":
        print(accounts.markdown(account))
    else:
        print(accounts.as_json(account))


if __name__ == "__main__":
    commands.run(main)
