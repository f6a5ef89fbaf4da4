#!/usr/bin/env bash
# On a CPU, the gradient of a convolution's bias that is added in bfloat16 can be 98 times too small.
#
# Guess: y = x + b, with images x [n, h, w, c] and b [c], in bfloat16. With ones as the gradient of y,
# that of b is n * h * w, up to one rounding: jnp.sum adds bfloat16 in float32, and for x [n, c] the
# gradient of b is right as well.
#
# Seen: for images it stops growing. For x [128, 28, 28, 6] it is 1,024 instead of 100,352. The transpose
# of a broadcast is a reduction in bfloat16, and XLA:CPU adds long stretches of it one by one: a sum
# of ones stops at 256, because 256 + 1 rounds to 256.
#
# Why it matters: a network that trains in bfloat16 on a CPU (in a test, say) gets gradients of biases
# that are far too small, without a warning, while the gradients of the kernels are right.
# Adding the bias in float32 fixes it.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet jax==0.10.2 jaxlib==0.10.2
JAX_PLATFORMS=cpu "$folder/env/bin/python" - <<'PYTHON'
import sys

import jax
import jax.numpy as jnp


@jax.jit
@jax.grad
def as_added(b, x, c):
    return jnp.sum(((x + b) * c).astype(jnp.float32))


@jax.jit
@jax.grad
def in_float32(b, x, c):
    return jnp.sum(((x.astype(jnp.float32) + b).astype(x.dtype) * c).astype(jnp.float32))


print(f"jax {jax.__version__}, {jax.devices()[0].platform}; x and the gradient of y: ones, bfloat16")
share = {}
for shape in ((8192, 16), (128, 8, 8, 16), (128, 28, 28, 6), (512, 28, 28, 6)):
    ones, zeros = jnp.ones(shape, jnp.bfloat16), jnp.zeros(shape[-1:], jnp.bfloat16)
    truth = ones.size // shape[-1]
    seen = float(as_added(zeros, ones, ones)[0])
    share[shape] = seen / truth
    mended = float(in_float32(zeros.astype(jnp.float32), ones, ones)[0])
    print(f"x {list(shape)}: gradient of b {seen:g}, in float32 {mended:g}, truth {truth}")
lost = [shape for shape in share if share[shape] < 0.5]
sys.exit(lost != [shape for shape in share if len(shape) == 4])
PYTHON
