import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_history import schedules

# schedule, {step: rate by hand}
CASES = {
    "constant": (schedules.constant(0.3), {0: 0.3, 10**6: 0.3}),
    "step": (schedules.step_decay(1.0, 0.5, 10), {0: 1, 9: 1, 10: 0.5, 19: 0.5, 20: 0.25}),
    "exponential": (schedules.exponential_decay(2.0, 0.1), {0: 2, 10: 2 * math.exp(-1)}),
    "1/t": (schedules.inverse_time_decay(2.0, 0.1), {0: 2, 10: 1, 30: 0.5}),
    "polynomial": (schedules.polynomial_decay(2.0, 100, 2), {0: 2, 50: 0.5, 100: 0, 150: 0}),
    "resnet": (
        schedules.piecewise(0.1, {48_000: 0.1, 32_000: 0.1}),
        {0: 0.1, 31_999: 0.1, 32_000: 0.01, 47_999: 0.01, 48_000: 0.001},
    ),
    "resnet110": (
        schedules.piecewise(0.01, {400: 10, 32_000: 0.1}),
        {399: 0.01, 400: 0.1, 32_000: 0.01},
    ),
    "warmup": (
        schedules.warmup(schedules.step_decay(1.0, 0.5, 10), 4),
        {0: 0, 1: 0.25, 3: 0.75, 4: 1, 9: 1, 10: 0.5},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_rates(name):
    schedule, rates = CASES[name]
    for step, rate in rates.items():
        assert float(schedule(step)) == pytest.approx(rate, rel=1e-6, abs=1e-9), step


LENGTHS = (1, 2, 3, 7, 10, 41, 47, 49, 55, 97, 98, 103, 107, 161, 187, 194, 1000, 1023, 1999, 2000)


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_a_compiled_polynomial_decay_ends_at_zero(power):
    """At 0, before its end, at it, one after and far after, of many lengths in one program."""

    plans = [schedules.polynomial_decay(0.1, n, power) for n in LENGTHS]
    steps = jnp.asarray([[0, n - 1, n, n + 1, 10**9] for n in LENGTHS])  # not known when compiled
    found = jax.jit(
        lambda steps: jnp.stack([plan(at) for plan, at in zip(plans, steps, strict=True)])
    )(steps)
    start, last, *after = np.asarray(found).T
    np.testing.assert_allclose(start, 0.1, rtol=1e-6)
    assert (start <= np.float32(0.1)).all()
    np.testing.assert_allclose(last, 0.1 * np.array(LENGTHS, float) ** -power, rtol=1e-5)
    assert not np.array(after).any()


def rates(schedule, errors):
    """Return the rate after each error that the schedule sees."""
    state, found = schedule.init(), []
    for step, error in enumerate(errors):
        state = schedule.observe(state, error)
        found.append(float(schedule.rate(step, state)))
    return found


def test_plateau_divides_when_the_error_stops_improving():
    schedule = schedules.plateau(1.0, factor=0.1, patience=2, drops=2)
    errors = [0.9, 0.5, 0.6, 0.5, 0.4, 0.4, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3]
    #                   1    2: drop         1    2: drop    no more than two
    wanted = [1, 1, 1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.01, 0.01]
    assert rates(schedule, errors) == pytest.approx(wanted)


def test_after_a_drop_a_plateau_waits_anew():
    schedule = schedules.plateau(1.0, factor=0.5, patience=2, drops=3)
    assert rates(schedule, [0.5] * 6) == pytest.approx([1, 1, 0.5, 0.5, 0.25, 0.25])


def test_warmup_rises_to_a_plateau():
    schedule = schedules.warmup(schedules.plateau(1.0, patience=1, drops=1), 4)
    assert rates(schedule, [0.5] * 6) == pytest.approx([0, 0.025, 0.05, 0.075, 0.1, 0.1])


def test_plateau_needs_patience():
    with pytest.raises(ValueError, match=r"patience: .* got 0"):
        schedules.plateau(1.0, patience=0)
