"""Batch normalization (Ioffe & Szegedy 2015), and its decorrelated form (Huang et al. 2018)."""

import datetime

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from cnn_history import layers, models
from cnn_history.lecture.claim import AGREES, QUOTED, Finding, slide
from cnn_history.papers import HUANG_2018

EXAMPLES, CHANNELS = 32, 8
DATA = np.random.default_rng(0).normal(3.0, 2.0, (EXAMPLES, CHANNELS)).astype(np.float32)
FLOAT32 = 1e-5  # tolerance for the rounding of a few operations on numbers near 10


def normalized(layer: nn.Module, x=DATA, train=True, **changed) -> tuple[np.ndarray, dict]:
    """Return a layer's output for x and its statistics; `changed` replaces parameters."""
    variables = layer.init(jax.random.key(0), x, use_running_average=False)
    variables = {**variables, "params": {**variables["params"], **changed}}
    y, state = layer.apply(variables, x, use_running_average=not train, mutable=["batch_stats"])
    return np.asarray(y), {**variables["batch_stats"], **state["batch_stats"]}


def identity() -> Finding:
    """The distance from the identity for gamma = sqrt(Var), beta = E, with epsilon and without."""
    layer, mean, var = layers.BatchNorm(), DATA.mean(0), DATA.var(0)
    ways = (
        (layers.BatchNorm(epsilon=0.0), var),
        (layer, var),
        (layer, var + layer.epsilon),
    )
    made = (normalized(norm, scale=jnp.sqrt(square), bias=mean)[0] for norm, square in ways)
    off = [float(np.abs(y - DATA).max()) for y in made]
    return Finding(
        f"off by {off[0]:.1e} without epsilon, {off[1]:.1e} with epsilon {layer.epsilon:g}",
        off[0] < FLOAT32 and off[2] < FLOAT32,
        f"With epsilon, gamma must be sqrt(Var + epsilon), which is off by {off[2]:.1e}.",
    )


def variance() -> Finding:
    """The variance used in training, and the variance kept for inference."""
    layer = layers.BatchNorm(epsilon=0.0, momentum=0.0)
    y, kept = normalized(layer)
    used = np.square((DATA - DATA.mean(0)) / y).mean(0)
    biased, unbiased = DATA.var(0), DATA.var(0, ddof=1)
    in_training, at_test = (float((np.asarray(v) / biased).mean()) for v in (used, kept["var"]))
    return Finding(
        f"relative to the biased variance: training {in_training:.4f}, inference {at_test:.4f} = "
        f"m/(m-1), m = {len(DATA)}",
        np.allclose(used, biased, rtol=1e-4) and np.allclose(kept["var"], unbiased, rtol=1e-4),
        "For inference the paper uses m/(m-1) E[Var] (algorithm 2), which the slide omits.",
    )


def place() -> Finding:
    """The layers before and after each normalization of BN-Inception."""
    events = []

    def activation(x):
        events.append("activation")
        return nn.relu(x)

    def watch(call, args, kwargs, context):
        y = call(*args, **kwargs)
        if isinstance(context.module, nn.Conv | layers.BatchNorm):
            events.append(type(context.module).__name__)
        return y

    net = models.create("bn_inception", activation=activation)
    image = jax.ShapeDtypeStruct((1, *models.info("bn_inception").input), jnp.float32)
    with nn.intercept_methods(watch):
        jax.eval_shape(lambda x: net.init(jax.random.key(0), x, train=False), image)
    norms = [i for i, event in enumerate(events) if event == "BatchNorm"]
    right = sum(events[i - 1 : i + 2] == ["Conv", "BatchNorm", "activation"] for i in norms)
    return Finding(
        f"{right} of {len(norms)} normalizations of bn_inception are between a convolution and "
        "its activation",
        right == len(norms) > 0,
    )


def test_time() -> Finding:
    """The effect of the other examples of a batch on a result, in training and at test time."""
    layer = layers.BatchNorm()

    def change(train):
        whole, _ = normalized(layer, train=train)
        part, _ = normalized(layer, DATA[: EXAMPLES // 2], train=train)
        return float(np.abs(whole[: EXAMPLES // 2] - part).max())

    _, kept = normalized(layer)
    average = (1 - layer.momentum) * DATA.mean(0)
    return Finding(
        f"the other examples change a result by {change(True):.2f} in training, by "
        f"{change(False):g} at test time",
        change(False) < FLOAT32 < change(True) and np.allclose(kept["mean"], average, rtol=1e-5),
        "These are running averages; ResNet's release has true averages.",
    )


def whitened() -> Finding:
    """The covariance of correlated channels after symmetric (ZCA) whitening."""
    layer = layers.DecorrelatedBatchNorm(group_size=CHANNELS)
    x = DATA @ np.random.default_rng(1).normal(size=(CHANNELS, CHANNELS)).astype(np.float32)
    y, _ = normalized(layer, x)
    values, vectors = np.linalg.eigh(np.cov(x.T.astype(float), bias=True))
    slides = (x - x.mean(0)) @ (vectors / np.sqrt(values)) @ vectors.T
    far = float(np.abs(y.T @ y / len(y) - np.eye(CHANNELS)).max())
    off = float(np.abs(y - slides).max())
    return Finding(
        f"covariance = I to {far:.1e}; {off:.1e} from the slide's formula",
        far < 2 * layer.epsilon / values.min() + 1e-4 and off < 1e-2,
        f"The layer uses Sigma + epsilon I with epsilon {layer.epsilon:g}, in groups of channels.",
    )


def appeared(said: str) -> Finding:
    """The month of the paper, from its arXiv number."""
    month = f"{datetime.datetime.strptime(HUANG_2018.arxiv[:4], '%y%m'):%B %Y}"
    right = f"{datetime.datetime.strptime(said, '%m/%d/%Y'):%B %Y}" == month
    return Finding(f"{HUANG_2018.source}: {month}", right)


CLAIMS = (
    *slide(
        "BatchNorm",
        ("C130", "x-hat = (x-E)/sqrt(Var) ; y = gamma x-hat + beta; "
         "gamma = sqrt(Var), beta = E recovers identity", AGREES, identity),
        ("C131", "Var is the biased batch variance (1/m)", AGREES, variance),
        ("C132", "after FC/conv, before nonlinearity", AGREES, place),
        ("C133", "test time: fixed empirical mean, e.g. running averages", AGREES, test_time),
    ),
    *slide(
        "Decorrelated BN",
        ("C134", "x-hat = Sigma^{-1/2}(x - mu)", AGREES, whitened),
        ("C135", "Appeared 4/23/2018", QUOTED, appeared, "4/23/2018"),
    ),
)  # fmt: skip
