"""The papers' moments and distributions, and the fans of every kind of layer."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from cnn_history import initializers, layers

SHAPE = (5, 5, 16, 64)
FAN_IN, FAN_OUT = 5 * 5 * 16, 5 * 5 * 64

# The standard deviation of each, from its paper.
STD = {
    "constant": (initializers.constant(0.3), 0.0),
    "gaussian": (initializers.gaussian(0.01), 0.01),
    "VGG's 10^-2 variance": (initializers.gaussian(0.1), 0.01**0.5),
    "lecun_1998": (initializers.lecun_1998(), 2.4 / FAN_IN / 3**0.5),
    "xavier": (initializers.xavier(), FAN_IN**-0.5),
    "xavier uniform": (initializers.xavier("fan_in", "uniform"), FAN_IN**-0.5),
    "glorot": (initializers.xavier("fan_avg"), (2 / (FAN_IN + FAN_OUT)) ** 0.5),
    "glorot uniform": (
        initializers.xavier("fan_avg", "uniform"),
        (2 / (FAN_IN + FAN_OUT)) ** 0.5,
    ),
    "he": (initializers.he(), (2 / FAN_IN) ** 0.5),
    "he fan_out": (initializers.he("fan_out"), (2 / FAN_OUT) ** 0.5),
}


@pytest.mark.parametrize("name", STD)
def test_mean_and_standard_deviation(name):
    init, std = STD[name]
    weights = np.asarray(init(jax.random.key(0), SHAPE))
    # 25,600 draws: the estimate of the deviation is off by 0.45 % (normal) one time in three, and
    # that of the mean by 0.6 % of the deviation.
    assert weights.std() == pytest.approx(std, rel=0.02, abs=1e-7)
    assert weights.mean() == pytest.approx(0.3 if name == "constant" else 0, abs=0.025 * std + 1e-7)


@pytest.mark.parametrize("name", STD)
def test_distribution(name):
    """Kolmogorov and Smirnov: a truncated normal, or one for the other, is far from it."""
    init, std = STD[name]
    if not std:
        return
    weights = np.asarray(init(jax.random.key(0), SHAPE)).ravel() / std
    uniform = "uniform" in name or name == "lecun_1998"
    half = 3**0.5  # of a uniform distribution of standard deviation 1
    expected = stats.uniform(-half, 2 * half) if uniform else stats.norm()
    assert stats.kstest(weights, expected.cdf).pvalue > 1e-3
    if uniform:
        assert 0.999 * half < np.abs(weights).max() <= half * (1 + 1e-6)


# (layer, its input, fan_in, fan_out): what a unit reads, and how many maps times positions read it.
LAYERS = {
    "dense": (nn.Dense(60), (1, 400), 400, 60),
    "convolution": (nn.Conv(48, (5, 3)), (1, 8, 8, 20), 300, 720),
    "two groups": (nn.Conv(48, (5, 3), feature_group_count=2), (1, 8, 8, 40), 300, 720),
    "fully connected": (
        layers.FullyConnected(60, (5, 4), kernel_init=initializers.he()),
        (1, 5, 4, 20),
        400,
        60,
    ),
}
FANS = {
    "lecun_1998": (initializers.lecun_1998(), lambda i, o: 2.4 / i / 3**0.5),
    "xavier": (initializers.xavier(), lambda i, o: i**-0.5),
    "glorot": (initializers.xavier("fan_avg"), lambda i, o: (2 / (i + o)) ** 0.5),
    "he": (initializers.he(), lambda i, o: (2 / i) ** 0.5),
    "he fan_out": (initializers.he("fan_out"), lambda i, o: (2 / o) ** 0.5),
}


@pytest.mark.parametrize("name", LAYERS)
def test_fans_of_layers(name):
    layer, shape, fan_in, fan_out = LAYERS[name]
    for init, std in FANS.values():
        kernel = layer.clone(kernel_init=init).init(jax.random.key(0), jnp.zeros(shape))
        kernel = np.asarray(kernel["params"]["kernel"])
        # 14,400 draws or more.
        assert kernel.std() == pytest.approx(std(fan_in, fan_out), rel=0.03)


@pytest.mark.parametrize("make", [initializers.xavier, initializers.he])
def test_wrong_mode_is_refused(make):
    with pytest.raises(ValueError, match="fan_inn"):
        make("fan_inn")
