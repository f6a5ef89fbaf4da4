"""Official Caffe's networks: our logits from a .caffemodel equal Caffe's."""

import numpy as np
import pytest
from flax import traverse_util

from cnn_history import weights
from cnn_history.weights import caffe, caffe_file, loader
from tests.shared import needs_shared
from tests.weights import caffe_answers
from tests.weights.caffe_answers import BOUND, NETWORKS

CAFFES_LRN = ("local_response_norm", {"k": 1.0, "n": 5, "alpha": 2e-5, "beta": 0.75})
PAPERS_LRN = ("local_response_norm", {"k": 2.0, "n": 5, "alpha": 1e-4, "beta": 0.75})
OPTIONS = {
    "alexnet_bvlc": {"norm": CAFFES_LRN},
    "alexnet_paper": {"norm": PAPERS_LRN},
    "caffenet": {"norm": CAFFES_LRN, "groups": 2},
    "googlenet_bvlc": {"norm": CAFFES_LRN},
    "googlenet_paper": {"norm": PAPERS_LRN},
    "googlenet_heads": {"norm": CAFFES_LRN, "aux_heads": True},
    "resnet50_ceil": {"ceil_pool1": True},
    "resnet50_ceil_bias": {"ceil_pool1": True},
}
QUICK = ("googlenet_heads", "resnet50_ceil_bias")  # one of each constant that a file says


@needs_shared
@pytest.mark.parametrize(
    "net", [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in NETWORKS]
)
def test_logits_are_caffes(tmp_path, net):
    answers = np.load(caffe_answers.FOLDER / "answers.npz")
    path, name = tmp_path / "net.caffemodel", NETWORKS[net]
    caffe_answers.generator().write(path, net)
    found = weights.load(path, name)
    assert found.options == {"num_classes": 1000, **OPTIONS.get(net, {})}
    heads = "aux_heads" in found.options
    logits = caffe_answers.logits(name, found, train=heads)
    logits, others = logits if heads else (logits, ())
    assert caffe_answers.difference(logits, answers[f"{net}:logits"]) < BOUND
    for i, head in enumerate(others, 1):
        assert caffe_answers.difference(head, answers[f"{net}:logits{i}"]) < BOUND


def released(net, without=(), **blobs):
    """Return the layers of a network's file as Caffe writes them, blobs of zeros at their sizes."""
    shapes = caffe_answers.generator().shapes(net)
    layers = []
    for layer in caffe_answers.generator().with_splits(caffe_answers.generator().layers(net)):
        params = {k: [v] for held in layer.params.values() for k, v in held.items()}
        params = {k: [caffe_file.ENUMS.get(v[0], v[0])] for k, v in params.items() if k != "shape"}
        sizes = shapes.get(layer.name, ())
        zeros = [np.broadcast_to(np.float32(layer.type == "BatchNorm"), size) for size in sizes]
        if layer.name not in without:
            layers.append(
                caffe_file.Layer(
                    layer.name,
                    layer.type.lower(),
                    list(layer.bottoms),
                    list(layer.tops),
                    params,
                    blobs.get(layer.name, zeros),
                )
            )
    return layers


@pytest.fixture
def read(monkeypatch, tmp_path):
    """Return a reader of layers that stand for a file's."""
    path = tmp_path / "net.caffemodel"
    path.write_bytes(b"")

    def load(name, layers, **options):
        monkeypatch.setattr(caffe_file, "read", lambda path: layers)
        return weights.load(path, name, **options)

    return load


@needs_shared
@pytest.mark.parametrize("net", NETWORKS)
def test_every_blob_has_its_place_and_every_constant_its_option(net, read):
    found = read(NETWORKS[net], released(net))
    assert found.options == {"num_classes": 1000, **OPTIONS.get(net, {})}
    assert found.inputs.largest == 255
    assert all(125 > n > 102 for n in found.inputs.mean)


@pytest.mark.parametrize("name", caffe.NAMES)
def test_every_kernel_has_a_name_of_caffes(name):
    heads = {"aux_heads": True} if name == "googlenet" else {}
    abstract = traverse_util.flatten_dict(loader.abstract_of(name, heads)["params"], sep="/")
    kernels = {path.removesuffix("/kernel") for path in abstract if path.endswith("/kernel")}
    named = caffe.NAMES[name]
    assert set(named.values()) - kernels <= {p for p in named.values() if "conv_shortcut" in p}
    assert kernels <= set(named.values())


def test_deep_residual_networks_number_their_blocks():
    """He et al.'s release: letters, and in the two long stages of the deeper ones b1, b2 ..."""
    for name, theirs, ours in (
        ("resnet50", "res4f_branch2a", "conv4_6/conv1"),
        ("resnet101", "res4b22_branch2a", "conv4_23/conv1"),
        ("resnet101", "res3b3_branch2c", "conv3_4/conv3"),
        ("resnet152", "res3b7_branch2b", "conv3_8/conv2"),
        ("resnet152", "res4b35_branch2c", "conv4_36/conv3"),
        ("resnet152", "res5a_branch1", "conv5_1/conv_shortcut"),
    ):
        assert caffe.NAMES[name][theirs] == ours


def change(layers, name, **parameters):
    """Return the layers, some parameters of one being others; None takes one away."""
    made = []
    for layer in layers:
        if layer.name == name:
            kept = {**layer.parameters, **parameters}
            layer = layer._replace(parameters={k: v for k, v in kept.items() if v is not None})
        made.append(layer)
    return made


@needs_shared
@pytest.mark.parametrize(
    ("net", "name", "edit", "message"),
    [
        ("alexnet_bvlc", "alexnet", None, "before its pooling; use --model=alexnet_2012"),
        ("caffenet", "alexnet_2012", None, "after its pooling; use --model=alexnet"),
        ("vgg16", "vgg19", None, "lack 'conv3_4.bias'"),
        ("vgg19", "vgg16", None, "no parameter for 'conv3_4.bias'"),
        ("vgg16", "vgg16_c", None, r"'conv3_3' has pad \(1, 1\)"),
        ("resnet50_pad", "resnet101", None, "no tensors for 'batch_stats/conv3_2/norm1/mean'"),
        ("googlenet_bvlc", "resnet50", None, "lack|no parameter|no tensors"),
        ("vgg16", "lenet5", None, "unknown network with published weights 'lenet5'"),
        ("vgg16", "resnet20", None, "unknown network with a Caffe release 'resnet20'"),
        ("resnet50_pad", "resnet50", ("pool1", {"pad": [0]}), "57x57 or 55x55"),
        (
            *("resnet50_pad", "resnet50", ("res3a_branch2a", {"stride": [1]})),
            r"'res3a_branch2a' has stride \(1, 1\), but our conv3_1/conv1 has \(2, 2\)",
        ),
        ("vgg16", "vgg16", ("conv1_1", {"pad": [0]}), r"'conv1_1' has pad \(0, 0\)"),
        ("vgg16", "vgg16", ("conv1_1", {"dilation": [2]}), r"'conv1_1' has dilation \(2, 2\)"),
        ("caffenet", "alexnet", ("norm1", {"k": [2.0]}), "normalizations differ from each other"),
        ("resnet50_pad", "resnet50", ("bn_conv1", {"eps": [1e-3]}), "different eps"),
        ("googlenet_bvlc", "googlenet", ("pool4/3x3_s2", {"round_mode": [1]}), "in ceil mode"),
        ("vgg16", "vgg16", ("relu1_1", {"negative_slope": [0.1]}), "'relu1_1' is a leaky ReLU"),
        ("resnet50_pad", "resnet50", ("res2a", {"operation": [2]}), "'res2a' combines maps"),
        ("resnet50_pad", "resnet50", ("res2a", {"coeff": [1, 0.5]}), "'res2a' combines maps"),
    ],
)
def test_what_is_of_another_network_is_refused(net, name, edit, message, read):
    layers = released(net)
    with pytest.raises(ValueError, match=message):
        read(name, change(layers, edit[0], **edit[1]) if edit else layers)


@needs_shared
@pytest.mark.parametrize("missing", ["bn_conv1", "scale_conv1", "conv1", "fc1000"])
def test_a_layer_without_its_blobs_is_named(missing, read):
    layers = [
        layer._replace(blobs=[]) if layer.name == missing else layer
        for layer in released("resnet50_pad")
    ]
    with pytest.raises(ValueError, match=r"the weights lack '.*'|have no tensors for"):
        read("resnet50", layers)
    short = [layer._replace(blobs=layer.blobs[:-1]) for layer in released("resnet50_pad")]
    with pytest.raises(ValueError, match=r"'bn_conv1' .* has 2 blobs"):
        read("resnet50", short)


@needs_shared
def test_what_a_file_does_not_say_is_told(read):
    silent = [layer._replace(parameters={}) for layer in released("caffenet")]
    found = read("alexnet", silent)
    assert found.options == {"num_classes": 1000, "norm": CAFFES_LRN, "groups": 2}
    assert any("because the file states none (--prototxt=)" in line for line in found.told)
    assert any("strides and paddings are ours" in line for line in found.told)
    silent = [layer._replace(parameters={}) for layer in released("resnet50_pad")]
    assert any("the file does not state it" in line for line in read("resnet50", silent).told)


@needs_shared
def test_a_prototxt_says_the_constants(tmp_path, read):
    path = tmp_path / "net.prototxt"
    path.write_text(caffe_answers.generator().prototxt("googlenet_paper"))
    silent = [layer._replace(parameters={}) for layer in released("googlenet_paper")]
    assert read("googlenet", silent, prototxt=path).options["norm"] == PAPERS_LRN
    assert (
        read("googlenet", released("googlenet_bvlc"), prototxt=path).options["norm"] == PAPERS_LRN
    )
    path.write_text(caffe_answers.generator().prototxt("vgg16"))
    with pytest.raises(ValueError, match=r"--prototxt: .* has no layer 'conv1/7x7_s2'"):
        read("googlenet", silent, prototxt=path)


def test_bn_inceptions_release_fills_our_network(read):
    """Tensors by name and shape, with BatchNorm and Scale as two layers, or as the fork's one."""
    for forked in (True, False):
        options = {"channels": "release"}
        shapes = {
            "/".join(path): leaf.shape
            for path, leaf in traverse_util.flatten_dict(
                loader.abstract_of("bn_inception", options)["params"]
            ).items()
        }
        layers = []
        for theirs, ours in caffe.NAMES["bn_inception"].items():
            shape = shapes[f"{ours}/kernel"][::-1]
            kind = "innerproduct" if len(shape) == 2 else "convolution"
            blobs = [np.zeros(shape, np.float32), np.ones(shape[:1], np.float32)]
            layers.append(caffe_file.Layer(theirs, kind, ["x"], [theirs], {}, blobs))
            if kind == "convolution":
                one, norm = np.ones(shape[:1], np.float32), f"{theirs}_bn"
                if forked:
                    layers.append(caffe_file.Layer(norm, "bn", [theirs], [norm], {}, [one] * 4))
                else:
                    statistics = [one, one, np.ones(1, np.float32)]
                    layers += [
                        caffe_file.Layer(norm, "batchnorm", [theirs], [norm], {}, statistics),
                        caffe_file.Layer(f"{norm}/s", "scale", [norm], [norm], {}, [one, one]),
                    ]
        found = read("bn_inception", layers)
        assert found.options == {"channels": "release", "num_classes": 1000}
        assert any("not been verified" in line for line in found.told)
        mean = found.variables["batch_stats"]["inception_4c"]["pool_proj_norm"]["mean"]
        np.testing.assert_array_equal(mean, np.zeros(128))  # the bias of 1 is taken away
