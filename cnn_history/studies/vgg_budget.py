"""Memory and parameters of VGG16 by layer (lecture, "VGGNet")."""

from cnn_history import accounting
from cnn_history.accounting import Account
from cnn_history.reporting import style
from cnn_history.studies.findings import Findings, picture

MODEL = "vgg16"
BYTES = 4  # of a float32
EARLY = ("conv1_1", "conv1_2", "pool1", "conv2_1", "conv2_2", "pool2")
LATE = ("fc6", "fc7", "fc8")
LECTURE = 24e6  # floats for one image
QUESTION = (
    "TOTAL memory: 24M * 4 bytes ~= 96MB / image (only forward! ~*2 for bwd); TOTAL params: 138M "
    "parameters. Most memory is in early CONV, most params are in late FC."
)
CAPTION = (
    "Activations for one image (above) and weights (below) of each layer of VGG16, as shares of "
    "their totals."
)
VARIANTS = {"smoke": {}}


def shares(account: Account, names: tuple[str, ...]) -> tuple[float, float]:
    """Return the shares of the activations and of the weights in the named layers."""
    chosen = [layer for layer in account.layers if layer.name in names]
    activations = sum(layer.activations for layer in chosen) / account.activations
    return activations, sum(layer.weights for layer in chosen) / weights(account)


def weights(account: Account) -> int:
    """Return the number of weights without biases, as in the lecture's listing."""
    return sum(layer.weights for layer in account.layers)


def with_relus(account: Account) -> int:
    """Return the activations if each ReLU's output were stored beside its input."""
    activated = [layer for layer in account.layers if layer.weights][:-1]
    return account.activations + sum(layer.activations for layer in activated)


def run() -> Findings:
    """Sum activations and weights of VGG16 over its layers."""
    account = accounting.account(MODEL)
    rows = [
        {
            "layer": layer.name,
            "output": "x".join(map(str, layer.output)),
            "activations": layer.activations,
            "memory_mb": layer.activations * BYTES / 1e6,
            "share_of_memory": layer.activations / account.activations,
            "weights": layer.weights,
            "share_of_weights": layer.weights / weights(account),
        }
        for layer in account.layers
    ]
    return Findings(QUESTION, _answer(account), rows, {"budget.png": _draw(account, rows)})


def _answer(account: Account) -> str:
    total, doubled = account.activations, with_relus(account)
    return (
        f"{total:,} floats or {total * BYTES / 1e6:.1f} MB per image, not {LECTURE / 1e6:.0f}M. "
        f"With each ReLU's output stored beside its input it would be {doubled:,}; no reading "
        f"gives the lecture's number. {weights(account):,} weights; {account.parameters:,} "
        f"parameters with biases. The layers up to pool2 hold "
        f"{100 * shares(account, EARLY)[0]:.1f} % of the memory. The fully-connected layers hold "
        f"{100 * shares(account, LATE)[1]:.1f} % of the weights, fc6 alone "
        f"{100 * shares(account, LATE[:1])[1]:.1f} %."
    )


@picture(CAPTION, 2, 1, figsize=(8, 4), sharex=True)
def _draw(panels, account: Account, rows: list[dict]) -> None:
    for axes, colour, what, of, total in (
        (panels[0], style.TRAIN, "activations", "share_of_memory", account.activations),
        (panels[1], style.TEST, "weights", "share_of_weights", weights(account)),
    ):
        percent = [100 * row[of] for row in rows]
        bars = axes.bar([row["layer"] for row in rows], percent, color=colour)
        axes.bar_label(bars, [f"{p:.1f}" if p >= 0.5 else "" for p in percent], fontsize=7)
        axes.set(ylabel="% of the total", title=f"{what}: {total / 1e6:.1f} million in total")
        axes.grid(axis="x", visible=False)
    panels[1].tick_params(axis="x", rotation=60)
    panels[1].margins(x=0.01)
