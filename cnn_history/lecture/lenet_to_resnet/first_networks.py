"""LeNet-5 (LeCun et al. 1998), AlexNet (Krizhevsky et al. 2012), ZFNet (Zeiler & Fergus 2013)."""

from cnn_history.lecture.claim import AGREES, ERRS, QUOTED, Finding, slide
from cnn_history.lecture.quoted import errors, errors_on_test, rows
from cnn_history.lecture.read_off import account, layer, output, window
from cnn_history.models.lenet5 import C1, C3_INPUTS
from cnn_history.papers import (
    KRIZHEVSKY_2012,
    LECUN_1998,
    MNIST,
    PUBLISHED,
    SIMONYAN_2014,
    ZEILER_2013,
)

LECTURES, PAPERS = "alexnet", "alexnet_2012"  # the lecture simplifies AlexNet
DEEP = ("conv3", "conv4", "conv5")
TABLE_2 = (errors, KRIZHEVSKY_2012)


def architecture() -> Finding:
    """Kernel sizes, strides and order of the layers of LeNet-5."""
    found = account("lenet5").layers
    kinds = [layer.operation.removeprefix("avg_").removeprefix("max_") for layer in found]
    pairs = list(zip(kinds, found, strict=True))
    conv, pool = ({window(a) for k, a in pairs if k == kind} for kind in ("conv", "pool"))
    order = kinds[:6] == ["conv", "pool", "conv", "pool", "fc", "fc"]
    connected = sum(map(len, C3_INPUTS))
    return Finding(
        f"conv {'/'.join(conv)}, pool {'/'.join(pool)}; {'-'.join(kinds).upper()}",
        order and conv == {"5x5/1"} and pool == {"2x2/2"},
        f"The slide simplifies: there are {kinds.count('fc')} dense layers. In the paper, the "
        f"subsampling S2 has {layer('lenet5_1998', 's2').parameters} parameters, and C3 has "
        f"{connected} of {C1 * len(C3_INPUTS)} connections.",
    )


def mnist() -> Finding:
    """The origin of MNIST."""
    printed = {row.paper for row in PUBLISHED if row.dataset == MNIST}
    words = "'the modified NIST, or MNIST, dataset' (LeCun et al. 1998, sec. III-A)"
    return Finding(words, printed == {LECUN_1998})


def image_size(said: int, papers: int) -> Finding:
    """The image size for which the first convolution has a whole number of positions."""
    conv1 = layer(LECTURES, "conv1")
    side, stride = conv1.kernel[0], conv1.stride
    whole, broken = ((size - side) / stride + 1 for size in (said, papers))
    return Finding(
        f"({papers} - {side})/{stride} + 1 = {broken:g}; with {said}: {whole:g}",
        account(LECTURES).input == (said, said, 3) and conv1.output[0] == whole,
        f"The paper's text says {papers}, which gives no whole number without padding.",
    )


def order(said: list[str]) -> Finding:
    """The order of normalization and pooling."""
    papers, simple = account(PAPERS), account(LECTURES)
    first = [layer.name for layer in papers.layers if layer.name in said]
    then = {"norm1": "normalization", "pool1": "pooling"}
    words = " before ".join(then[name] for name in first)
    return Finding(
        f"{words} in {PAPERS}",
        first == said,
        f"The paper has {words} (sec. 3.5); CaffeNet pools first. The slide's net also has no "
        f"groups: {simple.parameters:,} parameters and {simple.macs / 1e9:.3f}G multiply-adds, "
        f"the paper's {papers.parameters:,} and {papers.macs / 1e9:.3f}G.",
    )


def classifier(said: tuple[int, ...]) -> Finding:
    """Units and weights of the fully-connected layers."""
    found = [layer for layer in account(LECTURES).layers if layer.operation == "fc"]
    weights = " + ".join(f"{layer.weights:,}" for layer in found)
    return Finding(f"{weights} weights", tuple(layer.output[-1] for layer in found) == said)


def first_layer(before: str, after: str) -> Finding:
    """Kernel size and stride of the first convolution in AlexNet and in ZFNet."""
    found = [window(layer(model, "conv1")) for model in ("alexnet_2012", "zfnet")]
    second = [window(layer(model, "conv2")) for model in ("alexnet_2012", "zfnet")]
    return Finding(
        " -> ".join(found),
        found == [before, after],
        f"The paper changes conv2 too: {' -> '.join(second)} (fig. 3).",
    )


def maps(said: tuple[int, ...], instead: tuple[int, ...]) -> Finding:
    """Maps of the last three convolutions of ZFNet."""
    found, variant, before = (
        tuple(layer(model, name).output[-1] for name in DEEP)
        for model in ("zfnet", "zfnet_b", "alexnet_2012")
    )
    named = " the paper's variant (b)" if variant == said else " no network of the paper"
    return Finding(
        f"zfnet has {', '.join(map(str, found))}",
        found == said and before == instead,
        f"The slide has the maps of{named}. The network of fig. 3 keeps "
        f"{', '.join(map(str, found))} and has {account('zfnet').parameters:,} parameters, not "
        f"{account('zfnet_b').parameters:,}.",
    )


def error(before: float, after: float) -> Finding:
    """The test errors that the paper of ZFNet prints."""
    own = errors_on_test(ZEILER_2013)
    printed = ", ".join(map(str, own))
    (clarifai,) = [row for row in rows(SIMONYAN_2014, "Clarifai") if row.top5 == after]
    return Finding(
        f"the paper prints {printed} on test",
        after in own and before in errors_on_test(KRIZHEVSKY_2012, "5 CNNs"),
        f"The paper's own test errors are {printed} (table 2). {after} is the error of "
        f"{clarifai.label} ({clarifai.source}), an ensemble.",
    )


CLAIMS = (
    *slide(
        "LeNet-5",
        ("C001", "Conv filters 5x5 stride 1; subsampling 2x2 stride 2; CONV-POOL-CONV-POOL-FC-FC",
         AGREES, architecture),
        ("C002", "MNIST dataset introduced in this paper", QUOTED, mnist),
    ),
    *slide(
        "AlexNet",
        ("C003", "CONV1 55x55x96", AGREES, output, LECTURES, "conv1", (55, 55, 96)),
        ("C004", "POOL1 27x27x96", AGREES, output, LECTURES, "pool1", (27, 27, 96)),
        ("C005", "CONV2 27x27x256", AGREES, output, LECTURES, "conv2", (27, 27, 256)),
        ("C006", "POOL2 13x13x256", AGREES, output, LECTURES, "pool2", (13, 13, 256)),
        ("C007", "CONV3 13x13x384", AGREES, output, LECTURES, "conv3", (13, 13, 384)),
        ("C008", "CONV4 13x13x384", AGREES, output, LECTURES, "conv4", (13, 13, 384)),
        ("C009", "CONV5 13x13x256", AGREES, output, LECTURES, "conv5", (13, 13, 256)),
        ("C010", "POOL3 6x6x256", AGREES, output, LECTURES, "pool5", (6, 6, 256)),
        ("C011", "INPUT 227x227x3, conv1 pad 0", AGREES, image_size, 227, 224),
        ("C012", "MAX POOL1 then NORM1 (pool before norm)", ERRS, order, ["pool1", "norm1"]),
        ("C013", "FC6 4096, FC7 4096, FC8 1000", AGREES, classifier, (4096, 4096, 1000)),
    ),
    *slide(
        "AlexNet table",
        ("C014", "1 CNN 40.7/18.2", QUOTED, *TABLE_2, "1 CNN", "ten_crop", 40.7, 18.2),
        ("C015", "5 CNNs 38.1/16.4, test 16.4", QUOTED, *TABLE_2, "5 CNNs", "ten_crop",
         38.1, 16.4, 16.4),
        ("C016", "1 CNN* 39.0/16.6", QUOTED, *TABLE_2, "1 CNN*", "ten_crop", 39.0, 16.6),
        ("C017", "7 CNNs* 36.7/15.4, test 15.3", QUOTED, *TABLE_2, "7 CNNs*", "ten_crop",
         36.7, 15.4, 15.3),
        ("C018", "SIFT+FVs 26.2 test", QUOTED, *TABLE_2, "SIFT + FVs", "ten_crop",
         None, None, 26.2),
    ),
    *slide(
        "ZFNet",
        ("C019", "CONV1 11x11/4 -> 7x7/2", AGREES, first_layer, "11x11/4", "7x7/2"),
        ("C020", "CONV3,4,5 512,1024,512 instead of 384,384,256", ERRS, maps, (512, 1024, 512),
         (384, 384, 256)),
        ("C021", "ImageNet top-5 error 16.4% -> 11.7%", ERRS, error, 16.4, 11.7),
    ),
)  # fmt: skip
