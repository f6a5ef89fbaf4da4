"""XLA's compiler options for CPUs, for `jax.jit`; other platforms get none (docs/speed.md)."""

import functools

import jax

# Operations that XLA:CPU gives to its YNN kernels. A sum takes the operations before it along: in
# inference, all convolutions before a pooling.
PRODUCTS = "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT"
PRODUCTS_AND_SUMS = f"{PRODUCTS},LIBRARY_FUSION_TYPE_REDUCE"


def options(platform: str, training: bool) -> dict[str, str]:
    """Return the options for training steps or for inference.

    By default, XLA:CPU removes `optimization_barrier` before it fuses, which makes the barriers of
    our forms useless, and its YNN kernels for convolutions use a single thread.
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
    """Tell whether this XLA has an option; an experimental one may disappear, and some speed."""
    try:
        jax.jit(lambda: 0).lower().compile({option: value})
    except jax.errors.JaxRuntimeError:
        return False
    return True


def options_of_one_call(platform: str) -> dict[str, str | int]:
    """Return the options for a program that runs once and should compile fast.

    To draw parameters, XLA:CPU compiles several kernels for each. With these options that takes two
    thirds of the time (Inception-v3: 9 s instead of 14).
    """
    return {"xla_backend_optimization_level": 1} if platform == "cpu" else {}
