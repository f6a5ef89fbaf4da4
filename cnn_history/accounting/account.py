"""The account of a network, layer by layer, derived from the network itself by tracing it.

Conventions:
  - A multiply-add (MAC) is one multiplication of a convolution or of a fully-connected layer; of
    trainable subsampling one for each of its units, of radial basis functions one for each weight.
    Biases, normalization, activation functions and pooling have none.
  - Parameters are weights, biases and a normalization's scale and shift; running statistics and
    fixed codes are not.
  - Activations are the input and the result of every layer, once; what an activation function
    makes of it is not counted again. Nor is a normalization's result, but for the networks in
    which some normalization does not directly follow a layer with weights (pre-activation).
  - The receptive field is that in the interior of an image without borders, the larger of height
    and width; it may exceed the image.
  - Depth is the largest number of layers with weights on a way from the image to a result.
"""

import dataclasses
import math
from collections.abc import Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name

from cnn_history import layers, models
from cnn_history.accounting.receptive_field import receptive_fields

OPERATIONS = {
    nn.Conv: "conv",
    layers.PartialConv: "conv",
    nn.Dense: "fc",
    layers.FullyConnected: "fc",
    layers.RBFOutput: "rbf",
    layers.TrainableSubsampling: "subsampling",
    layers.MaxPool: "max_pool",
    layers.AvgPool: "avg_pool",
    layers.AdaptiveAvgPool: "adaptive_avg_pool",
    layers.GlobalAvgPool: "global_avg_pool",
    layers.LocalResponseNorm: "lrn",
    layers.BatchNorm: "batch_norm",
}
MULTIPLIERS = ("kernel", "coefficient")  # parameters that multiply what a layer reads


@dataclasses.dataclass(frozen=True)
class Layer:
    """One layer of a network.

    Attributes:
      name: the layer's path in the network's parameters.
      operation: one of OPERATIONS; for another layer with parameters, the name of its class.
      kernel: (h, w) of the window, or None.
      stride: of the window, or None.
      output: (h, w, c), of one image.
      parameters: trained numbers.
      weights: those of them that multiply, without biases.
      macs: multiply-adds for one image.
      activations: numbers of the output that count, for one image.
      receptive_field: side of what one output sees.
    """

    name: str
    operation: str
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
      depth: layers with weights on the longest way.
    """

    model: str
    paper: str
    input: tuple[int, int, int]
    depth: int
    layers: tuple[Layer, ...]

    @property
    def parameters(self) -> int:
        """Number of trained numbers."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def macs(self) -> int:
        """Number of multiply-adds for one image."""
        return sum(layer.macs for layer in self.layers)

    @property
    def activations(self) -> int:
        """Number of activations for one image, the input among them."""
        return self.input_activations + sum(layer.activations for layer in self.layers)

    @property
    def input_activations(self) -> int:
        """Number of the input's values."""
        return math.prod(self.input)


def account(model: str, image_size: int | None = None, **options) -> Account:
    """Return the account of the network `model` with these options; nothing is allocated.

    `image_size` is the paper's unless given. Heads count where `aux_heads=True`.
    Raises ValueError for an unknown network or option, and for a size that cannot work.
    """
    info = models.info(model)
    h, w, c = info.input
    size = (h, w, c) if image_size is None else (image_size, image_size, c)
    depth, found = trace(models.create(model, **options), size)
    return Account(model, info.paper, size, depth, tuple(found))


def trace(network: nn.Module, size: tuple[int, int, int]) -> tuple[int, list[Layer]]:
    """Return a network's depth and layers on an image of `size`, (h, w, c)."""
    called = {}  # module, parameters and shape of the result, by the label that the result carries
    weighted = {}  # the results of layers with weights, by label
    pre_activation = False

    def watch(call, args, kwargs, context):
        nonlocal pre_activation
        y = call(*args, **kwargs)
        module = context.module
        if context.method_name != "__call__":
            return y
        variables = module.variables.get("params", {})
        params = {name: v for name, v in variables.items() if not isinstance(v, Mapping)}
        if type(module) not in OPERATIONS and not params:
            return y  # it is made of layers, or has no parameters, like dropout
        if isinstance(module, layers.AdaptiveAvgPool) and y.shape == args[0].shape:
            return y  # on the network's own size it does nothing
        label = f"layer {len(called)}"
        called[label] = module, params, y.shape
        y = checkpoint_name(y, label)
        if any(name in MULTIPLIERS for name in params):
            weighted[label] = y
        elif _is_norm(module):
            pre_activation |= all(args[0] is not x for x in weighted.values())
        return y

    def init(image):
        # At initialization every part of a network is there, the heads for training too.
        return network.init(jax.random.key(0), image, train=False)

    with nn.intercept_methods(watch):
        traced = jax.make_jaxpr(init)(jax.ShapeDtypeStruct((1, *size), jnp.float32)).jaxpr
    seen = receptive_fields(traced, traced.invars[0], weighted)
    found = [
        _layer(*call, max(seen[label].height.size, seen[label].width.size), pre_activation)
        for label, call in called.items()
    ]
    return max(s.depth for s in seen.values()), found


def _is_norm(module: nn.Module) -> bool:
    """Tell whether a layer normalizes: BatchNorm, or another class with parameters."""
    return OPERATIONS.get(type(module), "batch_norm") == "batch_norm"


def _window(module: nn.Module) -> tuple[tuple[int, int] | None, int | None]:
    """Return kernel and stride of a layer that has a window."""
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


def _layer(module, params, shape, receptive_field, norms_count) -> Layer:
    """Return the row of a layer, given its parameters and the shape of its result."""
    sizes = {name: math.prod(p.shape) for name, p in params.items()}
    weights = sum(size for name, size in sizes.items() if name in MULTIPLIERS)
    fixed = module.codes.size if isinstance(module, layers.RBFOutput) else 0
    h, w = shape[1:-1] or (1, 1)
    kernel, stride = _window(module)
    return Layer(
        name="/".join(module.path),
        operation=OPERATIONS.get(type(module), type(module).__name__),
        kernel=kernel,
        stride=stride,
        output=(h, w, shape[-1]),
        parameters=sum(sizes.values()),
        weights=weights,
        macs=(weights + fixed) * h * w,
        activations=math.prod(shape[1:]) if norms_count or not _is_norm(module) else 0,
        receptive_field=receptive_field,
    )
