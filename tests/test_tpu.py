"""Forms of layers for TPUs: equal to the layers' own, and used by programs for TPUs alone."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_history import layers, tpu
from cnn_history.layers import forms
from cnn_history.training import devices
from tests.training import settings, topologies


@pytest.mark.parametrize(
    ("n", "channels"), [(5, 96), (5, 5), (5, 2), (5, 1), (3, 7), (7, 4), (1, 6), (4, 9)]
)
def test_normalized_responses_and_their_gradients_are_the_layers_own(n, channels):
    with jax.enable_x64(True):
        x, weights = (jax.random.normal(jax.random.key(i), (2, 3, 4, channels)) for i in (0, 1))

        def value(x):
            return jnp.sum(weights * layers.local_response_norm(200 * x, n=n))

        own = jax.value_and_grad(value)(x)
        form = forms.using(tpu.forms("tpu"))(jax.value_and_grad(value))(x)
    for a, b in zip(form, own, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)


class Net(nn.Module):
    """A convolution and the paper's normalization."""

    @nn.compact
    def __call__(self, x, train: bool):
        """[n, 8, 8, c] -> [n, 10]."""
        x = layers.LocalResponseNorm()(layers.Conv(8, (3, 3))(x))
        return nn.Dense(10)(x.reshape(len(x), -1))


@pytest.mark.parametrize(("platform", "windows"), [("tpu", False), ("cpu", True)])
def test_programs_for_tpus_use_them(platform, windows, tmp_path, monkeypatch):
    train, _ = topologies.sources("whole", tmp_path)
    monkeypatch.setattr(devices, "platform", lambda mesh: platform)
    made, training, _ = settings.of(topologies.config("whole", "float32"), Net(), train)
    step = made.step.trace(made.abstract, training.data, training.at(0, 1))
    several = made.steps.trace(made.abstract, training.data, training.at(0, 2))
    for traced in (step, several):
        assert ("reduce_window_sum" in str(traced.jaxpr)) == windows
