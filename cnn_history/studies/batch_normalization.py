"""The lecture's four claims about batch normalization, and the statistics that it uses in testing.

Ioffe & Szegedy 2015 (arXiv:1502.03167), sec. 1, 3.3, 3.4 and 4.2.
"""

from typing import Annotated, Any

import numpy as np

from cnn_history.choices import whole
from cnn_history.reporting import style
from cnn_history.studies import batch_norm_measures as measures
from cnn_history.studies.batch_norm_measures import CHANCE, GAINS, LAG, RATES, SMALL
from cnn_history.studies.batch_norm_nets import BARE, NETS, NORMED, PAIR, Setup
from cnn_history.studies.findings import Findings, picture
from cnn_history.studies.interval import counted, said

COLOURS = {BARE: style.TEST, NORMED: style.TRAIN}
QUESTION = (
    "Batch normalization improves gradient flow through the network; allows higher learning "
    "rates; reduces the strong dependence on initialization; acts as a form of regularization, and "
    "slightly reduces the need for dropout, maybe. At test time it functions differently: a fixed "
    "empirical mean is used, such as a running average."
)
VARIANTS = {
    "smoke": {"examples": 100, "convolutions": 1, "steps": 2, "batch_size": 16, "seeds": 1},
    "long": {
        **{"dataset": "cifar10", "image_size": 32, "examples": 50_000, "convolutions": 3},
        **{"steps": 2000, "batch_size": 128, "seeds": 10},
    },
}


def run(
    dataset: str = "digits",
    image_size: Annotated[int, whole(8)] = 8,
    examples: Annotated[int, whole(2 * measures.STATISTICS_BATCHES)] = 1437,
    convolutions: int = 3,
    steps: int = 120,
    batch_size: int = 32,
    seeds: int = 4,
) -> Findings:
    """Measure each claim on the same small net with batch norm and without.

    Args:
      dataset: data set with ten classes.
      image_size: side to which images are resized; 8 or more.
      examples: most training images, and most test images, to use; 40 or more.
      convolutions: convolutions in each of the net's three stages.
      steps: updates per run.
      batch_size: images per step.
      seeds: runs of each kind.
    """
    nets = Setup(dataset, image_size, examples, convolutions, steps, batch_size, seeds)
    flow = {gain: measures.gradients(nets, gain) for gain in (SMALL, 1.0)}
    by_rate = measures.losses_by_rate(nets)
    by_gain = measures.losses_by_gain(nets)
    errors = measures.test_errors(nets)
    tests = measures.losses_by_statistics(nets)
    rows = [
        *(
            _row("gradient", net, f"{layer}, {gain:g} He", "log10 rms", np.log10(values))
            for gain, nets in flow.items()
            for net, by_layer in nets.items()
            for layer, values in by_layer.items()
        ),
        *_end_rows("rate", RATES, by_rate),
        *_end_rows("initialization", GAINS, by_gain),
        *(_row("regularization", net, "end", "test error", errors[net]) for net in NETS),
        *(_row("statistics", NORMED, name, "test loss", of[:, -1]) for name, of in tests.items()),
    ]
    drawing = _draw(flow, by_rate, by_gain, tests, measures.powers(steps))
    said = answer(flow, by_rate, by_gain, errors, tests)
    return Findings(QUESTION, said, rows, {"batch_normalization.png": drawing})


def answer(flow: dict, by_rate: dict, by_gain: dict, errors: dict, tests: dict) -> str:
    """Give for each claim the verdict of the seeds, with its interval."""
    rates = {net: np.exp2(np.log2(measures.largest_rate(by_rate[net])).mean()) for net in PAIR}
    count = {net: measures.trained(by_gain[net]).sum(1).mean() for net in PAIR}
    moving, true = tests["moving average"], tests["true average"]
    flow_said, even = said(measures.scale_gain(flow)), said(measures.flow_gain(flow[1.0]))
    alone, together = (
        100 * (errors[one] - errors[other]).mean()
        for one, other in ((BARE, "dropout"), (NORMED, "both"))
    )
    parts = [
        f"gradient flow: {flow_said} (decades by which a quarter of He's initial kernels changes "
        "gradients less)",
        f"more even over the layers: {even} (decades less standard deviation over the layers' "
        "gradients, He's initialization)",
        f"higher learning rates: {said(measures.rate_gain(by_rate))} (doublings; the largest rate "
        f"that trains is {rates[NORMED]:.2g} against {rates[BARE]:.2g})",
        "less dependence on initialization: "
        f"{said(measures.initialization_gain(by_gain))} (doublings; of {len(GAINS)} sizes of the "
        f"initial kernels, {GAINS[0]:g} to {GAINS[-1]:g} times He's, {count[NORMED]:.1f} train "
        f"against {count[BARE]:.1f})",
        f"regularization: {said(100 * measures.regularization_gain(errors))} "
        "(points of test error less)",
        f"less need for dropout: {said(100 * measures.dropout_gain(errors))} (points of test error "
        f"less to gain; dropout gains {alone:.1f} without batch norm and {together:.1f} with it)",
        f"moving averages lag after {LAG} steps: {said(measures.lag(moving, true))} (test loss "
        "above that with true averages)",
        f"moving averages lag at the end: {said(moving[:, -1] - true[:, -1])} (likewise)",
    ]
    return f"{'; '.join(parts)}. 95 % intervals over {len(moving)} seeds."


def _row(part: str, net: str, at: str, what: str, values: np.ndarray) -> dict[str, Any]:
    return {"part": part, "net": net, "at": at, "measured": what, **counted("mean", values)}


def _end_rows(part: str, settings: tuple[float, ...], ends: dict[str, np.ndarray]) -> list[dict]:
    return [
        _row(part, net, f"{setting:g}", "training loss", np.minimum(of, CHANCE))
        for net, found in ends.items()
        for setting, of in zip(settings, found.T, strict=True)
    ]


CAPTION = (
    "Top left: the gradient of each layer's kernel before training, for He's initialization and a "
    "quarter of it. Top right and bottom left: the last training loss against the learning rate "
    "and against the size of the initial kernels, with a point for each seed; losses above chance "
    "are drawn at chance. Bottom right: the test loss of the net with batch norm during training, "
    "by the statistics used."
)


@picture(CAPTION, 2, 2, figsize=(9.6, 6.4))
def _draw(panels, flow: dict, by_rate: dict, by_gain: dict, tests: dict, steps: list[int]) -> None:
    (gradient, rate), (gain, test) = panels
    names = {BARE: "no norm", NORMED: NORMED}
    for size, nets in flow.items():
        for net, by_layer in nets.items():
            look = {"color": COLOURS[net], "linestyle": "-" if size == 1 else "--"}
            look["label"] = f"{names[net]}, {'He' if size == 1 else 'He / 4'}"
            values = [v.mean() for v in by_layer.values()]
            gradient.plot(list(by_layer), values, marker="o", markersize=3, **look)
    gradient.set(title="rms gradient of the kernels before training", yscale="log")
    gradient.tick_params("x", rotation=45)
    for axes, settings, ends in ((rate, RATES, by_rate), (gain, GAINS, by_gain)):
        axes.axhline(CHANCE, color=style.PAPER, linewidth=0.8, linestyle=":")
        for net, found in ends.items():
            capped = np.minimum(found, CHANCE)
            axes.plot(settings, capped.mean(0), color=COLOURS[net], label=names[net])
            axes.plot(settings, capped.T, "o", color=COLOURS[net], markersize=2.5, alpha=0.5)
        axes.set(xscale="log", ylabel="training loss at the end")
    rate.set(title="learning rate", xlabel="rate")
    gain.set(title="initialization", xlabel="initial kernels, times He's")
    for (name, found), colour in zip(tests.items(), style.CATEGORIES[2:], strict=False):
        line = ":" if name == "the test batch's own" else "-"  # it would hide another line
        test.plot(steps, found.mean(0), "o", ls=line, markersize=3, color=colour, label=name)
    test.set(title="statistics in testing", xlabel="step", ylabel="test loss", xscale="log")
    for axes, ticks in ((gain, GAINS), (test, steps)):
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
