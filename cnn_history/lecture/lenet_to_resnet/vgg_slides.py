"""VGG (Simonyan & Zisserman 2014), except for the listing."""

import functools

from cnn_history import datasets
from cnn_history.lecture.claim import AGREES, BY_STUDY, ERRS, QUOTED, Finding, slide
from cnn_history.lecture.quoted import errors, errors_on_test, rows
from cnn_history.lecture.read_off import account, window
from cnn_history.models.vgg import COLUMNS
from cnn_history.papers import SIMONYAN_2014, SZEGEDY_2014, ZEILER_2013
from cnn_history.studies import fc7_transfer, receptive_field
from cnn_history.studies.stack import Window, cost

THREE, SEVEN = ((3, 3),) * 3, ((7, 7),)
SOURCE = "mnist"
TRANSFER = {"source": SOURCE, "endpoints": ("fc4",), "steps": 500, "seeds": 3}
CHANNELS = 64  # of the compared stacks; the ratio is the same for any number


def winners(before: float, after: float) -> Finding:
    """The printed test errors of ZFNet and VGG."""
    own, submitted = errors_on_test(ZEILER_2013), errors_on_test(SIMONYAN_2014, "ILSVRC submission")
    return Finding(
        f"ZFNet {', '.join(map(str, own))}; VGG {', '.join(map(str, submitted))} on test",
        before in own and after in submitted,
        f"{after} is VGG's (7 nets, table 6), but {before} is Clarifai's entry. ZFNet's paper has "
        f"{own[0]} at best ({ZEILER_2013.source}, table 2).",
    )


def depths(said: tuple[int, ...]) -> Finding:
    """The numbers of layers with weights of three networks."""
    found = tuple(account(model).depth for model in ("alexnet", "vgg16", "vgg19"))
    return Finding("{}; {}; {}".format(*found), found == said)


def windows(conv: str, pool: str) -> Finding:
    """Kernel sizes and strides; the size stays the same, so the padding is 1."""

    def uniform(model):
        size, kept = account(model).input[0], True
        for layer in account(model).layers:
            if layer.operation == "conv":
                kept &= window(layer) == conv and layer.output[0] == size
            elif layer.operation == "max_pool":
                kept &= window(layer) == pool
            size = layer.output[0]
        return kept

    found = {model: uniform(model) for model in COLUMNS}
    others = [COLUMNS[model] for model, kept in found.items() if not kept]
    return Finding(
        f"true of {', '.join(COLUMNS[m] for m, kept in found.items() if kept)}",
        all(found[model] for model in ("vgg11", "vgg13", "vgg16", "vgg19")),
        f"Column {', '.join(others)} of table 1 also has 1x1 convolutions." if others else "",
    )


def field(stack: tuple[Window, ...], said: int) -> Finding:
    """The receptive field of a stack, by differentiating its middle output."""
    side = receptive_field.field(stack)
    return Finding(f"{side}x{side}", side == said == cost(stack, (56, 56, 1))["counted_field"])


def parameters(three: int, seven: int) -> Finding:
    """The weights of both stacks, divided by the square of the number of channels."""
    found = [cost(stack, (56, 56, CHANNELS))["parameters"] for stack in (THREE, SEVEN)]
    ratio = found[1] / found[0]
    return Finding(
        f"{found[0] / CHANNELS**2:g} C^2 vs {found[1] / CHANNELS**2:g} C^2, a ratio of "
        f"{ratio:.3f}: {100 * (ratio - 1):.0f}% more",
        found == [three * CHANNELS**2, seven * CHANNELS**2],
    )


def nonlinearities() -> Finding:
    """The layers and activation functions of both stacks."""
    three, seven = (cost(stack, (56, 56, 1))["nonlinearities"] for stack in (THREE, SEVEN))
    return Finding(
        f"{len(THREE)} layers with {three} non-linearities instead of {len(SEVEN)} with {seven}",
        len(THREE) > len(SEVEN) and three > seven,
    )


def ranks(said: int) -> Finding:
    """VGG's place in ILSVRC 2014, from the test errors in both papers."""
    (own,) = errors_on_test(SIMONYAN_2014, "ILSVRC submission")
    (best,) = errors_on_test(SZEGEDY_2014, "GoogLeNet")
    rank = 1 + (best < own)
    return Finding(
        f"classification: place {rank}, {own} behind GoogLeNet's {best}; 'the first and the second "
        "places in the localisation and classification tracks' (abstract)",
        rank == said,
    )


def without_lrn() -> Finding:
    """VGG's errors with and without local response normalization."""
    (lrn,), (bare,) = rows(SIMONYAN_2014, "VGG-A-LRN"), rows(SIMONYAN_2014, "VGG-A", "dense")[:1]
    return Finding(
        f"'generally follows Krizhevsky et al.' (sec. 3.1); A-LRN {lrn.top1}/{lrn.top5}, A "
        f"{bare.top1}/{bare.top5} ({bare.where})",
        lrn.top1 >= bare.top1 and lrn.top5 >= bare.top5,
    )


def deeper() -> Finding:
    """The errors and costs of VGG16 and VGG19."""

    def best(label):
        jittered = ("table 3, S in", "table 4")
        found = [r for r in rows(SIMONYAN_2014, label) if r.where.startswith(jittered)]
        return [(r.top1, r.top5) for r in found]

    pairs = list(zip(best("VGG-D"), best("VGG-E"), strict=True))
    small, large = account("vgg16"), account("vgg19")
    better = all(0 <= a[0] - b[0] <= 0.5 for a, b in pairs)
    errors = ", ".join(f"{a[0]}/{a[1]} -> {b[0]}/{b[1]}" for a, b in pairs)
    return Finding(
        f"{errors} (tables 3, 4); activations {small.activations / 1e6:.2f}M -> "
        f"{large.activations / 1e6:.2f}M, parameters {small.parameters / 1e6:.2f}M -> "
        f"{large.parameters / 1e6:.2f}M",
        better and large.activations > small.activations and large.parameters > small.parameters,
    )


def ensembles() -> Finding:
    """The best errors of two networks and of one."""
    crops = "multi_crop_and_dense"
    on_val = [row for row in rows(SIMONYAN_2014, protocol=crops) if row.split == "val"]
    one, two = (
        min((row for row in on_val if row.models == n), key=lambda row: row.top1 + row.top5)
        for n in (1, 2)
    )
    return Finding(
        f"2 nets {two.top1}/{two.top5} ({two.where}), 1 net {one.top1}/{one.top5} ({one.where})",
        two.top1 < one.top1 and two.top5 < one.top5,
    )


@functools.cache
def transferred() -> Finding:
    """Features of LeNet-5's last hidden layer, trained on MNIST, for other digits."""
    try:
        datasets.source(SOURCE, "train")
    except ValueError as error:  # the data set is not there
        return Finding(f"inconclusive: {error}", True)
    found = fc7_transfer.run(**TRANSFER)
    return Finding(found.answer.partition("; the best layer")[0], True)


def initialization() -> Finding:
    """The paper's words on initialization."""
    return Finding(
        "normal, '10^-2 variance', deeper nets from A's layers; 'after the paper submission we "
        "found that it is possible to initialise the weights without pre-training by using' Glorot "
        "& Bengio's (sec. 3.1)",
        True,
        "This is true only of the authors' finding after submission.",
    )


def googlenet(one: float, seven: float) -> Finding:
    """GoogLeNet's errors in its own paper."""
    found = {row.models: row.top5 for row in rows(SZEGEDY_2014, "GoogLeNet", "crops144")}
    text = f"printed: 1 net {found[1]}, 7 nets {found[7]} ({SZEGEDY_2014.source}, table 3)"
    return Finding(text, (round(found[1], 1), round(found[7], 1)) == (one, seven))


PAPER = (errors, SIMONYAN_2014)
CLAIMS = (
    *slide(
        "VGG",
        ("C022", "11.7% ILSVRC'13 (ZFNet) -> 7.3% ILSVRC'14", ERRS, winners, 11.7, 7.3),
        ("C023", "8 layers (AlexNet) -> 16-19 layers", AGREES, depths, (8, 16, 19)),
        ("C024", "Only 3x3 CONV stride 1 pad 1 and 2x2 MAX POOL stride 2", AGREES, windows,
         "3x3/1", "2x2/2"),
        ("C025", "two 3x3 stride 1 -> effective receptive field (figure: 5x5)", AGREES, field,
         ((3, 3),) * 2, 5),
        ("C026", "three 3x3 = one 7x7", AGREES, field, THREE, 7),
        ("C027", "3*(3^2 C^2) vs 7^2 C^2", AGREES, parameters, 3 * 3**2, 7**2),
        ("C168", "stack of three 3x3: deeper, more non-linearities", AGREES, nonlinearities),
    ),
    *slide(
        "VGG details",
        ("C055", "ILSVRC'14 2nd in classification, 1st in localization", QUOTED, ranks, 2),
        ("C056", "Similar training procedure as Krizhevsky 2012; no LRN", QUOTED, without_lrn),
        ("C057", "VGG19 only slightly better, more memory", AGREES, deeper),
        ("C058", "Use ensembles for best results", QUOTED, ensembles),
        ("C059", "FC7 features generalize well", BY_STUDY, transferred),
        ("C060", "(Sort of) used Xavier initialization", QUOTED, initialization),
        ("C167", "FC7 features generalize well to other tasks", BY_STUDY, transferred),
    ),
    *slide(
        "VGG Table 6/7",
        ("C100", "ILSVRC submission 24.7/7.5/7.3", QUOTED, *PAPER, "ILSVRC submission",
         "multi_scale_dense", 24.7, 7.5, 7.3),
        ("C101", "D+E dense 24.0/7.1/7.0", QUOTED, *PAPER, "D and E", "multi_scale_dense",
         24.0, 7.1, 7.0),
        ("C102", "D+E multi-crop 23.9/7.2/-", QUOTED, *PAPER, "D and E", "crops150", 23.9, 7.2),
        ("C103", "D+E multi-crop & dense 23.7/6.8/6.8", QUOTED, *PAPER, "D and E",
         "multi_crop_and_dense", 23.7, 6.8, 6.8),
        ("C104", "1 net 24.4/7.1/7.0", QUOTED, *PAPER, "VGG-E", "multi_crop_and_dense",
         24.4, 7.1, 7.0),
        ("C105", "GoogLeNet 1 net 7.9, 7 nets 6.7", QUOTED, googlenet, 7.9, 6.7),
    ),
)  # fmt: skip
