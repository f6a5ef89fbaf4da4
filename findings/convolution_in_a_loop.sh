#!/usr/bin/env bash
# On a CPU, ten training steps in one lax.scan take many times as long as ten calls of the step.
#
# Guess: a step computes the gradient of a convolution's kernel and updates it. A lax.scan over ten steps
# runs the same kernels as ten calls of the jitted step, without nine returns to Python, so it takes the
# same time or a little less.
#
# Seen: it takes 25 to 100 times as long (two cores, more or less busy). Inside the loop, XLA:CPU does not
# call the library kernel that it calls outside, but generates its own loop nest.
#
# Why it matters: scanning over steps, micro-batches or repeated blocks is the recommended way to save
# dispatch and compilation on accelerators. The same program on a CPU (in a test, say) gives the right
# numbers, but seems to hang.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet jax==0.10.2 jaxlib==0.10.2
JAX_PLATFORMS=cpu "$folder/env/bin/python" - <<'PYTHON'
import sys
import time

import jax
import jax.numpy as jnp

STEPS, ROUNDS, MANY_TIMES = 10, 3, 4.0
LAYOUT = ("NHWC", "HWIO", "NHWC")
images = jnp.ones((8, 16, 16, 64))
kernel = jax.random.normal(jax.random.key(0), (3, 3, 64, 64)) / 24


def loss(kernel):
    return jnp.mean(jax.lax.conv_general_dilated(images, kernel, (1, 1), "SAME", dimension_numbers=LAYOUT) ** 2)


def step(kernel):
    return kernel - 0.1 * jax.grad(loss)(kernel)


one = jax.jit(step)
scanned = jax.jit(lambda kernel: jax.lax.scan(lambda k, _: (step(k), None), kernel, length=STEPS)[0])


def called(kernel):
    for _ in range(STEPS):
        kernel = one(kernel)
    return kernel


def seconds(run):
    begun = time.perf_counter()
    run(kernel).block_until_ready()
    return time.perf_counter() - begun


print(f"jax {jax.__version__}; images {images.shape}, kernel {kernel.shape}, {STEPS} steps")
difference = float(jnp.max(jnp.abs(called(kernel) - scanned(kernel))))  # compiles both
calls, scan = (min(seconds(run) for _ in range(ROUNDS)) for run in (called, scanned))
print(f"the kernels differ by at most {difference:.1g}")
print(f"{STEPS} calls {1000 * calls:.0f} ms, one scan {1000 * scan:.0f} ms: {scan / calls:.1f} times as long")
sys.exit(not (difference < 1e-4 and scan > MANY_TIMES * calls))
PYTHON
