"""Measure the error of mixing two frameworks' conventions, as a Markdown table.

    python -m tests.weights.measure_differences

Weights and photo are those of `../shared/caffe`. Each row changes one convention. It has the
largest difference between logits, relative to the largest logit, and whether the top class stays.
"""

import contextlib
import functools
import pathlib
import tempfile
from unittest import mock

import jax
import numpy as np

from cnn_history import models, weights
from cnn_history.layers import forms, pooling
from cnn_history.weights import loader
from tests.models import checks
from tests.weights import caffe_answers


def option(**changed):
    """The network has other options."""
    return lambda name, found, x: (name, found._replace(options=found.options | changed), x)


def renamed(other):
    """The weights go into another network."""
    return lambda name, found, x: (other, found, x)


def leaf(path, change):
    """An array of the network is changed."""

    def changed(name, found, x):
        def at(place, value):
            there = jax.tree_util.keystr(place, simple=True, separator="/")
            return np.asarray(change(np.asarray(value))) if there == path else value

        variables = jax.tree_util.tree_map_with_path(at, found.variables)
        return name, found._replace(variables=variables), x

    return changed


def images(change):
    """The images are changed."""
    return lambda name, found, x: (name, found, change(x))


def channels_last(kernel):
    """A matrix whose inputs were flattened as h, w, c is taken for one of c, h, w."""
    h, w, c, f = kernel.shape
    return kernel.transpose(2, 0, 1, 3).reshape(h, w, c, f)


PAPERS_LRN = ("local_response_norm", {})
CAFFES_LRN = ("local_response_norm", {"k": 1.0, "alpha": 2e-5})
# As torch and Caffe write them, taken for the paper's sum; and TensorFlow's radius for a width.
UNDIVIDED = ("local_response_norm", {"k": 1.0, "alpha": 1e-4})
FLOOR = mock.patch.object(pooling, "_padding", lambda size, window, stride, pad, ceil: (pad, pad))


def same(convolve, x, kernel, strides, padding, *args, **options):
    """A 7x7 at stride 2 whose padding is mostly behind, as TensorFlow's SAME has it."""
    padding = ((2, 3), (2, 3)) if kernel.shape[0] == 7 else padding
    return convolve(x, kernel, strides, padding, *args, **options)


# What is taken for what, Caffe's network, what changes, and what stands in for a part of ours.
ROWS = [
    ("ResNet-50's stride in the 3x3 (v1.5) for the 1x1", "resnet50_pad", renamed("resnet50_v1_5")),
    ("ResNet's pool1 padded by 1 for ceil mode", "resnet50_ceil", option(ceil_pool1=False)),
    (
        "ResNet's BatchNorm with epsilon 1e-3 for 1e-5",
        "resnet50_pad",
        option(norm=("batch_norm", {"epsilon": 1e-3})),
    ),
    ("AlexNet's LRN of the paper for Caffe's", "alexnet_bvlc", option(norm=PAPERS_LRN)),
    ("AlexNet's LRN of Caffe for the paper's", "alexnet_paper", option(norm=CAFFES_LRN)),
    ("AlexNet's alpha 1e-4 of a sum for that of a mean", "alexnet_bvlc", option(norm=UNDIVIDED)),
    (
        "AlexNet's window of 11 maps for 5 (a radius of 5)",
        "alexnet_bvlc",
        option(norm=("local_response_norm", {"k": 1.0, "alpha": 2e-5, "n": 11})),
    ),
    ("CaffeNet's order, pooling first, for AlexNet's", "alexnet_bvlc", renamed("alexnet")),
    ("GoogLeNet's LRN of the paper for Caffe's", "googlenet_bvlc", option(norm=PAPERS_LRN)),
    ("GoogLeNet's pooling in floor mode for ceil mode", "googlenet_bvlc", None, FLOOR),
    (
        "colours R, G, B for B, G, R",
        "alexnet_bvlc",
        images(lambda x: np.ascontiguousarray(x[..., ::-1])),
    ),
    ("images divided by 255 for grey levels", "alexnet_bvlc", images(lambda x: x / 255)),
    ("fc6 flattened h, w, c for c, h, w", "alexnet_bvlc", leaf("params/fc6/kernel", channels_last)),
    (
        "ResNet's padding SAME of conv1 (2 and 3) for 3 and 3",
        "resnet50_pad",
        None,
        forms.replaced(convolve=same),
    ),
]


@functools.cache
def imported(net):
    """Return a network's name and what its file says."""
    name = caffe_answers.NETWORKS[net]
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "net.caffemodel"
        caffe_answers.generator().write(path, net)
        return name, weights.load(path, name)


def logits(name, found, x):
    """Return those of a network for one image."""
    options = dict(found.options)
    if name == "alexnet":
        options["groups"] = 2
    model = models.create(name, **loader.built(options))
    return np.asarray(checks.apply(model, found.variables, x, train=False))[0]


def main():
    """Print the table."""
    print(
        "| taken for the other | network | difference | best class |\n|---|---|---|---|", flush=True
    )
    for what, net, change, *stands_in in ROWS:
        name, found = imported(net)
        x = caffe_answers.image(models.info(name).input[0])
        with forms.as_written():
            right = logits(name, found, x)
            with stands_in[0] if stands_in else contextlib.nullcontext():
                wrong = logits(*(change(name, found, x) if change else (name, found, x)))
        difference = np.abs(wrong - right).max() / np.abs(right).max()
        best = "same" if wrong.argmax() == right.argmax() else "other"
        print(f"| {what} | `{net}` | {difference:.2g} | {best} |", flush=True)


if __name__ == "__main__":
    main()
