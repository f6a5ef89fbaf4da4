"""Our layers with the weights of Caffe's small networks give Caffe's results."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_history import layers
from cnn_history.weights import caffe, caffe_file
from tests.shared import SHARED, needs_shared

FOLDER = SHARED / "caffe" / "layers"
BOUND = 1e-6  # of the largest; both sum float32
# What no network here has: response normalization within a map, other joints than sums, paddings
# that differ between the axes of a pooling.
OTHERS = ("lrn_within", "lrn_within_k2", "max_rectangle")
OTHERS += ("eltwise_product", "eltwise_maximum", "eltwise_coefficients")
FILES = sorted(path.stem for path in FOLDER.glob("*.caffemodel") if path.stem not in OTHERS)


def number(layer, word, default=0):
    return layer.parameters.get(word, [default])[0]


def convolution(layer, tensors, x, source):
    pad = caffe._pair(source if source and source.type == "padding" else layer, "pad")
    kernel = jnp.asarray(tensors[f"{layer.name}.weight"].transpose(2, 3, 1, 0))
    conv = layers.Conv(
        kernel.shape[-1],
        kernel.shape[:2],
        caffe._pair(layer, "stride"),
        [(p, p) for p in pad],
        kernel_dilation=caffe._pair(layer, "dilation"),
        feature_group_count=int(number(layer, "group", 1)),
        use_bias=False,
    )
    return conv.apply({"params": {"kernel": kernel}}, x) + tensors.get(f"{layer.name}.bias", 0)


def pooling(layer, tensors, x, source):
    if number(layer, "global_pooling"):
        return layers.GlobalAvgPool().apply({}, x)[:, None, None]
    size = int(number(layer, "kernel_size"))
    stride, floor = int(number(layer, "stride", 1)), number(layer, "round_mode") == caffe.FLOOR
    kind = layers.AvgPool if number(layer, "pool") == caffe_file.ENUMS["AVE"] else layers.MaxPool
    pool = kind((size, size), (stride, stride), int(number(layer, "pad")), not floor)
    return pool.apply({}, x)


def lrn(layer, tensors, x, source):
    k, n, alpha, beta = (caffe._constant(layer, word) for word in caffe.LRN)
    return layers.local_response_norm(x, k, int(n), alpha / n, beta)


def batchnorm(layer, tensors, x, source):
    eps, of_batch = caffe._constant(layer, "eps"), number(layer, "use_global_stats", 1) == 0
    statistics = {
        leaf: jnp.asarray(tensors[f"{layer.name}.running_{leaf}"]) for leaf in ("mean", "var")
    }
    plain = {"scale": jnp.ones(x.shape[-1]), "bias": jnp.zeros(x.shape[-1])}
    norm = layers.BatchNorm(epsilon=float(eps))
    variables = {"params": plain, "batch_stats": statistics}
    y, _ = norm.apply(variables, x, use_running_average=not of_batch, mutable=["batch_stats"])
    return y


def scale(layer, tensors, x, source):
    return x * tensors[f"{source.name}.weight"] + tensors[f"{source.name}.bias"]


def innerproduct(layer, tensors, x, source):
    weight = tensors[f"{layer.name}.weight"]
    if x.ndim == 4:
        h, w, c = x.shape[1:]
        weight = weight.reshape(-1, c, h, w).transpose(2, 3, 1, 0)
        full = layers.FullyConnected(weight.shape[-1], (h, w), jax.nn.initializers.zeros)
        bias = jnp.asarray(tensors.get(f"{layer.name}.bias", np.zeros(weight.shape[-1])))
        return full.apply({"params": {"kernel": jnp.asarray(weight), "bias": bias}}, x)[:, 0, 0]
    return x @ weight.T + tensors[f"{layer.name}.bias"]


def relu(layer, tensors, x, source):
    return jnp.where(x > 0, x, x * number(layer, "negative_slope"))


KINDS = {
    **{f.__name__: f for f in (convolution, pooling, lrn, batchnorm, scale, innerproduct, relu)},
    "dropout": lambda layer, tensors, x, source: x,
    "padding": lambda layer, tensors, x, source: x,
    "softmax": lambda layer, tensors, x, source: jax.nn.softmax(x, -1),
}


def run(written, tensors, values):
    """Compute every map of a definition, [n, h, w, c], from those of its inputs, in place too."""
    for layer, source in zip(written, caffe.sources(written), strict=True):
        if layer.type == "input":
            continue
        x = [values[bottom] for bottom in layer.bottoms]
        if layer.type == "concat":
            made = jnp.concatenate(x, -1)
        elif layer.type == "eltwise":
            made = sum(x)
        else:
            made = KINDS[layer.type](layer, tensors, *x, source)
        values[layer.tops[0]] = made


@needs_shared
@pytest.mark.parametrize("name", FILES)
def test_outputs_are_caffes(name):
    answers = np.load(FOLDER / f"{name}.npz")
    found = caffe_file.read(FOLDER / f"{name}.caffemodel")
    written = caffe_file.read_text(FOLDER / f"{name}.prototxt")
    values = {
        blob.removeprefix("in:"): jnp.asarray(np.moveaxis(answers[blob], 1, -1))
        for blob in answers
        if blob.startswith("in:")
    }
    run(written, caffe.tensors(found), values)
    for blob in (blob for blob in answers if blob.startswith("out:")):
        ours, theirs = np.asarray(values[blob.removeprefix("out:")]), answers[blob]
        ours = np.moveaxis(ours, -1, 1).reshape(theirs.shape)
        assert np.abs(ours - theirs).max() <= BOUND * np.abs(theirs).max(), blob
