"""How far AdaGrad, RMSProp and both Adams step, first and after a long time (lecture, the same)."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from cnn_history import optimizers
from cnn_history.reporting import style
from cnn_history.studies.findings import Findings, picture
from cnn_history.studies.interval import counted, interval

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
    return Findings(QUESTION, answer(lengths, rates), rows, {"steps.png": _draw(lengths, rates)})


def constant(rule: Callable, gradient: float | jax.Array, steps: int) -> np.ndarray:
    """Return each step over the learning rate while the gradient stays what it is, [steps, ...]."""
    transformation, params = rule(1.0), jnp.zeros(jnp.shape(gradient))

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


def flat_over_steep(rates: np.ndarray) -> np.ndarray:
    """[seeds, steps, 2] -> the flat axis' rate over the steep one's, at the end, [seeds]."""
    return rates[:, -1, 1] / rates[:, -1, 0]


def advantage(rates: np.ndarray) -> tuple[float, float]:
    """Return the interval of `flat_over_steep`, of its logarithms."""
    low, high = np.exp(interval(np.log(flat_over_steep(rates))))
    return float(low), float(high)


def longest_at(lengths: np.ndarray) -> int:
    """Return the first update whose step is the longest, up to the rounding of float32."""
    return int((lengths >= (1 - FLOAT32) * lengths.max()).argmax()) + 1


def _row(name: str, lengths: np.ndarray, small: float, rates: np.ndarray) -> dict:
    return {
        "rule": name,
        "first_step": lengths[0],
        "longest_step": lengths.max(),
        "longest_at": longest_at(lengths),
        "last_step": lengths[-1],
        "way": lengths.sum(),
        "first_step_of_gradient_1e-6": small,
        **counted("flat_over_steep", flat_over_steep(rates)),
    }


def answer(lengths: dict[str, np.ndarray], rates: dict[str, np.ndarray]) -> str:
    """Say how long the steps are, and what the axes of the quadratic get.

    Args:
      lengths: of each rule, [steps].
      rates: of each rule, [seeds, steps, 2].
    """
    first = ", ".join(f"{name} {length[0]:.2f}" for name, length in lengths.items())
    almost, way = lengths["Adam (almost)"], lengths["AdaGrad"]
    steps, last = len(way), way[-1]
    others = [length[-1] for name, length in lengths.items() if name != "AdaGrad"]
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


@picture(CAPTION, 1, 3, figsize=(9.6, 3.2))
def _draw(panels, lengths: dict, rates: dict) -> None:
    left, middle, right = panels
    for name, length in lengths.items():
        t = np.arange(1, len(length) + 1)
        left.plot(t, length, label=name)
        middle.plot(t, np.cumsum(length))
    left.set(title="step under a constant gradient", ylabel="learning rates")
    middle.set(title="way until then", ylabel="learning rates")
    for axis, (name, line) in enumerate((("steep", "--"), ("flat", "-"))):
        for rule, colour in zip(("AdaGrad", "RMSProp"), style.CATEGORIES, strict=False):
            of_seeds = np.abs(rates[rule][:5, :, axis]).T
            right.plot(np.arange(1, STEPS + 1), of_seeds, line, color=colour, linewidth=0.8)
        right.plot([], [], line, color=style.PAPER, label=f"{name} axis")
    right.set(title="rate on a quadratic", ylabel="step / gradient")
    for axes in panels:
        axes.set(xscale="log", yscale="log", xlabel="update")
