"""XLA's options for programs of a CPU, as `jax.jit` takes them; for other platforms there are none.

Figures are in docs/speed.md.
"""

import functools

import jax

# What XLA:CPU gives to its YNN kernels. Sums take what leads to them along, in inference all
# convolutions before a pooling.
PRODUCTS = "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT"
PRODUCTS_AND_SUMS = f"{PRODUCTS},LIBRARY_FUSION_TYPE_REDUCE"


def options(platform: str, training: bool) -> dict[str, str]:
    """Return the options for steps of training, or for inference.

    XLA:CPU removes `optimization_barrier` before it fuses, of which our forms then have nothing.
    And its YNN kernels for convolutions use one thread only, however many there are.
    """
    if platform != "cpu":
        return {}
    named = {
        "xla_disable_hlo_passes": "cse_barrier_expander",
        "xla_cpu_experimental_ynn_fusion_type": PRODUCTS_AND_SUMS if training else PRODUCTS,
    }
    return {name: value for name, value in named.items() if _known(name, value)}


@functools.cache
def _known(option: str, value: str) -> bool:
    """Say whether this XLA takes an option; an experimental one may go, and speed alone with it."""
    try:
        jax.jit(lambda: 0).lower().compile({option: value})
    except jax.errors.JaxRuntimeError:
        return False
    return True


def options_of_one_call(platform: str) -> dict[str, str | int]:
    """Return the options for a program that runs once: it is quick to compile.

    Where parameters are drawn, XLA:CPU compiles several kernels for each, and takes two thirds of
    the time with them (Inception-v3: 9 s for 14).
    """
    return {"xla_backend_optimization_level": 1} if platform == "cpu" else {}
