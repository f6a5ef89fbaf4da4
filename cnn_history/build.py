"""Makes the parts of a run from a config: the only module that turns names into objects.

The parts do not depend on the config. A wrong field raises UserError with the field's name. Nothing
is compiled here.
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
from cnn_history.training import curvature, devices, trained
from cnn_history.training import differentiate as differentiation

# Number of batches, at most one pass, for norm statistics of averaged parameters.
AVERAGED_BATCHES = 50
# Fields that rules without a learning rate ignore.
OF_THE_RATE = ("learning_rate", "rate_batch", "schedule", "warmup", "warmup_from")
# Fields that change the gradient before the rule, or the step after it.
AROUND_THE_RULE = ("gradient_clipping", "bias_rate", "filter_radius", "decoupled_weight_decay")
OPTIMIZER_STATES = {"replicated": devices.all_replicated, "sharded": devices.sharded}


def experiment(
    config: ConfigDict,
    data: tuple[datasets.Source, datasets.Source] | None = None,
    network: nn.Module | None = None,
    mesh: jax.sharding.Mesh | None = None,
) -> Experiment:
    """Return the parts of a run.

    Raises UserError for a field that is missing, unknown, or has a wrong type or value, and for
    parts that do not fit together.

    Args:
      config: config of the run.
      data: training and test examples to use instead of the config's.
      network: network to use instead of the config's.
      mesh: mesh of the run; all devices of this machine if not given.
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
    _check_curvature(config, network, objective, image, variables)
    _check_stages(config, network)
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
    """Raise UserError for fields with wrong values, or that do not fit together."""
    fields.check(config)
    name = config.optimizer.name
    rule = optimizers.OPTIMIZERS[name]
    if config.micro_batches > 1 and rule.whole_batch:
        raise UserError(
            f"config.micro_batches: {name} needs more than a batch's gradient, so it cannot split "
            f"batches; set it to 1."
        )
    for around in AROUND_THE_RULE if rule.line_search else ():
        if config[around] != (default := fields.FIELDS[around].default):
            raise UserError(
                f"config.{around}: {name} searches for a step that lowers the loss; this field "
                f"would change its gradient or its step; set it to {default}."
            )
    if config.init_layers and not config.init_from:
        raise UserError("config.init_layers: needs config.init_from, the run with the layers.")
    if config.dtype == "float64" and not jax.config.jax_enable_x64:
        raise UserError("config.dtype: float64 needs JAX_ENABLE_X64=1 in the environment.")


def sources(
    config: ConfigDict, find: Callable[..., datasets.Source] = datasets.source
) -> tuple[datasets.Source, datasets.Source]:
    """Return training and test examples, with the classes of both.

    `find` is `datasets.source`, or `datasets.described`, which needs no images.
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
    """Return (() -> statistics of the training images) -> preprocessing and augmentation."""
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
                "config.mean, config.std: scaling=mean_std needs both, with one number for all "
                "channels or one per channel, such as --config.mean='(0.5,)' "
                "--config.std='(0.25,)'."
            )
        given = tuple(np.array(config[name], np.float32) for name in ("mean", "std"))
    elif config.scaling == scalings.AS_INIT_FROM:
        if not config.init_from:
            raise UserError(
                "config.scaling: as_init_from needs config.init_from, a work directory."
            )
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
    """Return the object for an option in `config.OF_NETWORKS`, such as a norm."""
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
    """Return the name of the loss, with a remark on auxiliary heads, which only train."""
    heads = f"; in training plus {config.aux_weight:g} times that of each auxiliary head"
    return config.loss.name + (heads if getattr(network, "aux_heads", False) else "")


def schedule(config: ConfigDict) -> optimizers.Rate | None:
    """Return the learning rate by step, including scaling by the batch and warm-up.

    None for a rule that searches for the length of its step.
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
    """Return remarks on a rule's unusual use of the learning rate, a line each."""
    name, rate = config.optimizer.name, config.learning_rate
    rule = optimizers.OPTIMIZERS[name]
    if rule.line_search:
        unused = ", ".join(f"config.{field}" for field in OF_THE_RATE)
        return (f"{name} searches for the length of each step; it does not use {unused}.",)
    return (f"config.learning_rate={rate:g}: with {name}, {rule.rate_is}.",) if rule.rate_is else ()


def optimizer(
    config: ConfigDict, rate: optimizers.Rate | None
) -> Callable[[Mapping[str, Sequence[int]]], optax.GradientTransformation]:
    """Return (filters of the network, by `models.filters`) -> the chain of a run's optimizer.

    In order: the loss's gradient is clipped; weight decay is added to it, as in Krizhevsky et al.
    2012, sec. 5, or, if decoupled, to the update; updates of biases are multiplied by `bias_rate`,
    which scales their rate for any rule; filters are limited after the update; and parameters are
    averaged.
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
    """Return the layers to train, empty for all; raise UserError for an unknown layer."""
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
                f"config.trained_layers: no layer '{layer}' has parameters; {nearest(layer, names)}"
            )
    return layers


def evaluated(config: ConfigDict) -> Callable:
    """Return (params, optimizer's state) -> the parameters to evaluate.

    Layers that are not trained have no average.
    """
    if config.evaluated == "averaged" and config.averaging.name == "none":
        raise UserError(
            "config.evaluated: nothing is averaged; choose an average by config.averaging.name."
        )
    chosen = optimizers.EVALUATED[config.evaluated]
    return lambda params, opt_state: trained.put(chosen(params, opt_state), params)


def biases(params):
    """Return a tree of bools: true for leaves named `bias`."""
    return jax.tree_util.tree_map_with_path(lambda path, p: path[-1].key == "bias", params)


def differentiate(config: ConfigDict, platform: str) -> Callable:
    """Return the function that computes the gradient and the optimizer's extra arguments."""
    if optimizers.OPTIMIZERS[config.optimizer.name].factors:
        return differentiation.with_factors
    found = differentiation.plainly
    if config.micro_batches > 1:
        found = differentiation.in_parts(config.micro_batches, devices.unrolls(platform))
    return differentiation.keeping(config.kept, found)


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


def _check_curvature(
    config: ConfigDict, network: nn.Module, loss: Callable, image: jax.ShapeDtypeStruct, variables
) -> None:
    """Raise UserError if the rule takes second derivatives that this network does not offer."""
    name = config.optimizer.name
    if not optimizers.OPTIMIZERS[name].curvature:
        return
    diagonal = functools.partial(curvature.diagonal, network.apply, loss)
    try:
        jax.eval_shape(diagonal, variables, image, jax.ShapeDtypeStruct((1,), jnp.int32))
    except ValueError as error:
        raise UserError(
            f"config.optimizer.name: {name} does not support this {config.model.name}: {error} "
            f"Choose another rule, or another norm or activation."
        ) from error


def _check_stages(config: ConfigDict, network: nn.Module) -> None:
    """Raise UserError if the network has no stages to recompute, or the rule looks into them."""
    if config.kept == "all":
        return
    if not getattr(network, "in_stages", False):
        raise UserError(
            f"config.kept: {config.model.name} has no stages that could be recomputed; set it to "
            f"'all'."
        )
    if optimizers.OPTIMIZERS[config.optimizer.name].factors:
        raise UserError(
            f"config.kept: {config.optimizer.name} needs the inputs of all layers; set it to 'all'."
        )


def _check_channels(config: ConfigDict, prepare: Callable, data: datasets.Source) -> None:
    """Raise UserError if a given mean or standard deviation has another number of channels."""
    if config.scaling in scalings.GIVEN:
        preprocessing, channels = prepare(statistics.unknown).preprocessing, data.shape[-1]
        for name in ("mean", "std"):
            shape = np.shape(getattr(preprocessing, name))
            if shape and shape[-1] not in (1, channels):
                raise UserError(
                    f"config.scaling: {config.scaling} has a {name} of {shape[-1]} channels, but "
                    f"the images have {channels}."
                )


def _check_batches(config: ConfigDict, devices: int) -> None:
    """Raise UserError if devices, micro-batches or groups of norms do not divide a batch.

    Batches of an evaluation need no check: their size is rounded up to a multiple of the devices.
    """
    if config.batch_size % devices:
        raise UserError(
            f"config.batch_size: {config.batch_size} is not a multiple of the {devices} devices."
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
