"""The fields of a config, each declared once, and helpers for the files in experiments.

A choice is a group (`choices`). A new field is a line in FIELDS.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from ml_collections import ConfigDict

from cnn_history import initializers, layers, losses, models, optimizers, schedules
from cnn_history.choices import (
    ABOVE_0,
    COUNT,
    FINITE,
    FLAG,
    GROUP,
    NOT_NEGATIVE,
    POSITIVE,
    TEXT,
    Choice,
    Kind,
    check_options,
    one_of,
    options,
    several,
    whole,
)
from cnn_history.datasets import adapters, augment, scalings
from cnn_history.errors import UserError
from cnn_history.lookup import nearest

# Names of the splits on which papers measure errors, if not `test`.
TEST_SPLITS = {"imagenet2012": "validation", "imagenette": "validation", "folder": "val"}
IMAGENET_EXAMPLES = 1_281_167  # of imagenet2012's training split

DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16, "float64": jnp.float64}
ACTIVATIONS = {
    "relu": nn.relu,
    "tanh": nn.tanh,
    "sigmoid": nn.sigmoid,
    "scaled_tanh": layers.scaled_tanh,
}

AUGMENTATION = Choice("augmentation", augment.AUGMENTATIONS)
AVERAGE = Choice("average", optimizers.AVERAGES)
INITIALIZER = Choice("initializer", initializers.INITIALIZERS)
LOSS = Choice("loss", losses.LOSSES)
NORM = Choice("normalization", layers.NORMS)
OPTIMIZER = Choice("optimizer", {name: rule.make for name, rule in optimizers.OPTIMIZERS.items()})
SCHEDULE = Choice("schedule", schedules.SCHEDULES)
# A network's options that are not plain values; `build.network_option` makes them.
OF_NETWORKS = {
    **{"kernel_init": INITIALIZER, "norm": NORM},
    **{"activation": one_of(*ACTIVATIONS), "dtype": one_of(*DTYPES)},
}


class Networks:
    """The group of a network: its `name`, and options that differ from the paper's."""

    words = "a network's name and its options, as listed by `summarize --help`"

    def check(self, group: Any, where: str) -> None:
        """Raise UserError for an unknown network or option, or a value of another kind."""
        GROUP.check(group, where)
        name = group.get("name")
        TEXT.check(name, f"{where}.name")
        if name not in models.NETWORKS:
            advice = nearest(name, models.NETWORKS)
            raise UserError(f"{where}.name: unknown network '{name}'; {advice}")
        takes = network_options(name)
        for option, value in group.items():
            if option in ("num_classes", "dtype"):
                raise UserError(
                    f"{where}.{option}: fixed; it follows from the data set and config.dtype."
                )
            if option != "name" and option not in takes:
                advice = nearest(option, takes)
                raise UserError(f"{where}.{option}: {name} has no option '{option}'; {advice}")
            if option != "name":
                takes[option].check(value, f"{where}.{option}")


def network_options(name: str) -> dict[str, Kind | Choice]:
    """Return the kinds of a network's options, from its fields."""
    declared = options(models.info(name).build)
    kinds = {**{option: it.kind for option, it in declared.items()}, **OF_NETWORKS}
    return {option: kinds[option] for option in models.options(name) if option in kinds}


class Field(NamedTuple):
    """A field of a config.

    Attributes:
      default: default value, or the name of a choice's candidate.
      kind: kind of its values.
      changeable: whether a resumed run may change it. This is so for the length of a run, its
        records, and the places of data and state; any other change would make another run.
      imported: whether the config of an imported network has it; these concern evaluation.
    """

    default: Any
    kind: Kind | Choice | Networks
    changeable: bool = False
    imported: bool = False


FIELDS = {
    "seed": Field(0, whole(0, 2**32 - 1)),
    "model": Field({"name": ""}, Networks(), imported=True),
    "dtype": Field("float32", one_of(*DTYPES), imported=True),  # of the computation
    "init_from": Field("", TEXT),  # a work directory whose parameters to start from
    "init_layers": Field((), several(TEXT)),  # take only these layers; empty: all
    "trained_layers": Field(
        (), several(TEXT)
    ),  # train only these layers, named as in `summarize`; empty: all
    # Data.
    "dataset": Field("", TEXT, imported=True),
    "data_dir": Field("", TEXT, changeable=True, imported=True),  # empty: $TFDS_DATA_DIR
    "train_split": Field("train", TEXT),
    "test_split": Field("test", TEXT, imported=True),
    "image_size": Field(32, POSITIVE, imported=True),
    # How images of another size are adapted.
    "adapter": Field("resize", one_of(*adapters.ADAPTERS), imported=True),
    # Scaling of values. as_init_from: that of the network to start from; mean_std: the next two
    # fields.
    "scaling": Field("unit", one_of(*scalings.SCALINGS, *scalings.GIVEN)),
    "mean": Field((), several(FINITE, 0, 3)),
    "std": Field((), several(ABOVE_0, 0, 3)),
    # Number of images that may be undecodable before a run stops.
    "skipped_images": Field(50, COUNT, changeable=True, imported=True),
    # Number of steps with a loss, gradient, ... that is not finite before a run stops.
    "skipped_steps": Field(0, COUNT, changeable=True),
    "augmentation": Field("none", AUGMENTATION),
    # Training.
    "steps": Field(1000, POSITIVE, changeable=True),
    "batch_size": Field(128, POSITIVE),
    # Parts of a batch, computed one after another to save memory; norms see one part.
    "micro_batches": Field(1, POSITIVE),
    # What is kept for the backward pass: all activations, or to save memory, those of convolutions
    # alone, or the inputs of stages alone. The others are computed once more.
    "kept": Field("all", one_of(*models.KEPT), changeable=True),
    # sharded: each device keeps a part.
    "optimizer_state": Field("replicated", one_of("replicated", "sharded"), changeable=True),
    "loss": Field("cross_entropy", LOSS),
    # Weight of the loss of each auxiliary head, if the network has any.
    "aux_weight": Field(0.3, NOT_NEGATIVE),
    "optimizer": Field("momentum", OPTIMIZER),
    # Initial rate; 1 for pure Newton; bfgs and lbfgs do not use it.
    "learning_rate": Field(0.1, NOT_NEGATIVE),
    # Scale the rate by batch_size / rate_batch; 0: do not scale it.
    "rate_batch": Field(0, COUNT),
    "schedule": Field("constant", SCHEDULE),
    "weight_decay": Field(0.0, NOT_NEGATIVE),  # added to the gradient (L2), unless decoupled
    "decoupled_weight_decay": Field(False, FLAG),  # shrink parameters separately: AdamW, SGDW
    "decayed": Field("all", one_of(*optimizers.DECAYED)),  # parameters with weight decay
    "warmup": Field(0, COUNT),  # steps during which the rate rises
    "warmup_from": Field(0.0, NOT_NEGATIVE),  # initial rate of the warm-up
    "gradient_clipping": Field(
        0.0, NOT_NEGATIVE
    ),  # largest norm of the whole gradient; 0: no limit
    "bias_rate": Field(
        1.0, NOT_NEGATIVE
    ),  # rate of the biases, in learning rates; Caffe's AlexNet: 2
    # Largest root mean square of a filter; 0: no limit; ZFNet: 0.1.
    "filter_radius": Field(0.0, NOT_NEGATIVE),
    "averaging": Field("none", AVERAGE, imported=True),  # of the parameters
    # Evaluation and records, in steps.
    "evaluated": Field("newest", one_of(*optimizers.EVALUATED), imported=True),  # parameters
    # Batches for the norms' test statistics, as true averages; 0: moving averages, or for averaged
    # parameters, true averages over 50 batches or one pass.
    "statistics_batches": Field(0, COUNT),
    # Images at a time, rounded up to a multiple of the devices.
    "eval_batch_size": Field(500, POSITIVE, changeable=True, imported=True),
    "log_every": Field(100, POSITIVE, changeable=True),
    "eval_every": Field(1000, POSITIVE, changeable=True),
    "checkpoint_every": Field(1000, POSITIVE, changeable=True),
    "keep_checkpoints": Field(2, POSITIVE, changeable=True),
    # Also keep the one with the lowest test error, for `evaluate --checkpoint=best`.
    "keep_best": Field(False, FLAG, changeable=True),
}
CHANGEABLE = tuple(name for name, field in FIELDS.items() if field.changeable)
IMPORTED = tuple(name for name, field in FIELDS.items() if field.imported)


def base() -> ConfigDict:
    """Return a config with every field at its default; an experiment sets those of its paper."""
    return ConfigDict({name: _start(field) for name, field in FIELDS.items()})


def imported() -> ConfigDict:
    """Return the config of an imported network, with only the fields in IMPORTED."""
    return ConfigDict({name: _start(FIELDS[name]) for name in IMPORTED})


def _start(field: Field) -> Any:
    return field.kind.group(field.default) if isinstance(field.kind, Choice) else field.default


def choose(field: str, name: str, **changed: Any) -> ConfigDict:
    """Return the group of a choice of the config, or of its network, with some options changed.

    Raises UserError for an unknown name or option, or a value of another kind.
    """
    choice = OF_NETWORKS[field] if field in OF_NETWORKS else FIELDS[field].kind
    return choice.group(name, **changed)


def check(config: ConfigDict) -> None:
    """Raise UserError for a field that is missing, unknown, or has a wrong value."""
    check_options(config, FIELDS, "config", "field")
    for name in FIELDS:
        if name not in config:
            raise UserError(
                f"config.{name} is missing; every field is in the files of experiments."
            )


def complete(config: ConfigDict) -> list[str]:
    """Add missing fields and options to the config of an earlier version, with their defaults.

    Returns their names. For an imported network, only the fields in IMPORTED are added.
    """
    lacked = []
    for name in IMPORTED if "imported" in config else FIELDS:
        if name not in config:
            config[name] = _start(FIELDS[name])
            lacked.append(f"config.{name}")
        elif isinstance(choice := FIELDS[name].kind, Choice):
            lacked += [f"config.{name}.{option}" for option in choice.complete(config[name])]
    for name, choice in OF_NETWORKS.items():
        if isinstance(choice, Choice) and name in config.model:
            missing = choice.complete(config.model[name])
            lacked += [f"config.model.{name}.{option}" for option in missing]
    return lacked


def parse(arg: str | None, **defaults) -> ConfigDict:
    """Return the options of an experiment's `:ARG`, including `dataset` and `smoke`."""
    return parse_arg(arg, dataset="", smoke=False, **defaults)


def parse_arg(arg: str | None, **defaults) -> ConfigDict:
    """Return the options of a config file's `:ARG`, a comma list of `name=value` and `name`.

    The defaults determine the known options and their types.
    Raises ValueError for an unknown option, or a value of another type.
    """
    chosen = dict(defaults)
    for item in filter(None, (arg or "").split(",")):
        name, _, text = item.partition("=")
        if name not in defaults:
            raise ValueError(f"unknown option '{name}'; the options are {', '.join(defaults)}.")
        kind = type(defaults[name])
        try:
            chosen[name] = _truth(text) if kind is bool else kind(text)
        except ValueError:
            raise ValueError(
                f"'{item}': expected {kind.__name__} for {name}, got '{text}'."
            ) from None
    return ConfigDict(chosen)


def photos(config: ConfigDict, dataset: str, batch_size: int) -> None:
    """Set the data of an ImageNet recipe to `dataset`, or to imagenet2012 if it is empty.

    Errors are measured after every pass over ImageNet.
    """
    config.dataset = dataset or "imagenet2012"
    config.test_split = test_split(config.dataset)
    config.batch_size = batch_size
    config.eval_batch_size = 64
    config.eval_every = steps(1, IMAGENET_EXAMPLES, batch_size)
    config.checkpoint_every = 10_000


def plateau() -> ConfigDict:
    """Return the schedule of papers that divided the rate by 10 when the error stopped improving.

    They did so three times, by hand; here, after five evaluations without a new lowest error.
    """
    return choose("schedule", "plateau", factor=0.1, patience=5, drops=3)


def test_split(dataset: str) -> str:
    """Return the name of a data set's split for measuring errors."""
    return TEST_SPLITS.get(dataset, "test")


def steps(passes: float, examples: int, batch_size: int) -> int:
    """Return the number of updates in `passes` over `examples`, rounded to whole updates."""
    return round(passes * examples / batch_size)


def smoke(config: ConfigDict, batch_size: int = 16, steps: int = 10, tested: int = 64) -> None:
    """Reduce batch, steps and images so that a run takes less than a minute on two cores.

    The network and everything else stay the same.
    """
    config.batch_size = batch_size
    config.steps = steps
    config.train_split = f"train[:{batch_size * steps}]"
    config.test_split = f"{test_split(config.dataset)}[:{tested}]"
    config.eval_batch_size = 2 * batch_size
    config.statistics_batches = min(config.statistics_batches, 2)
    config.log_every = 2
    config.eval_every = steps // 2
    config.checkpoint_every = steps // 2


def smoke_on_photos(config: ConfigDict) -> None:
    """Apply `smoke` to networks that need billions of operations per image.

    The rate is reduced with the batch, because most networks would diverge otherwise; `rate_batch`
    already does so.
    """
    rate_of_one = config.learning_rate / config.batch_size
    smoke(config, batch_size=4, steps=4, tested=8)
    if not config.rate_batch:
        config.learning_rate = rate_of_one * config.batch_size


def _truth(text: str) -> bool:
    values = {"": True, "true": True, "1": True, "false": False, "0": False}
    if text.lower() not in values:
        raise ValueError
    return values[text.lower()]


def listing() -> Iterator[str]:
    """Yield each field, and each option of a choice, with its default and its kind."""
    for name, field in FIELDS.items():
        if isinstance(field.kind, Choice):
            yield f"{name}.name={field.default}: {field.kind.words}"
            for candidate, make in field.kind.candidates.items():
                for option, it in options(make).items():
                    yield f"{name}.{candidate}.{option}={it.default}: {it.kind.words}"
        else:
            yield f"{name}={field.default}: {field.kind.words}"


if __name__ == "__main__":
    print(*listing(), sep="\n")
