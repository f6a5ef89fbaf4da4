"""The cost of a network, layer by layer, derived by tracing the network itself (its "account").

Conventions:
  - A multiply-add (MAC) is one multiplication of a convolution or a fully-connected layer.
    Trainable subsampling has one per unit, radial basis functions one per weight. Biases,
    normalization, activation functions and pooling have none.
  - Parameters are weights, biases and the scale and shift of normalizations, but not running
    statistics and fixed codes.
  - Activations are the input and the result of every layer, counted once: not again after an
    activation function, nor after a normalization, except in networks where some normalization does
    not directly follow a layer with weights (pre-activation).
  - The receptive field is the larger of height and width, far from the borders; it may exceed the
    image. It does not include the images and positions of normalization statistics.
  - Depth is the largest number of layers with weights on a path from the image to a result.
"""

import dataclasses
import math
from collections.abc import Collection

import flax.linen as nn

from cnn_history import layers, models
from cnn_history.accounting import tracing
from cnn_history.accounting.receptive_field import receptive_fields
from cnn_history.accounting.tracing import MULTIPLIERS, Call, Traced, is_norm


@dataclasses.dataclass(frozen=True)
class Layer:
    """One layer of a network.

    Attributes:
      name: the layer's path in the network's parameters.
      operation: one of OPERATIONS; for another layer with parameters, the name of its class.
      norm: whether it is a normalization; local response normalization does not count as one.
      kernel: (h, w) of the window, or None.
      stride: of the window, or None.
      output: (h, w, c) for one image.
      parameters: number of trained values; a layer that is used twice has them at its first use.
      weights: parameters that multiply, without biases.
      macs: multiply-adds for one image.
      activations: counted outputs, for one image.
      receptive_field: side of the receptive field of one output.
    """

    name: str
    operation: str
    norm: bool
    kernel: tuple[int, int] | None
    stride: int | None
    output: tuple[int, int, int]
    parameters: int
    weights: int
    macs: int
    activations: int
    receptive_field: int


@dataclasses.dataclass(frozen=True)
class Account:
    """The layers of a network in the order of computation, and their totals.

    Attributes:
      model: the network's name.
      paper: where it was published.
      input: (h, w, c).
      depth: layers with weights on the longest path.
    """

    model: str
    paper: str
    input: tuple[int, int, int]
    depth: int
    layers: tuple[Layer, ...]

    @property
    def parameters(self) -> int:
        """Return the number of trained values."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def macs(self) -> int:
        """Return the multiply-adds for one image."""
        return sum(layer.macs for layer in self.layers)

    @property
    def activations(self) -> int:
        """Return the activations for one image, including the input."""
        return self.input_activations + sum(layer.activations for layer in self.layers)

    @property
    def input_activations(self) -> int:
        """Return the number of values of the input."""
        return math.prod(self.input)


def account(model: str, image_size: int | None = None, **options) -> Account:
    """Return the account of the network `model` with these options; nothing is allocated.

    `image_size` defaults to the paper's. `aux_heads=True` includes auxiliary heads.
    Raises ValueError for an unknown network or option, and for images that are too small.
    """
    return traced_account(model, image_size, **options)[1]


def traced_account(model: str, image_size: int | None, **options) -> tuple[Traced, Account]:
    """Return an account together with its traced network."""
    info = models.info(model)
    h, w, c = info.input
    size = (h, w, c) if image_size is None else (image_size, image_size, c)
    traced = tracing.traced_layers(models.create(model, **options), size)
    return traced, Account(model, str(info.source), size, *rows(traced))


def trace(network: nn.Module, size: tuple[int, int, int]) -> tuple[int, tuple[Layer, ...]]:
    """Return a network's depth and layers on an image of `size`, (h, w, c)."""
    return rows(tracing.traced_layers(network, size))


def rows(traced: Traced) -> tuple[int, tuple[Layer, ...]]:
    """Return depth and layers of a traced network, the layers in the order of its calls."""
    seen = receptive_fields(traced.jaxpr, traced.jaxpr.invars[0], traced.weighted)
    return max(s.depth for s in seen.values()), tuple(
        _layer(call, max(seen[label].height.size, seen[label].width.size), traced.pre_activation)
        for label, call in traced.calls.items()
    )


def _window(module: nn.Module) -> tuple[tuple[int, int] | None, int | None]:
    """Return the kernel and stride of a layer with a window; (None, None) for others."""
    match module:
        case nn.Conv():
            strides = module.strides
            return tuple(module.kernel_size), strides if isinstance(strides, int) else strides[0]
        case layers.MaxPool() | layers.AvgPool():
            return tuple(module.window), module.strides[0]
        case layers.PartialConv() | layers.FullyConnected():
            return tuple(module.window), 1
        case layers.TrainableSubsampling():
            return (2, 2), 2
    return None, None


def _layer(call: Call, receptive_field: int, norms_count: bool) -> Layer:
    """Return a layer's row; `norms_count` tells whether a norm's result counts as an activation."""
    module, norm = call.module, is_norm(call.module)
    fixed = module.codes.size if isinstance(module, layers.RBFOutput) else 0
    h, w = call.shape[1:-1] or (1, 1)
    kernel, stride = _window(module)
    return Layer(
        name="/".join(module.path),
        operation=tracing.operation(module) or type(module).__name__,
        norm=norm,
        kernel=kernel,
        stride=stride,
        output=(h, w, call.shape[-1]),
        parameters=_size(call.new),
        weights=_size(call.new, MULTIPLIERS),
        macs=(_size(call.params, MULTIPLIERS) + fixed) * h * w,
        activations=math.prod(call.shape[1:]) if norms_count or not norm else 0,
        receptive_field=receptive_field,
    )


def _size(params: dict, names: Collection[str] | None = None) -> int:
    """Return the total size of the parameters, or of those with one of the names."""
    return sum(math.prod(p.shape) for name, p in params.items() if not names or name in names)
