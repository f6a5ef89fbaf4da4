"""Random variables for a network, drawn without compiling its initialization."""

import functools
import math

import jax
import numpy as np
from flax import traverse_util

RANGES = {"bias": (-0.2, 0.2), "scale": (0.5, 1.0), "mean": (-0.2, 0.2), "var": (0.5, 2.0)}

# Compiles in a third of the time, for what runs once on small images.
jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


def draw(abstract, seed=0):
    """Return variables of the shapes of `abstract`: kernels He's, no two channels alike."""
    rng = np.random.default_rng(seed)

    def leaf(path, like):
        if path[-1] == "kernel":
            x = rng.normal(scale=math.sqrt(2 / math.prod(like.shape[:-1])), size=like.shape)
        else:
            x = rng.uniform(*RANGES[path[-1]], size=like.shape)
        return jax.numpy.asarray(x, like.dtype)

    flat = traverse_util.flatten_dict(abstract)
    return traverse_util.unflatten_dict({path: leaf(path, x) for path, x in flat.items()})


def images(*shape, seed=0):
    """Return images of noise, of a colour and a contrast each: networks tell them apart."""
    rng = np.random.default_rng(seed)
    colour, contrast = rng.normal(size=(shape[0], 1, 1, shape[3])), rng.uniform(0.2, 2, shape[0])
    noise = rng.normal(size=shape) * contrast[:, None, None, None]
    return (noise + 2 * colour).astype(np.float32)
