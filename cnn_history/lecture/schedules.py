"""Learning rates, and how they decay."""

from collections.abc import Callable

import numpy as np

from cnn_history import optimizers, schedules
from cnn_history.lecture.claim import AGREES, BY_STUDY, Claim, Found, slide
from cnn_history.lecture.outcome import outcome
from cnn_history.lecture.small_net import losses

INITIAL, K, EVERY = 0.1, 0.01, 10
STEPS = np.arange(0, 200)
RATES = {"very high": 100.0, "high": 10.0, "good": 3.0, "low": 0.01}  # of plain SGD
RATE_QUOTE = "very high, high, good and low learning rates; drops at the decays"
UPDATES, BATCH, SEEDS = 600, 32, 5
FLOAT32 = 1e-5  # relative; the exponent of a power is rounded


def claims() -> tuple[Claim, ...]:
    """The claims."""
    return (*decays(), *slide("Learning rate", ("C165", RATE_QUOTE, BY_STUDY, rates)))


def decays() -> tuple[Claim, ...]:
    """Return those on decays; each has the slide's formula in NumPy, float64."""
    return slide(
        "LR decay",
        (
            "C148",
            "alpha = alpha0 e^{-kt}",
            AGREES,
            follows,
            schedules.exponential_decay(INITIAL, K),
            lambda t: INITIAL * np.exp(-K * t),
        ),
        (
            "C149",
            "alpha = alpha0/(1+kt)",
            AGREES,
            follows,
            schedules.inverse_time_decay(INITIAL, K),
            lambda t: INITIAL / (1 + K * t),
        ),
        (
            "C150",
            "step decay: half every few epochs",
            AGREES,
            follows,
            schedules.step_decay(INITIAL, 0.5, EVERY),
            lambda t: INITIAL * 0.5 ** (t // EVERY),
        ),
    )


def follows(schedule: schedules.Schedule, formula: Callable) -> Found:
    """Compare a schedule with the slide's formula at 200 steps."""
    ours = np.asarray(schedule(STEPS), float)
    off = np.abs(ours / formula(STEPS.astype(float)) - 1).max()
    rates = ", ".join(f"{ours[t]:.4f}" for t in (0, EVERY, 10 * EVERY))
    return Found(
        f"{rates} at steps 0, {EVERY}, {10 * EVERY}; {off:.0e} from the formula at most",
        off < FLOAT32,
    )


def rates() -> Found:
    """Where four rates end, and by how much a high one that drops to a tenth halfway is better."""
    ends = {name: end(rate) for name, rate in RATES.items()}
    dropped = end(schedules.step_decay(RATES["high"], 0.1, UPDATES // 2))
    means = ", ".join(f"{name} {found.mean():.2g}" for name, found in ends.items())
    shown = outcome(
        np.log10(ends["high"] / dropped), "a drop of the high rate lowers it, in decades,"
    )
    ordered = ends["good"] < np.minimum(ends["low"], ends["high"])
    alike = np.all(ordered & (ends["very high"] > ends["high"]))
    return Found(
        f"{shown.computed}; the loss ends, by rate: {means}",
        shown.right,
        f"As on the slide, for {'all' if alike else 'not all'} of {SEEDS} seeds the good rate ends "
        "lowest, low ones are slow, high ones stay above, very high ones do not learn.",
    )


def end(rate: optimizers.learning_rate.Rate) -> np.ndarray:
    """Return the loss after the last update of a small net by plain SGD, [seeds]."""
    return losses(optimizers.sgd(rate), UPDATES, SEEDS, BATCH)[:, -1]
