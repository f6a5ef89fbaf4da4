"""Compare our logits with those of the programs whose files we import, as a Markdown table.

    [PEERS=DIR,...] python -m tests.weights.compare_peers [WORD...]

Rows are those whose source contains a WORD; without one, all that can be made here: official
Caffe's answers and installed peers. A peer's own code makes the network, with random weights and
statistics, and its file; images are noise. timm, pytorchcv and pretrainedmodels are packages;
chenyaofo's `pytorch_cifar_models` and akamaster's `resnet.py` are searched in checkouts, the
folders in PEERS.
"""

import functools
import importlib
import importlib.metadata
import importlib.util
import os
import pathlib
import sys
import tempfile

import numpy as np

from cnn_history import models, weights
from cnn_history.benchmarks import torchvision_networks
from cnn_history.layers import forms
from cnn_history.weights import loader
from tests.models import checks
from tests.weights import caffe_answers, calibrated

# Whose, and by which function of a module; its networks, and ours.
PEERS = {
    ("torchvision", "torchvision.models"): {
        **{"alexnet": "alexnet_owt", "vgg11": "vgg11", "vgg13_bn": "vgg13_bn"},
        **{"googlenet": "googlenet_bn", "inception_v3": "inception_v3"},
        **{"resnet18": "resnet18", "resnet50": "resnet50_v1_5"},
    },
    ("timm", "timm.models"): {
        **{"vgg11": "vgg11", "vgg13_bn": "vgg13_bn", "inception_v3": "inception_v3"},
        **{"resnet18": "resnet18", "resnet50": "resnet50_v1_5"},
    },
    ("pytorchcv", "pytorchcv.models.resnet"): {
        **{"resnet18": "resnet18", "resnet50": "resnet50", "resnet50b": "resnet50_v1_5"},
    },
    ("pytorchcv", "pytorchcv.models.vgg"): {"vgg11": "vgg11"},
    ("pytorchcv", "pytorchcv.models.resnet_cifar"): {"resnet20_cifar10": "resnet20"},
    ("pretrainedmodels", "pretrainedmodels"): {
        **{"alexnet": "alexnet_owt", "vgg11": "vgg11", "resnet50": "resnet50_v1_5"},
        **{"inceptionv3": "inception_v3", "bninception": "bn_inception"},
    },
    ("chenyaofo", "pytorch_cifar_models"): {"cifar10_resnet20": "resnet20"},
    ("akamaster", "resnet"): {"resnet20": "resnet20"},
}
BGR = ("bninception",)
OPTIONS = {"pretrainedmodels": {"pretrained": None}}
UNTRAINED = ("googlenet", "inception_v3")  # torchvision's, whose own initialization takes a minute


def create(whose, module, theirs):
    """Return a peer's network."""
    options = dict(OPTIONS.get(whose, {}))
    if whose == "torchvision" and theirs in UNTRAINED:
        options["init_weights"] = False
    return getattr(importlib.import_module(module), theirs)(**options)


def version(whose):
    """Return that of a package; a checkout has none."""
    try:
        return importlib.metadata.version(whose)
    except importlib.metadata.PackageNotFoundError:
        return "checkout"


def peer(whose, module, theirs, ours, folder):
    """Return the difference for a peer's network."""
    import torch

    from tests import torchvision_models

    x = images(ours)
    made = torchvision_models.randomize(create(whose, module, theirs))
    network = calibrated.fit(made, x)
    path = folder / "weights.pth"
    torch.save(network.state_dict(), path)
    found = weights.load(path, ours)
    seen = np.ascontiguousarray(x[..., ::-1]) if theirs in BGR else x
    with torch.no_grad():
        expected = network(calibrated.to_torch(seen)).numpy()
    with forms.as_written():
        model = models.create(ours, **loader.built(found.options))
        logits = checks.apply(model, found.variables, x, train=False)
    return calibrated.relative_difference(logits, expected)


def images(ours):
    """Return two images of noise, at a network's size."""
    h, w, _ = models.info(ours).input
    return calibrated.images(2, h, w)


def caffe(net, ours, folder):
    """Return the difference for one of Caffe's networks."""
    answers = np.load(caffe_answers.FOLDER / "answers.npz")
    path = folder / "net.caffemodel"
    caffe_answers.generator().write(path, net)
    logits = caffe_answers.logits(ours, weights.load(path, ours))
    return caffe_answers.difference(logits, answers[f"{net}:logits"])


def sources():
    """Yield whose a file is, our network, and what compares them."""
    if caffe_answers.FOLDER.is_dir():
        for net, ours in caffe_answers.NETWORKS.items():
            yield f"Caffe 9b891540183d, {net}", ours, functools.partial(caffe, net, ours)
    torchvision_networks.create("resnet18")  # after which every build of torch imports torchvision
    for (whose, module), table in PEERS.items():
        if importlib.util.find_spec(module.split(".")[0]):
            for theirs, ours in table.items():
                compare = functools.partial(peer, whose, module, theirs, ours)
                yield f"{whose} {version(whose)}, {theirs}", ours, compare


def main(words):
    """Print the rows whose source holds one of the words."""
    sys.path += filter(None, os.environ.get("PEERS", "").split(","))
    print("| file | network here | largest difference / largest logit |\n|---|---|---|", flush=True)
    for source, ours, compare in sources():
        if not words or any(word in source for word in words):
            with tempfile.TemporaryDirectory() as folder:
                difference = compare(pathlib.Path(folder))
            print(f"| {source} | `{ours}` | {difference:.1e} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
