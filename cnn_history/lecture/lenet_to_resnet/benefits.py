"""What the lecture promises of batch normalization: studied on a small net and real images."""

import functools

from cnn_history.lecture.by_study import outcome
from cnn_history.lecture.claim import BY_STUDY, Finding, slide
from cnn_history.studies import batch_norm_measures as measures
from cnn_history.studies import batch_normalization, defaults
from cnn_history.studies.batch_norm_nets import Setup

TRAINING = {"steps": 60, "seeds": 3}


@functools.cache
def nets() -> Setup:
    """Return nets and data, which all of them have in common."""
    return Setup(**{**defaults(batch_normalization.run), **TRAINING})


def flow() -> Finding:
    """How much the gradients depend on the weights' size, and on the layer, at the start."""
    found = {gain: measures.gradients(nets(), gain) for gain in (measures.SMALL, 1.0)}
    layers = outcome(measures.flow_gain(found[1.0]), "they are less far apart between layers")
    return outcome(
        measures.scale_gain(found),
        "gradients change less with the size of the weights, in decades,",
        f"From He's initialization: {layers.computed}.",
    )


def rates() -> Finding:
    """The largest rate that trains."""
    doublings = measures.rate_gain(measures.losses_by_rate(nets()))
    return outcome(doublings, "the largest rate that trains is higher, in doublings,")


def initialization() -> Finding:
    """From how many more sizes of the first weights, each twice the one before, it trains."""
    found = measures.initialization_gain(measures.losses_by_gain(nets()))
    what = f"of {len(measures.GAINS)} sizes of the first weights, the number that trains is higher"
    return outcome(found, what)


def regularization() -> Finding:
    """What batch normalization does for the test error, and what dropout then adds."""
    errors = measures.test_errors(nets())
    without = outcome(100 * measures.dropout_gain(errors), "dropout gains less with it, in points,")
    return outcome(
        100 * measures.regularization_gain(errors),
        "the test error is lower, in points,",
        f"Of dropout: {without.computed}.",
    )


CLAIMS = slide(
    "Batch Normalization",
    ("C160", "improves gradient flow through the network", BY_STUDY, flow),
    ("C161", "allows higher learning rates", BY_STUDY, rates),
    ("C162", "reduces the strong dependence on initialization", BY_STUDY, initialization),
    ("C163", "acts as a form of regularization, slightly reduces the need for dropout, maybe",
     BY_STUDY, regularization),
)  # fmt: skip
