"""How far AdaGrad, RMSProp and both Adams step, first and after a long time (lecture, the same)."""

import functools
import pathlib
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from cnn_history import optimizers
from cnn_history.reporting import style
from cnn_history.studies.findings import Findings, Picture
from cnn_history.studies.interval import columns, interval

RULES = {
    "AdaGrad": optimizers.adagrad,
    "RMSProp": optimizers.rmsprop,
    "Adam (almost)": optimizers.adam_uncorrected,
    "Adam (full form)": optimizers.adam,
}
FLOAT32 = 1e-5  # by which equal steps may differ, relative: a few roundings
SMALL = 1e-6  # a gradient that the 1e-7 in the denominator is felt by
CURVATURES = (100.0, 1.0)  # of a quadratic, along its steep and its flat axis
RATE, STEPS = 0.01, 100  # on it
QUESTION = (
    "AdaGrad: what happens (Q1), and what to the step size over a long time (Q2)? Adam (almost): "
    "what happens at the first timestep?"
)
CAPTION = (
    "Left, the step in learning rates under a constant gradient, over the updates: AdaGrad follows "
    "1/sqrt(t), RMSProp and Adam without its correction begin too long, and Adam always steps one "
    "rate. Middle, the way made until then. Right, the rate that AdaGrad and RMSProp give to the "
    "steep and the flat axis of a quadratic, each line a random start."
)
VARIANTS = {"smoke": {"steps": 200, "seeds": 3}}


def run(steps: int = 10_000, seeds: int = 20) -> Findings:
    """Follow each rule under a constant gradient, and on a quadratic.

    Args:
      steps: updates under the constant gradient.
      seeds: random starts on the quadratic.
    """
    lengths = {name: constant(rule, 1.0, steps) for name, rule in RULES.items()}
    small = {name: constant(rule, SMALL, 1)[0] for name, rule in RULES.items()}
    rates = {name: along_axes(rule, seeds) for name, rule in RULES.items()}
    rows = [_row(name, lengths[name], small[name], rates[name]) for name in RULES]
    picture = Picture(CAPTION, functools.partial(_draw, lengths=lengths, rates=rates))
    return Findings(QUESTION, answer(lengths, rates), rows, {"steps.png": picture})


def constant(rule: Callable, gradient: float, steps: int) -> np.ndarray:
    """Return each step over the learning rate while the gradient stays what it is, [steps]."""
    transformation, params = rule(1.0), jnp.zeros(())

    def step(state, _):
        update, state = transformation.update(jnp.asarray(gradient), state, params)
        return state, -update

    return np.asarray(jax.lax.scan(step, transformation.init(params), None, length=steps)[1], float)


def along_axes(rule: Callable, seeds: int) -> np.ndarray:
    """Return -update / gradient along the steep and the flat axis from random starts.

    [seeds, steps, 2]. Of a start each coordinate is drawn by itself.
    """
    transformation, curvatures = rule(RATE), jnp.asarray(CURVATURES)

    def step(carry, _):
        x, state = carry
        gradient = curvatures * x
        update, state = transformation.update(gradient, state, x)
        return (x + update, state), -update / gradient

    @jax.vmap
    def follow(x):
        return jax.lax.scan(step, (x, transformation.init(x)), None, length=STEPS)[1]

    starts = jax.random.uniform(jax.random.key(0), (seeds, 2), minval=1.0, maxval=10.0)
    return np.asarray(follow(starts), float)


def advantage(rates: np.ndarray) -> tuple[float, float]:
    """[seeds, steps, 2] -> the interval of the flat axis' rate over the steep one's, at the end."""
    low, high = interval(np.log(rates[:, -1, 1] / rates[:, -1, 0]))
    return float(np.exp(low)), float(np.exp(high))


def longest_at(lengths: np.ndarray) -> int:
    """Return the first update whose step is the longest, up to the rounding of float32."""
    return int((lengths >= (1 - FLOAT32) * lengths.max()).argmax()) + 1


def _row(name: str, lengths: np.ndarray, small: float, rates: np.ndarray) -> dict:
    ratio = rates[:, -1, 1] / rates[:, -1, 0]
    return {
        "rule": name,
        "first_step": lengths[0],
        "longest_step": lengths.max(),
        "longest_at": longest_at(lengths),
        "last_step": lengths[-1],
        "way": lengths.sum(),
        "first_step_of_gradient_1e-6": small,
        **columns("flat_over_steep", ratio),
        "n": len(ratio),
    }


def answer(lengths: dict[str, np.ndarray], rates: dict[str, np.ndarray]) -> str:
    """Say how long the steps are, and what the axes of the quadratic get.

    Args:
      lengths: of each rule, [steps].
      rates: of each rule, [seeds, steps, 2].
    """
    steps = len(lengths["AdaGrad"])
    first = ", ".join(f"{name} {length[0]:.2f}" for name, length in lengths.items())
    almost = lengths["Adam (almost)"]
    last = lengths["AdaGrad"][-1]
    others = [length[-1] for name, length in lengths.items() if name != "AdaGrad"]
    way = lengths["AdaGrad"]
    low, high = advantage(rates["AdaGrad"])
    return (
        f"under a constant gradient the first step is, in learning rates: {first}. Adam without "
        f"its correction goes on growing, to {almost.max():.2f} at step {longest_at(almost)}. "
        f"After {steps:,} steps AdaGrad's is {last:.4f}, {last * np.sqrt(steps):.3f}/sqrt(t), the "
        f"others' {min(others):.2f} at least: its step decays to zero, and yet its way "
        f"grows without bound, {way[: steps // 4].sum():.0f} rates after {steps // 4:,} steps and "
        f"{way.sum():.0f} after {steps:,}. On a quadratic {CURVATURES[0] / CURVATURES[1]:g} times "
        f"as steep along one axis, AdaGrad's rate along the flat one is {low:.1f} to {high:.1f} "
        f"times that along the steep one after {STEPS} steps (95 % interval, "
        f"n={len(rates['AdaGrad'])}): progress is damped along the steep direction."
    )


def _draw(path: pathlib.Path, lengths: dict, rates: dict) -> None:
    colours = dict(zip(RULES, style.CATEGORIES, strict=False))
    with style.figure(path, 1, 3, figsize=(9.6, 3.2)) as (_, (left, middle, right)):
        for name, length in lengths.items():
            t = np.arange(1, len(length) + 1)
            left.plot(t, length, color=colours[name], label=name)
            middle.plot(t, np.cumsum(length), color=colours[name], label=name)
        left.set(title="step under a constant gradient", xlabel="update", ylabel="learning rates")
        middle.set(title="way until then", xlabel="update", ylabel="learning rates")
        for axes in (left, middle):
            axes.set(xscale="log", yscale="log")
        left.legend(fontsize=8)
        for seed in range(min(5, len(rates["AdaGrad"]))):
            for axis, line in ((0, "--"), (1, "-")):
                for name in ("AdaGrad", "RMSProp"):
                    right.plot(
                        np.arange(1, STEPS + 1),
                        np.abs(rates[name][seed, :, axis]),
                        line,
                        color=colours[name],
                        linewidth=0.8,
                    )
        right.plot([], [], "-", color=style.PAPER, label="flat axis")
        right.plot([], [], "--", color=style.PAPER, label="steep axis")
        right.set(title="rate on a quadratic", xlabel="update", ylabel="step / gradient")
        right.set(xscale="log", yscale="log")
        right.legend(fontsize=8)
