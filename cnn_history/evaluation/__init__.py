"""Evaluation protocols: how a paper measures the error of a network.

Each is `protocol(probabilities, images, size=, ...)`: `probabilities` maps images [n, h, w, c] to
[n, classes], and so does the protocol, so that protocols compose with each other and with
ensembles. Means over views are means of probabilities. The views are made and evaluated one after
another, in Python: compile `probabilities`, not the protocol. To add a protocol, add a file, its
import and its entry below.

    >>> import jax.numpy as jnp
    >>> from cnn_history import evaluation
    >>> bright = lambda images: images.mean((1, 2))  # stands for a network
    >>> images = jnp.ones((2, 8, 8, 3)).at[:, 2:6, 2:6].set(0.0)
    >>> evaluation.single_crop(bright, images, size=4)[0].tolist()  # the centre alone
    [0.0, 0.0, 0.0]
    >>> round(float(evaluation.ten_crop(bright, images, size=4)[0, 0]), 2)  # corners: 3/4 bright
    0.6
"""

from cnn_history.evaluation.crops144 import crops144
from cnn_history.evaluation.crops150 import crops150
from cnn_history.evaluation.dense import dense, over_positions
from cnn_history.evaluation.errors import errors, per_class
from cnn_history.evaluation.multi_crop_and_dense import multi_crop_and_dense
from cnn_history.evaluation.multi_scale_dense import multi_scale_dense
from cnn_history.evaluation.predict import over_batches
from cnn_history.evaluation.protocol import Protocol, Sees
from cnn_history.evaluation.single_crop import single_crop
from cnn_history.evaluation.ten_crop import ten_crop
from cnn_history.evaluation.views import at_scale

PROTOCOLS = {
    "single_crop": Protocol(single_crop, Sees.NETWORK),
    "ten_crop": Protocol(ten_crop, Sees.SQUARE),
    "crops144": Protocol(crops144, Sees.WHOLE),
    "crops150": Protocol(crops150, Sees.WHOLE),
    "dense": Protocol(dense, Sees.WHOLE, by_position=True),
    "multi_scale_dense": Protocol(multi_scale_dense, Sees.WHOLE, by_position=True),
    "multi_crop_and_dense": Protocol(multi_crop_and_dense, Sees.WHOLE, by_position=True),
}

__all__ = [
    "PROTOCOLS",
    "Sees",
    "at_scale",
    "errors",
    "over_batches",
    "over_positions",
    "per_class",
    *PROTOCOLS,
]
