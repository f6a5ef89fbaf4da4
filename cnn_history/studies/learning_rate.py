"""Learning rates from very high to low, and what their decays do (lecture, "Learning rate")."""

import functools
import math
import pathlib

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from cnn_history import datasets, initializers, optimizers, schedules
from cnn_history.reporting import style
from cnn_history.studies.findings import Findings, Picture
from cnn_history.studies.interval import interval, verdict

HIDDEN, CLASSES = (64, 64), 10
MOMENTUM = 0.9
NOISE = 0.5  # added to each pixel anew, so that no rate learns the few images by heart
RATES = {"very high": 0.5, "high": 0.1, "good": 0.02, "low": 0.001}
DECAYED = "high"  # the rate that the decays start from
DROPS, FACTOR = 3, 0.1  # of the step decay; the exponential one gets as far
INVERSE = 50  # times the run that 1/t takes to halve the rate
FIRST, LAST = 0.02, 0.1  # shares of the steps over which a loss is the mean
QUESTION = (
    "The loss under very high, high, good and low learning rates: which is best to use? All of "
    "them: start with a high rate and let it decay over time; the loss drops where the rate does."
)
CAPTION = (
    "Left, the training loss under four constant rates, the mean over the seeds. Middle, the high "
    "rate, constant and with each decay. Right, the rates of the decays."
)


class Net(nn.Module):
    """Two hidden layers of tanh units on the pixels."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[n, h, w, c] -> [n, 10]."""
        x = x.reshape(len(x), -1)
        for units in HIDDEN:
            x = nn.tanh(nn.Dense(units, kernel_init=initializers.xavier())(x))
        return nn.Dense(CLASSES, kernel_init=initializers.xavier())(x)


def run(steps: int, batch_size: int, seeds: int) -> Findings:
    """Train the net on the embedded digits by momentum, at each rate and with each decay.

    Args:
      steps: updates of each run.
      batch_size: of a step; drawn at random each time.
      seeds: runs of each kind; the same weights and images for all kinds.
    """
    images, labels = datasets.source("digits", "train").arrays()
    data = jnp.asarray(images, jnp.float32) / 255, jnp.asarray(labels)
    constants = {name: schedules.constant(rate) for name, rate in RATES.items()}
    plans = {**constants, **decays(steps)}
    rates = {name: np.asarray(plan(np.arange(steps)), float) for name, plan in plans.items()}
    found = train(np.stack(list(rates.values())), data, batch_size, seeds)
    losses = dict(zip(plans, found, strict=True))
    rows = [_row(name, losses[name], rates[name]) for name in plans]
    picture = Picture(CAPTION, functools.partial(_draw, losses=losses, rates=rates))
    return Findings(QUESTION, answer(losses), rows, {"loss.png": picture})


def decays(steps: int) -> dict[str, schedules.Schedule]:
    """Return the lecture's three decays, from the high rate."""
    high = RATES[DECAYED]
    return {
        "step decay": schedules.step_decay(high, FACTOR, steps // (DROPS + 1)),
        "exponential decay": schedules.exponential_decay(high, DROPS * math.log(10) / steps),
        "1/t decay": schedules.inverse_time_decay(high, INVERSE / steps),
    }


def train(rates: np.ndarray, data: tuple, batch_size: int, seeds: int) -> np.ndarray:
    """Return the loss of each step's batch before its update, [plans, seeds, steps].

    Args:
      rates: of each plan, [plans, steps].
      data: images [n, h, w, c] and labels [n].
      batch_size: of a step.
      seeds: nets of each plan.
    """
    images, labels = data
    net = Net()

    def loss(params, key):
        draw, noise = jax.random.split(key)
        chosen = jax.random.randint(draw, (batch_size,), 0, len(labels))
        seen = images[chosen] + NOISE * jax.random.normal(noise, (batch_size, *images.shape[1:]))
        logits = net.apply(params, seen)
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels[chosen]).mean()

    def follow(key, rates):
        rule = optimizers.momentum(lambda step: rates[step], MOMENTUM)

        def step(carry, key):
            params, state = carry
            value, gradient = jax.value_and_grad(loss)(params, key)
            updates, state = rule.update(gradient, state, params)
            return (optax.apply_updates(params, updates), state), value

        start, order = jax.random.split(key)
        params = net.init(start, images[:1])
        carry = params, rule.init(params)
        return jax.lax.scan(step, carry, jax.random.split(order, len(rates)))[1]

    every_seed = jax.vmap(follow, in_axes=(0, None))
    every_plan = jax.jit(jax.vmap(every_seed, in_axes=(None, 0)))
    return np.asarray(every_plan(jax.random.split(jax.random.key(0), seeds), rates), float)


def early(losses: np.ndarray) -> np.ndarray:
    """[seeds, steps] -> the mean over the first steps, [seeds]."""
    return losses[:, : max(1, round(FIRST * losses.shape[1]))].mean(1)


def end(losses: np.ndarray) -> np.ndarray:
    """[seeds, steps] -> the mean over the last steps, [seeds]."""
    return losses[:, -max(1, round(LAST * losses.shape[1])) :].mean(1)


def drop(losses: np.ndarray) -> np.ndarray:
    """[seeds, steps] -> how far the loss falls at the first drop of the rate, [seeds].

    From the mean over the quarter of a period before it to that over the quarter after it.
    """
    period = losses.shape[1] // (DROPS + 1)
    quarter = max(1, period // 4)
    before, after = losses[:, period - quarter : period], losses[:, period : period + quarter]
    return before.mean(1) - after.mean(1)


def _row(name: str, losses: np.ndarray, rates: np.ndarray) -> dict:
    def spread(values):
        return values.std(ddof=1) if len(values) > 1 else 0.0

    return {
        "rate": name,
        "from": rates[0],
        "to": rates[-1],
        "loss_at_first": early(losses).mean(),
        "loss_at_first_sd": spread(early(losses)),
        "loss_at_last": end(losses).mean(),
        "loss_at_last_sd": spread(end(losses)),
        "n": len(losses),
    }


def answer(losses: dict[str, np.ndarray]) -> str:
    """Say of each rate what the lecture says of it, as far as the seeds agree.

    Args:
      losses: of each plan, [seeds, steps].
    """
    first, last = ({k: f(v) for k, v in losses.items()} for f in (early, end))
    fall = drop(losses["step decay"]) - drop(losses[DECAYED])
    said = [
        _said("the very high rate ends above the loss of chance", last["very high"] - math.log(10)),
        _said(
            "the high rate learns faster at first than the good one", first["good"] - first["high"]
        ),
        _said("and ends above it", last["high"] - last["good"]),
        _said("the low rate ends above the good one", last["low"] - last["good"]),
        _said("at the first drop of the rate the loss falls further than without it", fall),
        _said("step decay ends below the constant high rate", last["high"] - last["step decay"]),
        _said("and below the good one", last["good"] - last["step decay"]),
    ]
    return "; ".join(said) + f" (differences of the loss, 95 % intervals over {len(fall)} seeds)."


def _said(what: str, difference: np.ndarray) -> str:
    low, high = interval(difference)
    return f"{what}: {verdict(low, high)}, {low:.2g} to {high:.2g}"


def _draw(path: pathlib.Path, losses: dict, rates: dict) -> None:
    steps = next(iter(rates.values())).shape[0]
    width = max(1, steps // 60)
    colours = dict(zip(losses, style.CATEGORIES, strict=False))

    def curve(axes, name):
        mean = losses[name].mean(0)
        line = np.convolve(mean, np.ones(width) / width, "valid")
        axes.plot(np.arange(len(line)) + width, line, color=colours[name], label=name)

    with style.figure(path, 1, 3, figsize=(9.6, 3.2)) as (_, (left, middle, right)):
        for name in RATES:
            curve(left, name)
        for name in (DECAYED, *decays(steps)):
            curve(middle, name)
            right.plot(rates[name], color=colours[name])
        left.set(title="constant rates", ylabel="training loss")
        middle.set(title=f"the {DECAYED} rate, decayed", ylabel="training loss")
        right.set(title="rates", ylabel="learning rate")
        for axes in (left, middle, right):
            axes.set(xlabel="step")
        for axes in (left, right):
            axes.set(yscale="log")
        for axes in (left, middle):
            axes.legend(fontsize=8)
