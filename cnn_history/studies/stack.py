"""A stack of convolutions, each followed by an activation, and its cost."""

from collections.abc import Callable

import flax.linen as nn
import jax

from cnn_history import accounting, initializers, layers

Window = tuple[int, int]


class Stack(nn.Module):
    """Convolutions of stride 1 that keep the size, [n, h, w, c] -> [n, h, w, channels].

    Attributes:
      windows: (h, w) of each kernel.
      channels: output channels of each convolution.
      kernel_init: initializer of the weights.
      activation: applied after each convolution.
    """

    windows: tuple[Window, ...]
    channels: int
    kernel_init: Callable = initializers.he()
    activation: Callable = nn.relu

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """[n, h, w, c] -> [n, h, w, channels]; `train` has no effect."""
        del train
        for i, window in enumerate(self.windows, start=1):
            conv = layers.Conv(
                self.channels, window, use_bias=False, kernel_init=self.kernel_init, name=f"conv{i}"
            )
            x = self.activation(conv(x))
        return x


def cost(windows: tuple[Window, ...], size: tuple[int, int, int]) -> dict[str, int]:
    """Return counts for a stack on an input of (h, w, c), with c channels in every layer."""
    activated = []

    def activation(x):
        activated.append(x)
        return nn.relu(x)

    _, layers = accounting.trace(Stack(windows, size[-1], activation=activation), size)
    return {
        "parameters": sum(layer.parameters for layer in layers),
        "macs": sum(layer.macs for layer in layers),
        "nonlinearities": len(activated),
        "counted_field": layers[-1].receptive_field,
    }


def name(windows: tuple[Window, ...]) -> str:
    """Return the name of a stack, such as `3x3 3x3`."""
    return " ".join(f"{h}x{w}" for h, w in windows)
