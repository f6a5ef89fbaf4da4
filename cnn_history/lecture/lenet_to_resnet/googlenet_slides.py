"""GoogLeNet (Szegedy et al. 2014)."""

from cnn_history.lecture.claim import AGREES, ERRS, QUOTED, Finding, slide
from cnn_history.lecture.quoted import errors
from cnn_history.lecture.read_off import account, shape, window
from cnn_history.papers import SZEGEDY_2014

MODEL = "googlenet"
SHORT = {"conv": "Conv", "max_pool": "Pool", "avg_pool": "AvgPool", "fc": "FC"}


def depth(said: int) -> Finding:
    """The number of layers with weights on the longest path."""
    found = account(MODEL).depth
    outside = [layer for layer in account(MODEL).layers if "/" not in layer.name]
    pools = sum("pool" in layer.operation for layer in outside)
    return Finding(str(found), found == said, f"With {pools} pooling layers: {found + pools}.")


def counted(said: int) -> Finding:
    """The depth without heads and with them, and the layers that one module adds."""
    bare, headed = account(MODEL), account(MODEL, aux_heads=True)
    modules = {layer.name.split("/")[0] for layer in bare.layers if "/" in layer.name}
    outside = [la for la in bare.layers if la.weights and "/" not in la.name]
    number = len(outside) + 2 * len(modules)
    return Finding(
        f"{len(outside)} outside modules + 2 in each of {len(modules)} modules = {number}",
        number == bare.depth == headed.depth == said,
    )


def linear() -> int:
    """Return the number of parameters of the classifier."""
    return sum(layer.parameters for layer in account(MODEL).layers if layer.operation == "fc")


def fully_connected() -> Finding:
    """The fully-connected layers of GoogLeNet."""
    own, all_ = (
        sum(layer.operation == "fc" for layer in account(MODEL, **options).layers)
        for options in ({}, {"aux_heads": True})
    )
    size, heads = linear(), all_ - own
    share = 100 * size / account(MODEL).parameters
    return Finding(
        f"{own} with {size:,} parameters ({share:.1f}%), {heads} in the auxiliary heads",
        not own and not heads,
        f"The final linear layer remains, with {size:,} parameters or {share:.1f}% of all, and "
        "each auxiliary head has two. Only the expensive ones are gone.",
    )


def parameters(said: int) -> Finding:
    """The number of parameters, with auxiliary heads and without."""
    bare, headed = account(MODEL), account(MODEL, aux_heads=True).parameters
    without = bare.parameters - linear()
    weights = sum(layer.weights for layer in bare.layers)
    return Finding(
        f"{bare.parameters:,} ({weights:,} without biases)",
        round(bare.parameters / 1e6) == said,
        f"There are {bare.parameters:,}, {without:,} without the linear layer and "
        f"{headed:,} with auxiliary heads. The paper of Inception-v3 says 5 million.",
    )


def fewer(said: int) -> Finding:
    """AlexNet's parameters over GoogLeNet's."""
    alexnet, bare = (account(model).parameters for model in ("alexnet_2012", MODEL))
    ratio, without = alexnet / bare, alexnet / (bare - linear())
    headed = alexnet / account(MODEL, aux_heads=True).parameters
    return Finding(
        f"{alexnet:,} / {bare:,} = {ratio:.2f}x",
        round(ratio) == said,
        f"The factor is {ratio:.2f} ({without:.2f} without the linear layer, {headed:.2f} with "
        "auxiliary heads); 12 is 60 million over 5 million.",
    )


def stem(said: list[str]) -> Finding:
    """The layers before the first module."""
    layers = account(MODEL).layers
    before = layers[: next(i for i, la in enumerate(layers) if la.name.startswith("inception"))]
    kinds = [SHORT[la.operation] for la in before if la.operation in SHORT]
    norms = sum(layer.operation == "lrn" for layer in before)
    return Finding(
        ", ".join(f"{SHORT[la.operation].lower()} {window(la)}" for la in before if la.kernel),
        kinds == said,
        "The slide omits two layers of local response normalization." if norms == 2 else "",
    )


def head(said: list[str]) -> Finding:
    """The layers of an auxiliary classifier."""
    layers = [la for la in account(MODEL, aux_heads=True).layers if la.name.startswith("aux_4a")]
    kinds = [SHORT[layer.operation] for layer in layers]
    windows = [f" {window(layer)}" if layer.kernel else "" for layer in layers]
    words = zip(kinds, windows, layers, strict=True)
    text = ", ".join(f"{kind.lower()}{w} -> {shape(layer.output)}" for kind, w, layer in words)
    return Finding(text, kinds == said and layers[1].kernel == (1, 1))


COUNTING = "22 layers: parallel layers count as 1, 2 per module, aux not counted"
CLAIMS = slide(
    "GoogLeNet",
    ("C106", "22 layers", AGREES, depth, 22),
    ("C107", "No FC layers", ERRS, fully_connected),
    ("C108", "Only 5 million parameters!", ERRS, parameters, 5),
    ("C109", "12x less params than AlexNet", ERRS, fewer, 12),
    ("C110", "ILSVRC'14 winner (6.7% top-5)", QUOTED, errors, SZEGEDY_2014,
     "GoogLeNet, 7 models", "crops144", None, None, 6.7),
    ("C127", "Stem: Conv-Pool-2x Conv-Pool", AGREES, stem,
     ["Conv", "Pool", "Conv", "Conv", "Pool"]),
    ("C128", "Aux: AvgPool-1x1Conv-FC-FC-Softmax", AGREES, head, ["AvgPool", "Conv", "FC", "FC"]),
    ("C129", COUNTING, AGREES, counted, 22),
)  # fmt: skip
