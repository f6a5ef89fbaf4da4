#!/usr/bin/env bash
# The gradient of a max pooling of stride 1 is wrong where the image's rows lie on several devices.
#
# Guess: images are sharded over height along the one axis of a mesh. jax.jit under automatic sharding
# changes where numbers are computed, not which numbers: rows at the edges are exchanged, for the way
# back too, and the gradient of a pooling equals that of one device.
#
# Seen: with windows of 3 and a stride of 1, values are off by nearly the largest of them. With a
# stride of 2 or 3 the gradient is right, and so is every pooling itself, sharded over the batch too.
#
# Why it matters: pooling of stride 1 is what the pooling branch of an Inception module does. Spatial
# sharding trains such a network with other gradients than one device, without a message.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet jax==0.10.2 jaxlib==0.10.2
JAX_PLATFORMS=cpu XLA_FLAGS=--xla_force_host_platform_device_count=4 "$folder/env/bin/python" - <<'PYTHON'
import sys

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P

mesh = jax.make_mesh((4,), ("a",), axis_types=(AxisType.Auto,))
draw = np.random.default_rng(0)
x = draw.standard_normal((4, 16, 16, 3), np.float32)


def pool(x, stride):
    window, strides, pads = (1, 3, 3, 1), (1, stride, stride, 1), ((0, 0), (1, 1), (1, 1), (0, 0))
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, strides, pads)


def loss(x, stride):
    y = pool(x, stride)
    return jnp.sum(y * jnp.cos(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape)), y


def both(stride, x):
    return jax.jit(jax.value_and_grad(lambda x: loss(x, stride), has_aux=True))(x)


print(f"jax {jax.__version__}, 4 CPU devices as a mesh of one axis; x {x.shape}, windows of 3 x 3")
errors = {}
for stride in (1, 2, 3):
    (_, y), gradient = both(stride, x)
    for name, spec in {"batch": P("a"), "height": P(None, "a")}.items():
        (_, pooled), found = both(stride, jax.device_put(x, NamedSharding(mesh, spec)))
        assert np.abs(np.asarray(pooled) - y).max() == 0
        errors[name, stride] = float(np.abs(np.asarray(found) - gradient).max() / np.abs(gradient).max())
        print(f"{name} sharded, stride {stride}: error of the gradient {errors[name, stride]:.1e} of the largest")
sys.exit(any((errors[case] > 1e-3) != (case == ("height", 1)) for case in errors))
PYTHON
