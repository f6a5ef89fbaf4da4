"""The pure functions of an experiment, compiled for its mesh."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from cnn_history import losses, optimizers, tpu
from cnn_history.cpu import compiler
from cnn_history.datasets.examples import streamed
from cnn_history.datasets.prepare import Images
from cnn_history.datasets.prepare import Keys as ImageKeys
from cnn_history.experiment import Experiment
from cnn_history.layers import forms
from cnn_history.schedules import Plateau
from cnn_history.training import curvature, devices, keys, trained
from cnn_history.training.feed import Takes
from cnn_history.training.state import State
from cnn_history.training.step import train_step


class Program(NamedTuple):
    """The compiled functions.

    Data and cursors come from a feed, which defines them. If the data are resident on each device
    (`{"image": uint8 [n, h w c], "label": int32
    [n]}`), a cursor selects a step's examples: `{"ids": [batch], "epochs": [batch], "step":
    scalar}`.

    Attributes:
      abstract: a State of shapes, dtypes and shardings, for restoring a checkpoint.
      init: () -> the first State.
      step: (state, data, cursor) -> (state, metrics); the state is donated.
      steps: several steps as one scan over cursors with a leading axis; metrics have that axis too.
      statistics: (state, data, cursor) -> the network's `batch_stats` of that batch alone.
      observe: (state, error) -> the state after its schedule has received a validation error; None
        if the schedule uses none.
      evaluate: (state, `{"image": uint8, "label": [n]}`) -> `{"probabilities": [n, classes],
        "loss": [n], "cross_entropy": [n], "label": [n]}`; the loss is of the main classifier.
    """

    abstract: State
    init: Callable[[], State]
    step: Callable[..., tuple[State, dict]]
    steps: Callable[..., tuple[State, dict]]
    statistics: Callable[..., dict]
    observe: Callable[[State, float], State] | None
    evaluate: Callable[..., dict]


def make(
    experiment: Experiment, images: Images, feed: Takes, mesh: jax.sharding.Mesh, unroll: int = 1
) -> Program:
    """Return the program of an experiment.

    Args:
      experiment: whose network takes images [n, size, size, channels of the training images].
      images: their preprocessing and augmentation.
      feed: feed of the steps, or only its traced part; its data are not needed.
      mesh: of the devices.
      unroll: steps per iteration of the loop in `steps`.
    """
    network, loss, evaluated = experiment.network, experiment.loss, experiment.evaluated
    key, test_image = keys.keys(experiment.plan.seed), images.preprocessing
    if streamed(experiment.test):
        test_image = test_image.after_a_loader()
    if feed.cuts:
        images = images.after_a_loader()
    optimizer = devices.whole_outside(experiment.optimizer, mesh)
    update = functools.partial(
        train_step,
        apply=trained.frozen(network.apply, experiment.trained),
        loss=loss,
        optimizer=optimizer,
        applied_rate=optimizers.applied_rate,
        differentiate=experiment.differentiate,
        layers=experiment.trained,
        skips=experiment.plan.skipped_steps,
    )
    divide = functools.partial(devices.divide, mesh)
    platform = devices.platform(mesh)
    natively = forms.using(tpu.forms(platform))

    def init() -> State:
        size, channels = experiment.size, experiment.train.shape[-1]
        image = jnp.zeros((1, size, size, channels))
        variables = dict(network.init(key.init, image, train=False))
        params = variables.pop("params")
        zero = jnp.zeros((), jnp.int32)
        return State(
            zero,
            params,
            variables,
            optimizer.init(trained.pick(params, experiment.trained)),
            key.step,
            zero,
        )

    @natively
    def step(state: State, data: dict, cursor: dict) -> tuple[State, dict]:
        return update(
            state,
            batch(feed.take(data, cursor), cursor, images, key),
            extra={
                "curvature_fn": functools.partial(second_derivatives, state, data, cursor),
                "divide": divide,
            },
        )

    def second_derivatives(state: State, data: dict, cursor: dict, params: Any) -> Any:
        """Return the diagonal of the Hessian, on examples drawn for this step."""
        draw = jax.random.fold_in(jax.random.fold_in(state.key, state.step), curvature.EXAMPLES)
        raw, labels = feed.sample(data, cursor, draw, curvature.EXAMPLES)
        variables = {"params": trained.put(params, state.params), **state.model_state}
        values = images.preprocessing(raw)
        found = curvature.diagonal(network.apply, loss, variables, values, labels)
        return trained.pick(found, experiment.trained)

    def steps(state: State, data: dict, cursors: dict) -> tuple[State, dict]:
        return jax.lax.scan(
            lambda state, cursor: step(state, data, cursor), state, cursors, unroll=unroll
        )

    @natively
    def statistics(state: State, data: dict, cursor: dict) -> dict:
        _, updated = experiment.of_last_batch.apply(
            {"params": evaluated(state.params, state.opt_state), **state.model_state},
            batch(feed.take(data, cursor), cursor, images, key)["image"],
            train=True,
            rngs={"dropout": jax.random.fold_in(state.key, cursor["step"])},
            mutable=["batch_stats"],
        )
        found = trained.pick(updated["batch_stats"], experiment.trained)
        return trained.put(found, state.model_state["batch_stats"])

    def observe(state: State, error: float) -> State:
        return state.replace(
            opt_state=optimizers.observe(experiment.schedule, state.opt_state, error)
        )

    @natively
    def evaluate(state: State, examples: dict) -> dict[str, jax.Array]:
        variables = {"params": evaluated(state.params, state.opt_state), **state.model_state}
        logits = network.apply(variables, test_image(examples["image"]), train=False)
        labels = examples["label"]
        return {
            "probabilities": jax.nn.softmax(logits),
            "loss": loss(logits, labels),
            "cross_entropy": losses.cross_entropy()(logits, labels),
            "label": labels,
        }

    everywhere, shapes = devices.replicated(mesh), jax.eval_shape(init)
    where = devices.all_replicated(shapes, mesh)
    where = where.replace(opt_state=experiment.shardings(shapes.opt_state, mesh))
    advance = functools.partial(
        jax.jit,
        donate_argnums=0,
        out_shardings=(where, everywhere),
        compiler_options=compiler.options(platform, training=True),
    )
    return Program(
        abstract=jax.tree.map(
            lambda leaf, place: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place),
            shapes,
            where,
        ),
        init=jax.jit(
            init, out_shardings=where, compiler_options=compiler.options_of_one_call(platform)
        ),
        step=advance(step),
        steps=advance(steps),
        statistics=jax.jit(statistics, out_shardings=everywhere),
        observe=jax.jit(observe, donate_argnums=0, out_shardings=where)
        if isinstance(experiment.schedule, Plateau)
        else None,
        evaluate=jax.jit(
            evaluate,
            out_shardings=everywhere,
            compiler_options=compiler.options(platform, training=False),
        ),
    )


def batch(
    taken: tuple[jax.Array, jax.Array], cursor: dict, images: Images, key: keys.Keys
) -> dict[str, jax.Array]:
    """Return a batch taken from a feed, in the form that `train_step` expects."""
    raw, labels = taken
    own = ImageKeys(key.crop, key.colour, key.shift)
    values = images.training(own, raw, cursor["ids"], cursor["epochs"])
    return {"image": values, "label": labels, "step": cursor["step"]}
