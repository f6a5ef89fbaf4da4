import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
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
POWERS = (0.5, 1.0, 2.0)
PLANS = {  # length -> the schedules that have it as their boundary or their end
    "constant": lambda n: [schedules.constant(0.1)],
    "step_decay": lambda n: [schedules.step_decay(0.1, f, n) for f in (0.0, 0.1, 0.94)],
    "exponential_decay": lambda n: [schedules.exponential_decay(0.1, p / n) for p in POWERS],
    "inverse_time_decay": lambda n: [schedules.inverse_time_decay(0.1, p / n) for p in POWERS],
    "polynomial_decay": lambda n: [schedules.polynomial_decay(0.1, n, p) for p in POWERS],
    "piecewise": lambda n: [schedules.piecewise(0.1, {n: 0.1, 2 * n: 0.5})],
    "warmup": lambda n: [
        schedules.warmup(schedules.polynomial_decay(0.1, 2 * n, p), n, start=0.03) for p in POWERS
    ],
}


def at_all(name):
    """Return the rates, [plans, steps], compiled, and the steps: the boundaries, and around them.

    All of one kind are one program, in which no step is known.
    """
    plans = [(n, plan) for n in LENGTHS for plan in PLANS[name](n)]
    steps = [[0, n - 1, n, n + 1, 2 * n - 1, 2 * n, 2 * n + 1, 2**31 - 1] for n, _ in plans]

    @jax.jit
    def compiled(steps):
        return jnp.stack([plan(at) for (_, plan), at in zip(plans, steps, strict=True)])

    return np.asarray(compiled(jnp.asarray(steps))), np.array(steps)


@pytest.mark.parametrize("name", PLANS)
def test_no_compiled_rate_is_nan_negative_or_above_the_start(name):
    found, _ = at_all(name)
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    assert (found <= np.float32(0.1)).all()


def test_a_compiled_polynomial_decay_ends_at_zero():
    found, steps = at_all("polynomial_decay")
    lengths, powers = np.repeat(LENGTHS, 3), np.tile(POWERS, len(LENGTHS))
    left = np.maximum(1 - steps.T / lengths, 0) ** powers
    np.testing.assert_allclose(found, 0.1 * left.T, rtol=1e-5)


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


def drops(schedule, errors):
    """Return the numbers of the calls, from 1, after which the rate is another."""
    found = np.array([schedule.schedule(0), *rates(schedule, errors)])
    return list(np.flatnonzero(np.diff(found)) + 1)


def torchs(errors, patience, **options):
    torch = pytest.importorskip("torch")
    rule = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    plan = torch.optim.lr_scheduler.ReduceLROnPlateau(rule, "min", 0.1, patience, **options)
    found = [1.0]
    for error in errors:
        plan.step(error)
        found.append(rule.param_groups[0]["lr"])
    return list(np.flatnonzero(np.diff(found)) + 1)


def optaxs(errors, patience):
    plan = optax.contrib.reduce_on_plateau(0.1, patience)
    state, found = plan.init(jnp.zeros(())), [1.0]
    for error in errors:
        _, state = plan.update(jnp.zeros(()), state, value=error)
        found.append(float(state.scale))
    return list(np.flatnonzero(np.diff(found)) + 1)


def test_at_which_call_a_plateau_drops_here_and_in_peers():
    """The table in its docstring."""
    for patience in (1, 3):
        plan = schedules.plateau(1.0, patience=patience, drops=1)
        for error in (0.5, -1.0):
            assert drops(plan, [error] * 8) == [patience + 1]
        assert torchs([0.5] * 8, patience)[0] == patience + 2
        assert optaxs([0.5] * 8, patience)[0] == patience + 1
        assert torchs([-1.0] * 8, patience) == optaxs([-1.0] * 8, patience) == []


def test_threshold_and_cooldown_are_those_of_pytorch():
    """Its patience is one less than ours; a third of the errors are slightly better."""
    errors = np.random.default_rng(0).uniform(0.3, 0.31, 60)
    errors[::7] *= np.linspace(1, 0.8, 9)
    for threshold, cooldown in ((0.0, 0), (0.02, 0), (0.02, 4), (0.0, 3)):
        options = {"threshold": threshold, "cooldown": cooldown}
        plan = schedules.plateau(1.0, patience=3, drops=99, **options)
        theirs = torchs(errors, 2, eps=0, **options)
        assert drops(plan, errors)[: len(theirs)] == theirs
        assert len(theirs) > 3


def test_a_plateau_has_a_smallest_rate():
    plan = schedules.plateau(1.0, patience=1, drops=9, min_rate=0.03)
    assert rates(plan, [0.5] * 4) == pytest.approx([1, 0.1, 0.03, 0.03])
    rising = schedules.warmup(plan, 100)  # not raised to it on the way up
    assert rates(rising, [0.5] * 3) == pytest.approx([0, 0.01, 0.02])


def test_plateau_needs_patience():
    with pytest.raises(ValueError, match=r"patience: .* got 0"):
        schedules.plateau(1.0, patience=0)
