"""Networks with random weights as files, and the results of official Caffe for them."""

import functools
import importlib.util

import numpy as np

from cnn_history import models
from cnn_history.layers import forms
from cnn_history.weights import loader
from tests.models import checks
from tests.shared import SHARED

FOLDER = SHARED / "caffe"
BOUND = 2e-5  # of logits over the largest; sums of float32 in another order give 3e-6
# Caffe's network -> ours.
NETWORKS = {
    "alexnet_bvlc": "alexnet_2012",
    "alexnet_paper": "alexnet_2012",
    "caffenet": "alexnet",
    "googlenet_bvlc": "googlenet",
    "googlenet_paper": "googlenet",
    "googlenet_heads": "googlenet",
    "vgg16": "vgg16",
    "vgg19": "vgg19",
    "resnet50_pad": "resnet50",
    "resnet50_ceil": "resnet50",
    "resnet50_ceil_bias": "resnet50",
}


@functools.cache
def generator():
    """Return the module that writes the files."""
    found = importlib.util.spec_from_file_location("caffe_weights", FOLDER / "weights.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def image(size):
    """Return the photo as Caffe got it, in R, G, B: [1, size, size, 3]."""
    from PIL import Image

    rgb = np.asarray(Image.open(FOLDER / f"input_{size}.png")).astype(np.float32)
    return (rgb - generator().MEAN_BGR[::-1])[None]


def logits(name, found, train=False):
    """Return the logits of an imported network for the photo; with `train`, those of its heads too.

    Dropout is off in both, and layers are as written, which compiles sooner.
    """
    dropout = {"dropout": 0.0, "aux_dropout": 0.0} if train else {}
    model = models.create(name, **loader.built(found.options), **dropout)
    with forms.as_written():
        return checks.apply(model, found.variables, image(models.info(name).input[0]), train=train)


def difference(ours, theirs):
    """Return the largest difference over the largest logit."""
    return np.abs(np.asarray(ours)[0] - theirs).max() / np.abs(theirs).max()
