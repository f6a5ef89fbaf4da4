"""First-order optimizers: AdaGrad, RMSProp, Adam."""

import ast
import inspect
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np

from cnn_history import optimizers
from cnn_history.lecture.claim import ADVICE, AGREES, BY_STUDY, ERRS, Finding, slide
from cnn_history.studies import adaptive_step_sizes as study
from cnn_history.studies.interval import verdict

GRADIENTS = (-10.0, -0.1, 0.5, 1.0, 30.0)  # constant gradients of five parameters
LONG = 10_000  # steps
FLOAT32 = 1e-5  # relative tolerance over the first steps
STARTS = 10  # random starts on a quadratic

# The slide's last line of Adam.
CODE = "x -= learning_rate * first_unbias / (np.sqrt(second_unbias) + 1e-7))"


def steps(rule: Callable, count: int) -> np.ndarray:
    """Return the steps against constant GRADIENTS, in learning rates, [count, gradients]."""
    return study.constant(rule, jnp.asarray(GRADIENTS), count) * np.sign(GRADIENTS)


def formula(rule: Callable, kept: float, added: float) -> Finding:
    """Compare 200 steps of a rule with the slide's loop in float64, for constant gradients.

    Each step of the loop sets grad_squared to kept * grad_squared + added * dx².
    """
    found, dx = steps(rule, 200), np.array(GRADIENTS)
    grad_squared, loop = 0.0, []
    for _ in range(200):
        grad_squared = kept * grad_squared + added * dx * dx
        loop.append(np.abs(dx) / (np.sqrt(grad_squared) + 1e-7))
    off = np.abs(found / np.array(loop) - 1).max()
    first = ", ".join(f"{step:.4g}" for step in found[:3, -1])
    return Finding(
        f"step/lr = {first} ... {found[-1, -1]:.4g} at step 200; {off:.0e} from the slide's loop",
        off < FLOAT32,
    )


def long_time() -> Finding:
    """AdaGrad's step after LONG steps, and the distance covered."""
    found = steps(optimizers.adagrad, LONG)[:, -1]
    return Finding(
        f"step/lr = {found[-1]:.4f} = 1/sqrt(t) at step {LONG:,}, decreasing",
        bool(
            np.all(np.diff(found) <= FLOAT32 * found[:-1])
            and abs(found[-1] * np.sqrt(LONG) - 1) < 1e-3
        ),
        f"The distance covered still grows: {found[: LONG // 4].sum():.0f} lr after {LONG // 4:,} "
        f"steps, {found.sum():.0f} after {LONG:,}.",
    )


def directions() -> Finding:
    """AdaGrad's rates along both axes of a quadratic, from random starts."""
    steep, flat = study.CURVATURES
    low, high = study.advantage(study.along_axes(optimizers.adagrad, STARTS))
    return Finding(
        f"{verdict(low - 1, high - 1)}: on a quadratic with curvatures {steep:g} and {flat:g}, the "
        f"rate along the flat axis is {low:.3g} to {high:.3g} times that along the "
        f"steep one (95 %, n={STARTS})",
        bool(np.isfinite([low, high]).all()),
        "The damping is proportional to the curvatures: both directions progress equally.",
    )


def first_step(rule: Callable, said: float, remark: str) -> Finding:
    """The first step, which is the same for any gradient."""
    found = steps(rule, 1)[0]
    right = np.allclose(found, said, rtol=1e-4)
    return Finding(f"step = {found[-1]:.4f} lr sign(g)", right, remark and f"It is {remark}.")


def code() -> Finding:
    """The parentheses of the slide's last line, and the updates of its loop."""
    more = CODE.count(")") - CODE.count("(")
    updates = len(range(1, LONG))

    def parses(line):
        try:
            return bool(ast.parse(line))
        except SyntaxError:
            return False

    return Finding(
        f"{more} closing parenthesis too many; range(1, {LONG}) gives {updates} updates",
        parses(CODE) and updates == LONG,
        f"Without it, the line {'parses' if parses(CODE[: -more or None]) else 'fails too'}. The "
        "loop makes one update fewer than num_iterations.",
    )


def defaults() -> Finding:
    """The defaults of `optimizers.adam`."""
    ours = inspect.signature(optimizers.adam).parameters
    values = ", ".join(f"{name} {ours[name].default:g}" for name in ("b1", "b2", "eps"))
    return Finding(values, True, "Kingma & Ba have b1 0.9, b2 0.999, 1e-3 and eps 1e-8.")


CLAIMS = (
    *slide(
        "AdaGrad",
        ("C141", "grad_squared += dx*dx; x -= lr*dx/(sqrt(grad_squared)+1e-7), start 0", AGREES,
         formula, optimizers.adagrad, 1, 1),
        ("C142", "Q2: step size over long time: decays to zero", AGREES, long_time),
    ),
    *slide(
        "AdaGrad Q1",
        ("C164", "progress along steep directions is damped, along flat directions accelerated",
         BY_STUDY, directions),
    ),
    *slide(
        "RMSProp",
        ("C143", "grad_squared = rho*gs + (1-rho)*dx*dx; eps outside sqrt; start 0; "
         "no bias correction", AGREES, formula, optimizers.rmsprop, 0.9, 1 - 0.9),
    ),
    *slide(
        "Adam (almost)",
        ("C144", "Q: what happens at first timestep?", AGREES, first_step,
         optimizers.adam_uncorrected, 0.1 / np.sqrt(0.001), "too long: both averages start from "
         "zero, and that of the squares rises much more slowly"),
    ),
    *slide(
        "Adam (full form)",
        ("C145", "bias correction", AGREES, first_step, optimizers.adam, 1.0, ""),
        ("C146", "code: '... + 1e-7))' and range(1, num_iterations)", ERRS, code),
        ("C147", "beta1 .9, beta2 .999, lr 1e-3 or 5e-4", ADVICE, defaults),
    ),
)  # fmt: skip
