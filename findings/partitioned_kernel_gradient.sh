#!/usr/bin/env bash
# XLA's partitioner can multiply the gradient of a convolution's kernel by the size of an idle mesh axis.
#
# Guess: images are sharded over height along one axis of a 2 x 2 mesh, and replicated along the other.
# jax.jit under automatic sharding changes where numbers are computed, not which numbers: the gradient
# of the kernel equals that of one device up to rounding.
#
# Seen: it is twice the gradient of one device; 2 is the size of the axis with copies. The output of the
# convolution and the gradient of the images are right. Sharded over the batch, or over both axes,
# everything is right.
#
# Why it matters: spatial sharding on a mesh with one more axis (for the batch, for the model) trains
# with other gradients than one device, without a message; Adam hides the factor, momentum does not.
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

mesh = jax.make_mesh((2, 2), ("a", "b"), axis_types=(AxisType.Auto,) * 2)
draw = np.random.default_rng(0)
x = draw.standard_normal((4, 16, 16, 3), np.float32)
w = draw.standard_normal((3, 3, 3, 8), np.float32)
c = draw.standard_normal((4, 16, 16, 8), np.float32)


def loss(w, x):
    y = jax.lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return jnp.sum(y * c)


def put(array, spec):
    return jax.device_put(array, NamedSharding(mesh, spec))


both = jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))
print(f"jax {jax.__version__}, 4 CPU devices as a mesh of 2 x 2 (a, b); x {x.shape}, kernel {w.shape}")
value, (by_kernel, by_images) = both(w, x)
ratios = {}
for name, spec in {
    "batch over a": P("a"),
    "height over a": P(None, "a"),
    "batch over b, height over a": P("b", "a"),
}.items():
    v, (k, i) = both(put(w, P()), put(x, spec))
    k, i = np.asarray(k), np.asarray(i)
    ratios[name] = float(np.vdot(k, by_kernel) / np.vdot(by_kernel, by_kernel))
    print(
        f"{name}: loss {float(v / value):.4f} of one device's, gradient by kernel {ratios[name]:.4f}, "
        f"by images {float(np.vdot(i, by_images) / np.vdot(by_images, by_images)):.4f}"
    )
expected = {"batch over a": 1, "height over a": 2, "batch over b, height over a": 1}
sys.exit(any(abs(ratios[name] - expected[name]) > 1e-3 for name in ratios))
PYTHON
