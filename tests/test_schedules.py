import math

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
