"""From a config to the objects that it names: the only place where names become objects.

`experiment` makes all of them, once; what a run is made of knows no config. A wrong field raises
UserError with the field's name, and nothing is compiled here.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import traverse_util
from ml_collections import ConfigDict

from cnn_history import choices, datasets, layers, losses, models, optimizers, schedules
from cnn_history import config as fields
from cnn_history.config import ACTIVATIONS, DTYPES
from cnn_history.datasets import adapters, examples, identity, scalings, statistics
from cnn_history.datasets.prepare import Images, Preprocessing
from cnn_history.errors import UserError, blame, field
from cnn_history.experiment import Experiment, Plan
from cnn_history.files import shipped, workdir
from cnn_history.lookup import nearest
from cnn_history.training import devices, trained
from cnn_history.training import differentiate as differentiation

# From so many batches, one pass at most, norms get the statistics of averaged parameters.
AVERAGED_BATCHES = 50
# What a rule without a learning rate does not use.
OF_THE_RATE = ("learning_rate", "rate_batch", "schedule", "warmup", "warmup_from")
# What changes the gradient before the rule, or the step after it.
AROUND_THE_RULE = ("gradient_clipping", "bias_rate", "filter_radius", "decoupled_weight_decay")
OPTIMIZER_STATES = {"replicated": devices.all_replicated, "sharded": devices.sharded}


def experiment(
    config: ConfigDict,
    data: tuple[datasets.Source, datasets.Source] | None = None,
    network: nn.Module | None = None,
    mesh: jax.sharding.Mesh | None = None,
) -> Experiment:
    """Return everything that a run is made of.

    Raises UserError for a field that is missing, unknown, or of a wrong type or value, and where
    parts do not fit together.

    Args:
      config: of the run.
      data: training and test examples instead of the config's.
      network: instead of the config's.
      mesh: that the run is for; of all devices that are here if not given.
    """
    check(config)
    mesh = mesh or devices.mesh()
    rate = schedule(config)
    rule_for = optimizer(config, rate)
    objective, chosen, prepare = loss(config), evaluated(config), images(config)
    train, test = data or sources(config)
    network = network or model(config, len(train.classes))
    image, variables = _check_input(config, network, train)
    params, plan = variables["params"], Plan(**{name: config[name] for name in Plan._fields})
    batches = plan.statistics_batches
    if not batches and config.evaluated == "averaged" and "batch_stats" in variables:
        batches = min(AVERAGED_BATCHES, -(-len(train) // config.batch_size))
    rule = rule_for(models.filters(network, image) if config.filter_radius else {})
    layers = trained_layers(config, params)
    with field("optimizer"):
        jax.eval_shape(rule.init, trained.pick(params, layers))
    _check_channels(config, prepare, train)
    _check_batches(config, mesh.size)
    return Experiment(
        model=config.model.name,
        network=network,
        train=train,
        test=test,
        size=config.image_size,
        adapter=config.adapter,
        images=prepare,
        loss=objective,
        loss_name=loss_name(config, network),
        optimizer=rule,
        schedule=rate,
        differentiate=differentiate(config, devices.platform(mesh)),
        evaluated=chosen,
        averages=bool(batches) and config.evaluated == "averaged",
        of_last_batch=of_last_batch(network) if batches else None,
        shardings=OPTIMIZER_STATES[config.optimizer_state],
        init_from=config.init_from,
        init_layers=tuple(config.init_layers),
        scaling=config.scaling,
        trained=layers,
        notes=rate_notes(config),
        plan=plan._replace(statistics_batches=batches),
    )


def check(config: ConfigDict) -> None:
    """Raise UserError for fields that hold what they cannot, or do not fit together."""
    fields.check(config)
    name = config.optimizer.name
    rule = optimizers.OPTIMIZERS[name]
    if config.micro_batches > 1 and rule.whole_batch:
        raise UserError(
            f"config.micro_batches: {name} asks for more of a batch than its gradient, and takes "
            "it whole; set it to 1."
        )
    for around in AROUND_THE_RULE if rule.line_search else ():
        if config[around] != (default := fields.FIELDS[around].default):
            raise UserError(
                f"config.{around}: {name} searches for a step that lowers the loss, and this would "
                f"change the gradient before it or the step after it; set it to {default}."
            )
    if config.init_layers and not config.init_from:
        raise UserError("config.init_layers: of which network? config.init_from names its run.")
    if config.dtype == "float64" and not jax.config.jax_enable_x64:
        raise UserError("config.dtype: float64 needs JAX_ENABLE_X64=1 in the environment.")


def sources(
    config: ConfigDict, find: Callable[..., datasets.Source] = datasets.source
) -> tuple[datasets.Source, datasets.Source]:
    """Return the training and the test examples; their classes are those of both.

    `find` is one of `datasets`: `source`, or `described`, which needs no images.
    """

    def source(split: str) -> datasets.Source:
        with blame(f"config.dataset, config.data_dir, config.{split}"):
            return find(config.dataset, config[split], config.data_dir)

    train, test = source("train_split"), source("test_split")
    if train.classes != test.classes:
        classes = sorted({*train.classes, *test.classes})
        train, test = (identity.matched(one, classes) for one in (train, test))
    return train, test


def images(config: ConfigDict) -> Callable[[Callable[[], statistics.Statistics]], Images]:
    """Return (() -> statistics of the training images) -> what is done to images."""
    size, adapter = config.image_size, config.adapter
    scaling = scaling_of(config)
    make = fields.AUGMENTATION.bind(config.augmentation)

    def made(measured):
        augmentation = choices.call(make, statistics=measured, size=size)
        preprocessing = Preprocessing(size, adapter, *scaling(measured))
        return Images(preprocessing, augmentation)

    with blame(f"config.augmentation.{config.augmentation.name}, config.image_size"):
        choices.call(make, statistics=statistics.unknown, size=size)
    return made


def scaling_of(config: ConfigDict) -> Callable[..., scalings.MeanStd]:
    """Return (() -> statistics of the training images) -> mean and standard deviation."""
    if config.scaling == scalings.MEAN_STD:
        if not config.mean or len(config.mean) != len(config.std):
            raise UserError(
                "config.mean, config.std: scaling=mean_std takes a number of each for all channels "
                "or for each, such as --config.mean='(0.5,)' --config.std='(0.25,)'."
            )
        given = tuple(np.array(config[name], np.float32) for name in ("mean", "std"))
    elif config.scaling == scalings.AS_INIT_FROM:
        if not config.init_from:
            raise UserError("config.scaling: as which? config.init_from names its work directory.")
        theirs = workdir.load_inputs(shipped.folder(config.init_from))[0]
        given = theirs.mean, theirs.std
    else:
        return scalings.SCALINGS[config.scaling]
    return lambda measured: given


def model(config: ConfigDict, num_classes: int) -> nn.Module:
    """Return the network with its options."""
    options = {name: value for name, value in config.model.items() if name != "name"}
    for name in options.keys() & fields.OF_NETWORKS.keys():
        options[name] = network_option(name, options[name])
    with field("model"):
        return models.create(
            config.model.name, num_classes=num_classes, dtype=DTYPES[config.dtype], **options
        )


def network_option(name: str, chosen: ConfigDict | str) -> Callable | None:
    """Return what a network takes for one of `config.OF_NETWORKS`, such as its norm."""
    if name == "kernel_init":
        return fields.INITIALIZER.bind(chosen)()
    if name == "norm":
        return fields.NORM.bind(chosen)
    return {"activation": ACTIVATIONS, "dtype": DTYPES}[name][chosen]


def of_last_batch(network: nn.Module) -> nn.Module:
    """Return the network with running statistics of the last batch; UserError if it has none."""
    with field("statistics_batches"):
        return network.clone(norm=layers.of_last_batch(getattr(network, "norm", None)))


def loss(config: ConfigDict) -> Callable:
    """Return (logits, labels) -> [n], also of `(logits, heads)`."""
    return losses.with_heads(fields.LOSS.bind(config.loss)(), config.aux_weight)


def loss_name(config: ConfigDict, network: nn.Module) -> str:
    """Return what the test loss is, which has no auxiliary heads."""
    heads = f"; in training plus {config.aux_weight:g} times that of each auxiliary head"
    return config.loss.name + (heads if getattr(network, "aux_heads", False) else "")


def schedule(config: ConfigDict) -> optimizers.Rate | None:
    """Return the learning rate of each step, scaling by the batch and warm-up included.

    None where the rule searches for the length of its step.
    """
    rate = config.learning_rate
    if config.rate_batch:
        rate = schedules.linear_scaling(rate, config.rate_batch, config.batch_size)
    with field(f"schedule.{config.schedule.name}"):
        made = choices.call(fields.SCHEDULE.bind(config.schedule), initial=rate, steps=config.steps)
    if optimizers.OPTIMIZERS[config.optimizer.name].line_search:
        return None
    return schedules.warmup(made, config.warmup, config.warmup_from) if config.warmup else made


def rate_notes(config: ConfigDict) -> tuple[str, ...]:
    """Return what is to be known of the rate, a line each, where it is not that of other rules."""
    name, rate = config.optimizer.name, config.learning_rate
    rule = optimizers.OPTIMIZERS[name]
    if rule.line_search:
        unused = ", ".join(f"config.{field}" for field in OF_THE_RATE)
        return (f"{name} searches for the length of each step; it does not use {unused}.",)
    return (f"config.learning_rate={rate:g}: with {name}, {rule.rate_is}.",) if rule.rate_is else ()


def optimizer(
    config: ConfigDict, rate: optimizers.Rate | None
) -> Callable[[Mapping[str, Sequence[int]]], optax.GradientTransformation]:
    """Return (filters of the network, by `models.filters`) -> the rule of a run.

    It stands between what prepares the gradient and what corrects the update.
    The gradient of the loss is clipped, then weight decay is added to it, as in Krizhevsky et al.
    2012, sec. 5; decoupled, it is added to the update. Biases get their own multiple of the whole
    update, so that it multiplies their rate whatever the rule. Filters are limited where they would
    land, and parameters averaged last.
    """
    decay, decayed = config.weight_decay, optimizers.DECAYED[config.decayed]
    l2 = 0.0 if config.decoupled_weight_decay else decay
    make = fields.OPTIMIZER.bind(config.optimizer)
    with field(f"optimizer.{config.optimizer.name}"):
        rule = choices.call(make, learning_rate=rate, weight_decay=l2, decayed=decayed)
    if l2 and not choices.takes(make, "weight_decay"):
        rule = optimizers.add_l2(rule, l2, decayed)
    elif decay and not l2:
        rule = optimizers.add_decoupled_decay(rule, decay, decayed)
    parts = [rule]
    if config.gradient_clipping:
        parts.insert(0, optax.clip_by_global_norm(config.gradient_clipping))
    if config.bias_rate != 1:
        parts.append(optax.masked(optax.scale(config.bias_rate), biases))
    average = fields.AVERAGE.bind(config.averaging)()

    def rule_for(filters: Mapping[str, Sequence[int]]) -> optax.GradientTransformation:
        limit = optimizers.limit_filter_rms(config.filter_radius, filters)
        return optax.chain(*parts, *([limit] if config.filter_radius else []), average)

    return rule_for


def trained_layers(config: ConfigDict, params: Any) -> tuple[str, ...]:
    """Return the layers that are trained, empty for all; UserError where there is none such."""
    layers = tuple(config.trained_layers)
    if layers and optimizers.OPTIMIZERS[config.optimizer.name].factors:
        raise UserError(
            f"config.trained_layers: {config.optimizer.name} trains all layers at once."
        )
    paths = traverse_util.flatten_dict(params)
    names = {"/".join(path[:end]) for path in paths for end in range(1, len(path))}
    for layer in layers:
        if layer not in names:
            raise UserError(
                f"config.trained_layers: there is no layer '{layer}' with parameters; "
                f"{nearest(layer, names)}"
            )
    return layers


def evaluated(config: ConfigDict) -> Callable:
    """Return (params, optimizer's state) -> the parameters that are evaluated.

    Of layers that are not trained no average is kept.
    """
    if config.evaluated == "averaged" and config.averaging.name == "none":
        raise UserError("config.evaluated: nothing is averaged; config.averaging.name says how.")
    chosen = optimizers.EVALUATED[config.evaluated]
    return lambda params, opt_state: trained.put(chosen(params, opt_state), params)


def biases(params):
    """Return a tree of bools: true for leaves named `bias`."""
    return jax.tree_util.tree_map_with_path(lambda path, p: path[-1].key == "bias", params)


def differentiate(config: ConfigDict, platform: str) -> Callable:
    """Return how a step gets its gradient, and what else the optimizer asks for."""
    if optimizers.OPTIMIZERS[config.optimizer.name].factors:
        return differentiation.with_factors
    if config.micro_batches > 1:
        return differentiation.in_parts(config.micro_batches, devices.unrolls(platform))
    return differentiation.plainly


def _check_input(
    config: ConfigDict, network: nn.Module, data: datasets.Source
) -> tuple[jax.ShapeDtypeStruct, Any]:
    """Return the shapes of a batch of one and of the variables.

    Raises UserError if images cannot reach the network.
    """
    size, channels = config.image_size, data.shape[-1]
    with field("adapter"):
        if examples.streamed(data):
            adapters.for_any_size(config.adapter)
        else:
            reach = functools.partial(adapters.unit_range, size=size, adapter=config.adapter)
            jax.eval_shape(reach, jax.ShapeDtypeStruct((1, *data.shape), jnp.uint8))
    image = jax.ShapeDtypeStruct((1, size, size, channels), jnp.float32)
    with blame("config.model, config.image_size"):
        init = functools.partial(network.init, train=False)
        return image, jax.eval_shape(init, jax.random.key(0), image)


def _check_channels(config: ConfigDict, prepare: Callable, data: datasets.Source) -> None:
    """Raise UserError where a mean or standard deviation that is given is of other channels."""
    if config.scaling in scalings.GIVEN:
        preprocessing, channels = prepare(statistics.unknown).preprocessing, data.shape[-1]
        for name in ("mean", "std"):
            shape = np.shape(getattr(preprocessing, name))
            if shape and shape[-1] not in (1, channels):
                raise UserError(
                    f"config.scaling: {config.scaling} has a {name} of {shape[-1]} channels, and "
                    f"the images have {channels}."
                )


def _check_batches(config: ConfigDict, devices: int) -> None:
    """Raise UserError if devices, micro-batches or batch norm's groups do not divide a batch."""
    for name in ("batch_size", "eval_batch_size"):
        if config[name] % devices:
            raise UserError(
                f"config.{name}: {config[name]} is not a multiple of the {devices} devices."
            )
    count = config.batch_size // devices
    if count % config.micro_batches:
        raise UserError(
            f"config.micro_batches: {config.micro_batches} parts do not divide the {count} "
            "examples of a device."
        )
    count //= config.micro_batches
    if "norm" in config.model and config.model.norm.name == "batch_norm":
        size = config.model.norm.batch_norm.group_size
        if size and count % size:
            raise UserError(
                f"config.model.norm.batch_norm.group_size: {size} does not divide the {count} "
                "examples of a device."
            )
