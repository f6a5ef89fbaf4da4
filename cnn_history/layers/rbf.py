"""The Euclidean radial-basis-function output of LeNet-5."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np


class RBFOutput(nn.Module):
    """The negative squared distance to each class's code: y_i = Σ_j (x_j - w_ij)², logits -y_i.

    Source: LeCun et al. 1998, eq. 7. The codes are constants, not parameters.

    Attributes:
      codes: [classes, units], of ±1.
    """

    codes: np.ndarray

    def __call__(self, x: jax.Array) -> jax.Array:
        """[..., units] -> logits [..., classes], float32 or wider."""
        x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        return -jnp.sum(jnp.square(x[..., None, :] - self.codes), axis=-1)
