"""Learning rates and their decays."""

from collections.abc import Callable

import numpy as np

from cnn_history import schedules
from cnn_history.lecture.claim import AGREES, BY_STUDY, Finding, slide
from cnn_history.studies import learning_rate

INITIAL, K, EVERY = 0.1, 0.01, 10
STEPS = np.arange(0, 200)
RATE_QUOTE = "very high, high, good and low learning rates; drops at the decays"
STUDY = {"steps": 2000, "batch_size": 32, "seeds": 5}
FLOAT32 = 1e-5  # relative tolerance: rounding of an exponent


def follows(schedule: schedules.Schedule, formula: Callable) -> Finding:
    """Compare a schedule with the slide's formula at 200 steps."""
    ours = np.asarray(schedule(STEPS), float)
    off = np.abs(ours / formula(STEPS.astype(float)) - 1).max()
    rates = ", ".join(f"{ours[t]:.4f}" for t in (0, EVERY, 10 * EVERY))
    return Finding(
        f"{rates} at steps 0, {EVERY}, {10 * EVERY}; at most {off:.0e} from the formula",
        off < FLOAT32,
    )


def rates() -> Finding:
    """The losses at four constant rates and with the decays."""
    return Finding(learning_rate.run(**STUDY).answer, True)


# Each decay, with the slide's formula in NumPy, float64.
CLAIMS = (
    *slide(
        "LR decay",
        ("C148", "alpha = alpha0 e^{-kt}", AGREES, follows, schedules.exponential_decay(INITIAL, K),
         lambda t: INITIAL * np.exp(-K * t)),
        ("C149", "alpha = alpha0/(1+kt)", AGREES, follows, schedules.inverse_time_decay(INITIAL, K),
         lambda t: INITIAL / (1 + K * t)),
        ("C150", "step decay: half every few epochs", AGREES, follows,
         schedules.step_decay(INITIAL, 0.5, EVERY), lambda t: INITIAL * 0.5 ** (t // EVERY)),
    ),
    *slide("Learning rate", ("C165", RATE_QUOTE, BY_STUDY, rates)),
)  # fmt: skip
