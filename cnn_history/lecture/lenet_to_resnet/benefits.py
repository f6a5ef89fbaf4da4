"""The benefits of batch normalization that the lecture names, by a study on a small net."""

import functools

from cnn_history.lecture.by_study import outcome
from cnn_history.lecture.claim import BY_STUDY, Finding, slide
from cnn_history.studies import batch_norm_measures as measures
from cnn_history.studies import batch_normalization, defaults
from cnn_history.studies.batch_norm_nets import Setup

TRAINING = {"steps": 60, "seeds": 3}


@functools.cache
def nets() -> Setup:
    """Return the nets and data that all claims share."""
    return Setup(**{**defaults(batch_normalization.run), **TRAINING})


def flow() -> Finding:
    """The dependence of gradients on the weights' size, and on the layer, before training."""
    found = {gain: measures.gradients(nets(), gain) for gain in (measures.SMALL, 1.0)}
    layers = outcome(measures.flow_gain(found[1.0]), "gradients vary less between layers")
    return outcome(
        measures.scale_gain(found),
        "in decades, gradients depend less on the size of the weights,",
        f"With He's initialization: {layers.computed}.",
    )


def rates() -> Finding:
    """The largest learning rate that trains, with batch normalization and without."""
    doublings = measures.rate_gain(measures.losses_by_rate(nets()))
    return outcome(doublings, "in doublings, the largest rate that trains is higher")


def initialization() -> Finding:
    """The number of initial weight sizes, each twice the one before, that train."""
    found = measures.initialization_gain(measures.losses_by_gain(nets()))
    what = f"of {len(measures.GAINS)} sizes of the initial weights, the number that train is higher"
    return outcome(found, what)


def regularization() -> Finding:
    """The effect of batch normalization on the test error and on the gain from dropout."""
    errors = measures.test_errors(nets())
    dropout = outcome(100 * measures.dropout_gain(errors), "in points, dropout gains less")
    return outcome(
        100 * measures.regularization_gain(errors),
        "in points, the test error is lower",
        f"Need for dropout: {dropout.computed}.",
    )


CLAIMS = slide(
    "Batch Normalization",
    ("C160", "improves gradient flow through the network", BY_STUDY, flow),
    ("C161", "allows higher learning rates", BY_STUDY, rates),
    ("C162", "reduces the strong dependence on initialization", BY_STUDY, initialization),
    ("C163", "acts as a form of regularization, slightly reduces the need for dropout, maybe",
     BY_STUDY, regularization),
)  # fmt: skip
