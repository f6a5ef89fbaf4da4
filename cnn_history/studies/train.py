"""Training for studies: the step of `train` on data in memory, without a work directory."""

import itertools
from collections.abc import Callable, Collection, Iterator
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from cnn_history import losses, optimizers
from cnn_history.datasets.order import Order
from cnn_history.studies.data import Data
from cnn_history.training.differentiate import plainly
from cnn_history.training.state import State
from cnn_history.training.step import train_step


class Seen(NamedTuple):
    """A step before its update.

    Attributes:
      params: the parameters.
      logits: logits of the main classifier, [n, classes].
      labels: labels, [n].
      gradient: gradient of the whole loss, with the structure of the parameters.
    """

    params: Any
    logits: jax.Array
    labels: jax.Array
    gradient: Any


class Watched(NamedTuple):
    """Metrics of one or more steps.

    Attributes:
      loss: loss of the main classifier.
      gradient: root mean square gradient of the kernels, by layer name.
    """

    loss: Any
    gradient: dict[str, Any]


class Update(NamedTuple):
    """The result of a step.

    Attributes:
      state: the state after it.
      seen: the result of `observe`; NaN from the first step that is not finite.
      chosen: indices of its examples.
    """

    state: State
    seen: Any
    chosen: np.ndarray


Keys = tuple[jax.Array, jax.Array, jax.Array]  # for weights, order of images, and dropout
Rule = Callable[[Any], optax.GradientTransformation]  # takes a setting, such as a learning rate


def mean_cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """[n, classes], int [n] -> the mean over the images, a scalar."""
    return losses.cross_entropy()(logits, labels).mean()


def main_loss(seen: Seen) -> jax.Array:
    """Return the loss of the main classifier."""
    return mean_cross_entropy(seen.logits, seen.labels)


def watching(norms: Callable[[Any], dict[str, jax.Array]]) -> Callable[[Seen], Watched]:
    """Return an `observe` for the loss of a step and the norms of its gradient."""
    return lambda seen: Watched(main_loss(seen), norms(seen.gradient))


def keys(seed: int) -> Keys:
    """Return three independent keys for a seed."""
    return tuple(jax.random.split(jax.random.key(seed), 3))


def starter(network: nn.Module, rule: Rule, image: jax.Array) -> Callable[..., State]:
    """Return (weights_key, dropout_key, setting=None, gain=1) -> the state at step 0.

    The initial kernels are multiplied by `gain`. `image` is [1, h, w, c].
    """

    def start(weights_key, dropout_key, setting=None, gain=1.0):
        variables = dict(network.init(weights_key, image, train=False))
        params = jax.tree.map(lambda p: gain * p if p.ndim > 1 else p, variables.pop("params"))
        zero = jnp.zeros((), jnp.int32)
        opt_state = jax.tree.map(_strong, rule(setting).init(params))
        return State(zero, params, variables, opt_state, dropout_key, zero)

    return start


def _strong(x: jax.Array) -> jax.Array:
    """Return x with a strong type, like after a step, so that the step is compiled only once."""
    return jax.lax.convert_element_type(x, x.dtype)


def stepper(
    network: nn.Module,
    rule: Rule,
    observe: Callable[[Seen], Any] = main_loss,
    differentiate: Callable = plainly,
) -> Callable[..., tuple[State, Any]]:
    """Return (state, number, images, labels, setting=None, aux_weight=0) -> (state, observed).

    Jit or scan the result. `number` counts the steps from 0. From the first step that is not
    finite, the state stays unchanged and every observation is NaN. `aux_weight` weights the loss
    of each auxiliary head.

    Args:
      network: network with `apply(variables, images, train=)`.
      rule: setting -> optimizer.
      observe: Seen -> metrics of the step, floats.
      differentiate: one of `training/differentiate.py`.
    """

    def step(state, number, images, labels, setting=None, aux_weight=0.0):
        seen = []

        def watched(forward, objective, params, images, labels, key):
            made = differentiate(forward, objective, params, images, labels, key)
            _, gradient, (logits, _), _ = made
            seen.append(observe(Seen(params, losses.of_main(logits), labels, gradient)))
            return made

        state, metrics = train_step(
            state,
            {"image": images, "label": labels, "step": number},
            apply=network.apply,
            loss=losses.with_heads(losses.cross_entropy(), aux_weight),
            optimizer=rule(setting),
            applied_rate=optimizers.applied_rate,
            differentiate=watched,
        )
        return state, jax.tree.map(lambda x: jnp.where(metrics["applied"], x, jnp.nan), seen[0])

    return step


def trainer(
    network: nn.Module, rule: Rule, data: Data, batch_size: int, **options
) -> Callable[..., Iterator[Update]]:
    """Return (keys, setting=None, *, gain=1, aux_weight=0) -> an endless iterator of updates.

    All runs share one compilation. `starter` and `stepper`, which takes the options, describe the
    arguments.
    """
    images, labels = data
    start = jax.jit(starter(network, rule, images[:1]))
    step = stepper(network, rule, **options)

    @jax.jit
    def chosen_step(state, number, chosen, setting, aux_weight):
        return step(state, number, images[chosen], labels[chosen], setting, aux_weight)

    def train(keys: Keys, setting=None, *, gain=1.0, aux_weight=0.0) -> Iterator[Update]:
        weights_key, order_key, dropout_key = keys
        state = start(weights_key, dropout_key, setting, gain)
        order = Order(order_key, len(images))
        for number in itertools.count():
            chosen, _ = order(number * batch_size, (number + 1) * batch_size)
            state, seen = chosen_step(state, number, chosen, setting, aux_weight)
            yield Update(state, seen, chosen)

    return train


def observed(updates: Iterator[Update], steps: int) -> Any:
    """Return the observations of the next `steps` updates, arrays [steps, ...]."""
    seen = [update.seen for update in itertools.islice(updates, steps)]
    return jax.tree.map(lambda *x: np.stack(x), *jax.device_get(seen))


def observed_by_seed(
    updates_of: Callable[..., Iterator[Update]], seeds: int, steps: int, *setting, **options
) -> Any:
    """Return the observations of a run for each seed, arrays [seeds, steps, ...]."""
    made = [observed(updates_of(keys(i), *setting, **options), steps) for i in range(seeds)]
    return jax.tree.map(lambda *x: np.stack(x), *made)


def states(updates: Iterator[Update], steps: Collection[int]) -> Iterator[State]:
    """Yield the state after each of the given numbers of updates."""
    made = enumerate(itertools.islice(updates, max(steps)), start=1)
    return (update.state for number, update in made if number in steps)


def variables(state: State) -> dict:
    """Return the variables for `network.apply`."""
    return {"params": state.params, **state.model_state}


def trials(state: State) -> jax.Array:
    """Return the number of trials of the last line search; 0 for a rule without one."""
    return optax.tree.get(state.opt_state, "num_linesearch_steps", 0)


def tester(network: nn.Module, data: Data) -> Callable[[Any], tuple[jax.Array, jax.Array]]:
    """Return variables -> (loss, error) on all of `data`, with running statistics."""
    images, labels = data

    @jax.jit
    def test(variables):
        logits = network.apply(variables, images, train=False)
        error = jnp.mean(jnp.argmax(logits, -1) != labels)
        return mean_cross_entropy(logits, labels), error

    return test
