"""AlexNet (Krizhevsky et al. 2012), which the lecture simplifies."""

from cnn_history.lecture.accounts import account, layer, output
from cnn_history.lecture.claim import AGREES, ERRS, QUOTED, Claim, Found, slide
from cnn_history.lecture.quoted import errors
from cnn_history.papers import KRIZHEVSKY_2012

LECTURES, PAPERS = "alexnet", "alexnet_2012"


def claims() -> tuple[Claim, ...]:
    """The claims."""
    table_2 = (errors, KRIZHEVSKY_2012)
    return (
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
            ("C014", "1 CNN 40.7/18.2", QUOTED, *table_2, "1 CNN", "ten_crop",
             {"val top-1": 40.7, "val top-5": 18.2}),
            ("C015", "5 CNNs 38.1/16.4, test 16.4", QUOTED, *table_2, "5 CNNs", "ten_crop",
             {"val top-1": 38.1, "val top-5": 16.4, "test top-5": 16.4}),
            ("C016", "1 CNN* 39.0/16.6", QUOTED, *table_2, "1 CNN*", "ten_crop",
             {"val top-1": 39.0, "val top-5": 16.6}),
            ("C017", "7 CNNs* 36.7/15.4, test 15.3", QUOTED, *table_2, "7 CNNs*", "ten_crop",
             {"val top-1": 36.7, "val top-5": 15.4, "test top-5": 15.3}),
            ("C018", "SIFT+FVs 26.2 test", QUOTED, *table_2, "SIFT + FVs", "ten_crop",
             {"test top-5": 26.2}),
        ),
    )  # fmt: skip


def image_size(said: int, papers: int) -> Found:
    """The size of image that gives a whole number of positions."""
    conv1 = layer(LECTURES, "conv1")
    side, stride = conv1.kernel[0], conv1.stride
    found = account(LECTURES).input
    whole = (said - side) / stride + 1
    return Found(
        f"({papers} - {side})/{stride} + 1 = {(papers - side) / stride + 1:g}; from {said}: "
        f"{whole:g}",
        found == (said, said, 3) and conv1.output[0] == whole,
        f"The paper's text has {papers}, which gives no whole number without padding.",
    )


def order(said: list[str]) -> Found:
    """Which of normalization and pooling is first."""

    def first(model):
        return [layer.name for layer in account(model).layers if layer.name in said]

    papers, simple = account(PAPERS), account(LECTURES)
    then = {"norm1": "normalization", "pool1": "pooling"}
    words = " before ".join(then[name] for name in first(PAPERS))
    return Found(
        f"{words} in {PAPERS}",
        first(PAPERS) == said,
        f"The paper has {words} (sec. 3.5); pooling first is CaffeNet's order. The simplified net "
        f"has no groups either: {simple.parameters:,} parameters and {simple.macs / 1e9:.3f}G "
        f"multiply-adds against {papers.parameters:,} and {papers.macs / 1e9:.3f}G.",
    )


def classifier(said: tuple[int, ...]) -> Found:
    """Units and weights of the fully-connected layers."""
    found = [layer for layer in account(LECTURES).layers if layer.operation == "fc"]
    weights = " + ".join(f"{layer.weights:,}" for layer in found)
    return Found(f"{weights} weights", tuple(layer.output[-1] for layer in found) == said)
