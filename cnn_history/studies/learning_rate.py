"""Learning rates from very high to low, and their decays (lecture, "Learning rate")."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from cnn_history import optimizers, schedules
from cnn_history.reporting import style
from cnn_history.studies import curves, train
from cnn_history.studies.data import Data, digits
from cnn_history.studies.digits_net import Net
from cnn_history.studies.findings import Findings, picture
from cnn_history.studies.interval import columns, counted, said

HIDDEN = (64, 64)
MOMENTUM = 0.9
NOISE = 0.5  # added to each pixel in each step, so that no rate memorizes the few images
RATES = {"very high": 0.5, "high": 0.1, "good": 0.02, "low": 0.001}
DECAYED = "high"  # the rate that the decays start from
DROPS, FACTOR = 3, 0.1  # of the step decay; the exponential decay ends at the same rate
INVERSE = 50  # 1/t halves the rate after 1/50 of the run
FIRST, LAST = 0.02, 0.1  # first and last fractions of the steps; losses are means over them
QUESTION = (
    "The loss under very high, high, good and low learning rates: which is best to use? All of "
    "them: start with a high rate and let it decay over time; the loss drops where the rate does."
)
CAPTION = (
    "Left: training loss at four constant rates, averaged over the seeds. Middle: the high rate, "
    "constant and with each decay. Right: the rates."
)
VARIANTS = {"smoke": {"steps": 80, "seeds": 2}}


def run(steps: int = 4000, batch_size: int = 32, seeds: int = 10) -> Findings:
    """Train a net on the embedded digits by momentum, at each rate and with each decay.

    Args:
      steps: updates of each run.
      batch_size: images per step, drawn at random.
      seeds: runs of each kind; all kinds have the same weights and images.
    """
    constants = {name: schedules.constant(rate) for name, rate in RATES.items()}
    plans = {**constants, **decays(steps)}
    rates = {name: np.asarray(plan(np.arange(steps)), float) for name, plan in plans.items()}
    found = trainings(np.stack(list(rates.values())), digits(), batch_size, seeds)
    losses = dict(zip(plans, found, strict=True))
    rows = [_row(name, losses[name], rates[name]) for name in plans]
    return Findings(QUESTION, answer(losses), rows, {"loss.png": _draw(losses, rates)})


def decays(steps: int) -> dict[str, schedules.Schedule]:
    """Return the lecture's three decays, all from the rate DECAYED."""
    high = RATES[DECAYED]
    return {
        "step decay": schedules.step_decay(high, FACTOR, steps // (DROPS + 1)),
        "exponential decay": schedules.exponential_decay(high, DROPS * math.log(10) / steps),
        "1/t decay": schedules.inverse_time_decay(high, INVERSE / steps),
    }


def trainings(rates: np.ndarray, data: Data, batch_size: int, seeds: int) -> np.ndarray:
    """Return the loss of each step's batch before its update, [plans, seeds, steps].

    Args:
      rates: learning rates, [plans, steps].
      data: images [n, h, w, c] and labels [n].
      batch_size: images per step.
      seeds: nets of each plan.
    """
    images, labels = data

    def rule(rates):
        return optimizers.momentum(lambda step: rates[step], MOMENTUM)

    start = train.starter(Net(HIDDEN), rule, images[:1])
    step = train.stepper(Net(HIDDEN), rule)

    def follow(key, rates):
        def one(state, number_and_key):
            number, key = number_and_key
            draw, noise = jax.random.split(key)
            chosen = jax.random.randint(draw, (batch_size,), 0, len(labels))
            noise = NOISE * jax.random.normal(noise, (batch_size, *images.shape[1:]))
            return step(state, number, images[chosen] + noise, labels[chosen], rates)

        weights, order = jax.random.split(key)
        numbers = jnp.arange(len(rates)), jax.random.split(order, len(rates))
        return jax.lax.scan(one, start(weights, order, rates), numbers)[1]

    every_seed = jax.vmap(follow, in_axes=(0, None))
    every_plan = jax.jit(jax.vmap(every_seed, in_axes=(None, 0)))
    return np.asarray(every_plan(jax.random.split(jax.random.key(0), seeds), rates), float)


def early(losses: np.ndarray) -> np.ndarray:
    """[seeds, steps] -> the mean over the first steps, [seeds]."""
    return losses[:, : max(1, round(FIRST * losses.shape[1]))].mean(1)


def drop(losses: np.ndarray) -> np.ndarray:
    """[seeds, steps] -> the fall of the loss at the first drop of the rate, [seeds].

    This compares the means over a quarter of a period before the drop and after it.
    """
    period = losses.shape[1] // (DROPS + 1)
    quarter = max(1, period // 4)
    before, after = losses[:, period - quarter : period], losses[:, period : period + quarter]
    return before.mean(1) - after.mean(1)


def _row(name: str, losses: np.ndarray, rates: np.ndarray) -> dict:
    return {
        "rate": name,
        "from": rates[0],
        "to": rates[-1],
        **columns("loss_at_first", early(losses)),
        **counted("loss_at_last", curves.end(losses, LAST)),
    }


def answer(losses: dict[str, np.ndarray]) -> str:
    """Give for each of the lecture's statements the verdict of the seeds.

    Args:
      losses: by plan, [seeds, steps].
    """
    first = {name: early(of) for name, of in losses.items()}
    last = {name: curves.end(of, LAST) for name, of in losses.items()}
    fall = drop(losses["step decay"]) - drop(losses[DECAYED])
    differences = [
        ("The very high rate ends above the loss of guessing", last["very high"] - math.log(10)),
        ("the high rate learns faster at first than the good one", first["good"] - first["high"]),
        ("the high rate ends above the good one", last["high"] - last["good"]),
        ("the low rate ends above the good one", last["low"] - last["good"]),
        ("the loss falls further at the first drop of the rate than without the drop", fall),
        ("step decay ends below the constant high rate", last["high"] - last["step decay"]),
        ("step decay ends below the good rate", last["good"] - last["step decay"]),
    ]
    words = "; ".join(f"{what}: {said(values, '.2g')}" for what, values in differences)
    return f"{words} (differences in loss, 95 % intervals over {len(fall)} seeds)."


@picture(CAPTION, 1, 3, figsize=(9.6, 3.2))
def _draw(panels, losses: dict, rates: dict) -> None:
    left, middle, right = panels
    for (name, found), colour in zip(losses.items(), style.CATEGORIES, strict=False):
        if name in RATES:
            left.plot(*curves.smooth(found, 60), color=colour, label=name)
        if name == DECAYED or name not in RATES:
            middle.plot(*curves.smooth(found, 60), color=colour, label=name)
            right.plot(rates[name], color=colour)
    left.set(title="constant rates", xlabel="step", ylabel="training loss", yscale="log")
    middle.set(title=f"the {DECAYED} rate, decayed", xlabel="step", ylabel="training loss")
    right.set(title="rates", xlabel="step", ylabel="learning rate", yscale="log")
