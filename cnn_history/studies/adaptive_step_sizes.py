"""First and late steps of AdaGrad, RMSProp and both forms of Adam (lecture, same titles)."""

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
FLOAT32 = 1e-5  # relative tolerance for equal steps: a few roundings
SMALL = 1e-6  # a gradient so small that the 1e-7 in the denominator matters
CURVATURES = (100.0, 1.0)  # of a quadratic, along its steep and its flat axis
RATE, STEPS = 0.01, 100  # on this quadratic
QUESTION = (
    "AdaGrad: what happens (Q1), and what to the step size over a long time (Q2)? Adam (almost): "
    "what happens at the first timestep?"
)
CAPTION = (
    "Left: step length for a constant gradient, in learning rates. AdaGrad's steps follow "
    "1/sqrt(t), the first steps of RMSProp and of Adam without bias correction are too long, and "
    "each step of Adam is one rate. Middle: distance covered. Right: the rates that AdaGrad and "
    "RMSProp use along the steep and the flat axis of a quadratic, a line for each random start."
)
VARIANTS = {"smoke": {"steps": 200, "seeds": 3}}


def run(steps: int = 10_000, seeds: int = 20) -> Findings:
    """Run each rule with a constant gradient and on a quadratic.

    Args:
      steps: updates with the constant gradient.
      seeds: random starts on the quadratic.
    """
    lengths = {name: constant(rule, 1.0, steps) for name, rule in RULES.items()}
    small = {name: constant(rule, SMALL, 1)[0] for name, rule in RULES.items()}
    rates = {name: along_axes(rule, seeds) for name, rule in RULES.items()}
    rows = [_row(name, lengths[name], small[name], rates[name]) for name in RULES]
    return Findings(QUESTION, answer(lengths, rates), rows, {"steps.png": _draw(lengths, rates)})


def constant(rule: Callable, gradient: float | jax.Array, steps: int) -> np.ndarray:
    """Return each step divided by the learning rate, for a constant gradient, [steps, ...]."""
    transformation, params = rule(1.0), jnp.zeros(jnp.shape(gradient))

    def step(state, _):
        update, state = transformation.update(jnp.asarray(gradient), state, params)
        return state, -update

    return np.asarray(jax.lax.scan(step, transformation.init(params), None, length=steps)[1], float)


def along_axes(rule: Callable, seeds: int) -> np.ndarray:
    """Return -update / gradient along the steep and the flat axis, [seeds, steps, 2].

    The coordinates of each start are drawn independently.
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
    """[seeds, steps, 2] -> the last rate along the flat axis over that along the steep, [seeds]."""
    return rates[:, -1, 1] / rates[:, -1, 0]


def advantage(rates: np.ndarray) -> tuple[float, float]:
    """Return the interval of `flat_over_steep`, computed on its logarithms."""
    low, high = np.exp(interval(np.log(flat_over_steep(rates))))
    return float(low), float(high)


def longest_at(lengths: np.ndarray) -> int:
    """Return the number of the first update with the longest step, up to float32 rounding."""
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
    """Describe the step lengths, and the rates along both axes of the quadratic.

    Args:
      lengths: step lengths by rule, [steps].
      rates: rates by rule, [seeds, steps, 2].
    """
    first = ", ".join(f"{name} {length[0]:.2f}" for name, length in lengths.items())
    almost, way = lengths["Adam (almost)"], lengths["AdaGrad"]
    steps, last = len(way), way[-1]
    others = [length[-1] for name, length in lengths.items() if name != "AdaGrad"]
    low, high = advantage(rates["AdaGrad"])
    return (
        f"With a constant gradient, the first step in learning rates is: {first}. Without bias "
        f"correction, Adam's steps grow to {almost.max():.2f} at step {longest_at(almost)}. "
        f"After {steps:,} steps, AdaGrad's step is {last:.4f} = "
        f"{last * np.sqrt(steps):.3f}/sqrt(t), the others' at least {min(others):.2f}. It "
        f"decays to zero, but the "
        f"distance covered grows without bound: {way[: steps // 4].sum():.0f} rates after "
        f"{steps // 4:,} steps and {way.sum():.0f} after {steps:,}. On a quadratic with curvatures "
        f"{CURVATURES[0]:g} and {CURVATURES[1]:g}, AdaGrad's rate along the flat axis is {low:.1f} "
        f"to {high:.1f} times that along the steep one after {STEPS} steps (95 % interval, "
        f"n={len(rates['AdaGrad'])}): it damps progress along the steep direction."
    )


@picture(CAPTION, 1, 3, figsize=(9.6, 3.2))
def _draw(panels, lengths: dict, rates: dict) -> None:
    left, middle, right = panels
    for name, length in lengths.items():
        t = np.arange(1, len(length) + 1)
        left.plot(t, length, label=name)
        middle.plot(t, np.cumsum(length))
    left.set(title="step for a constant gradient", ylabel="learning rates")
    middle.set(title="distance covered", ylabel="learning rates")
    for axis, (name, line) in enumerate((("steep", "--"), ("flat", "-"))):
        for rule, colour in zip(("AdaGrad", "RMSProp"), style.CATEGORIES, strict=False):
            of_seeds = np.abs(rates[rule][:5, :, axis]).T
            right.plot(np.arange(1, STEPS + 1), of_seeds, line, color=colour, linewidth=0.8)
        right.plot([], [], line, color=style.PAPER, label=f"{name} axis")
    right.set(title="rate on a quadratic", ylabel="step / gradient")
    for axes in panels:
        axes.set(xscale="log", yscale="log", xlabel="update")
