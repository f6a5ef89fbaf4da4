"""GoogLeNet (Szegedy et al. 2014)."""

from cnn_history.lecture.claim import AGREES, ERRS, QUOTED, Finding, slide
from cnn_history.lecture.quoted import errors
from cnn_history.lecture.read_off import account, shape, window
from cnn_history.papers import SZEGEDY_2014

MODEL = "googlenet"
SHORT = {"conv": "Conv", "max_pool": "Pool", "avg_pool": "AvgPool", "fc": "FC"}


def depth(said: int) -> Finding:
    """Layers with weights on the longest way."""
    found = account(MODEL).depth
    outside = [layer for layer in account(MODEL).layers if "/" not in layer.name]
    pools = sum("pool" in layer.operation for layer in outside)
    return Finding(str(found), found == said, f"With its {pools} poolings it is {found + pools}.")


def counted(said: int) -> Finding:
    """The same without heads and with them, and what one module adds."""
    bare, headed = account(MODEL), account(MODEL, aux_heads=True)
    modules = {layer.name.split("/")[0] for layer in bare.layers if "/" in layer.name}
    outside = [la for la in bare.layers if la.weights and "/" not in la.name]
    number = len(outside) + 2 * len(modules)
    return Finding(
        f"{len(outside)} outside modules + 2 x {len(modules)} modules = {number}",
        number == bare.depth == headed.depth == said,
    )


def fully_connected() -> Finding:
    """The fully-connected layers that are there."""
    layers, all_layers = account(MODEL).layers, account(MODEL, aux_heads=True).layers
    own = [layer for layer in layers if layer.operation == "fc"]
    heads = sum(layer.operation == "fc" for layer in all_layers) - len(own)
    size = sum(layer.parameters for layer in own)
    share = 100 * size / account(MODEL).parameters
    return Finding(
        f"{len(own)} of {size:,} parameters ({share:.1f}%), {heads} in the auxiliary heads",
        not own and not heads,
        f"One linear layer to the classes is left, {size:,} parameters or {share:.1f}% of all, and "
        "each auxiliary head has two; what is gone are the expensive ones.",
    )


def parameters(said: int) -> Finding:
    """All parameters, with heads and without."""
    bare, headed = account(MODEL), account(MODEL, aux_heads=True).parameters
    linear = sum(layer.parameters for layer in bare.layers if layer.operation == "fc")
    weights = sum(layer.weights for layer in bare.layers)
    return Finding(
        f"{bare.parameters:,} ({weights:,} without biases)",
        round(bare.parameters / 1e6) == said,
        f"There are {bare.parameters:,}, {bare.parameters - linear:,} without the linear layer and "
        f"{headed:,} with auxiliary heads; 5 million is what the paper of Inception-v3 says.",
    )


def fewer(said: int) -> Finding:
    """AlexNet's parameters over GoogLeNet's."""
    alexnet, bare = account("alexnet_2012").parameters, account(MODEL)
    linear = sum(layer.parameters for layer in bare.layers if layer.operation == "fc")
    ratio, without = alexnet / bare.parameters, alexnet / (bare.parameters - linear)
    headed = alexnet / account(MODEL, aux_heads=True).parameters
    return Finding(
        f"{alexnet:,} / {bare.parameters:,} = {ratio:.2f}x",
        round(ratio) == said,
        f"It is {ratio:.2f}x ({without:.2f}x without the linear layer, {headed:.2f}x with auxiliary"
        " heads); 12 is 60 million over 5 million.",
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
        "Two layers of local response normalization are left out." if norms == 2 else "",
    )


def head(said: list[str]) -> Finding:
    """The layers of an auxiliary classifier."""
    layers = [la for la in account(MODEL, aux_heads=True).layers if la.name.startswith("aux_4a")]
    described = [
        f"{SHORT[la.operation].lower()} {window(la) if la.kernel else ''} -> {shape(la.output)}"
        for la in layers
    ]
    return Finding(
        ", ".join(" ".join(text.split()) for text in described),
        [SHORT[la.operation] for la in layers] == said and layers[1].kernel == (1, 1),
    )


COUNTING = "22 layers: parallel layers count as 1, 2 per module, aux not counted"
CLAIMS = slide(
    "GoogLeNet",
    ("C106", "22 layers", AGREES, depth, 22),
    ("C107", "No FC layers", ERRS, fully_connected),
    ("C108", "Only 5 million parameters!", ERRS, parameters, 5),
    ("C109", "12x less params than AlexNet", ERRS, fewer, 12),
    ("C110", "ILSVRC'14 winner (6.7% top-5)", QUOTED, errors, SZEGEDY_2014,
     "GoogLeNet, 7 models", "crops144", {"test top-5": 6.7}),
    ("C127", "Stem: Conv-Pool-2x Conv-Pool", AGREES, stem,
     ["Conv", "Pool", "Conv", "Conv", "Pool"]),
    ("C128", "Aux: AvgPool-1x1Conv-FC-FC-Softmax", AGREES, head, ["AvgPool", "Conv", "FC", "FC"]),
    ("C129", COUNTING, AGREES, counted, 22),
)  # fmt: skip
