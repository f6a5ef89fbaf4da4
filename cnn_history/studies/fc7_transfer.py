"""Features of a trained network on another data set (lecture, "VGG details": FC7).

Donahue et al. 2013, "DeCAF" (arXiv:1310.1531), fit linear classifiers on AlexNet's fc6 and fc7.
"""

import functools
import pathlib
import warnings
from collections.abc import Callable, Sequence
from typing import Annotated

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from cnn_history import datasets, layers, loading, models, optimizers
from cnn_history.choices import TEXT, several, whole
from cnn_history.datasets import adapters
from cnn_history.datasets import examples as every
from cnn_history.errors import blame, field
from cnn_history.files import workdir
from cnn_history.reporting import style
from cnn_history.studies import train
from cnn_history.studies.findings import Findings, Picture
from cnn_history.studies.interval import columns, interval, spread, verdict

RATE, DECAY = 0.01, 0.9
LARGEST = (6, 6)  # larger maps are averaged to it: AlexNet's pool5
STRENGTHS = (0.001, 0.01, 0.1, 1.0)  # of the data against the classifier's L2 penalty
HELD_OUT = 0.25  # the share of the training images on which the strength is chosen
ITERATIONS = 1000  # of L-BFGS at most
BATCH = 100
PHOTO = 256  # side of a photo's central square
KINDS = ("trained", "random")
QUESTION = "FC7 features generalize well to other tasks."
CAPTION = (
    "Test error of a linear classifier on what each layer computes, in the order of depth: of the "
    "trained network, of one with random weights, and of the pixels themselves. Bars are standard "
    "deviations over the seeds."
)

Split = tuple[np.ndarray, np.ndarray]
Weights = dict[str, dict]
VARIANTS = {
    "smoke": {
        **{"source": "digits", "endpoints": ("fc4",)},
        **{"steps": 5, "batch_size": 32, "seeds": 1},
    },
    "imagenet": {
        "endpoints": ("pool1", "pool2", "conv3", "conv4", "pool5", "fc6", "fc7"),
        **{"examples": 1000, "seeds": 3},
    },
}


def run(
    source: str = "mnist",
    target: str = "digits",
    target_splits: Annotated[Sequence[str], several(TEXT, 2, 2)] = ("train", "test"),
    data_dir: str = "",
    trained: str = "",
    network: str = "lenet5",
    image_size: int = 32,
    endpoints: Sequence[str] = ("conv1", "pool1", "conv2", "pool2", "fc3", "fc4"),
    steps: int = 2000,
    batch_size: int = 64,
    examples: Annotated[int, whole(20)] = 100,
    seeds: int = 5,
) -> Findings:
    """Train on one data set, then fit linear classifiers on the layers' features of another.

    A seed draws the network's weights, the order of its training, and the target's images.

    Args:
      source: data set that the network is trained on.
      target: data set that the classifiers are for.
      target_splits: of the target, for the classifiers' training and test.
      data_dir: of both.
      trained: work directory of a network to take instead of training one; source, network,
        image_size, steps and batch_size say nothing then.
      network: its name.
      image_size: images are resized to it.
      endpoints: layers, as of `models.features`, the last hidden one last.
      steps: of the network's training, by momentum.
      batch_size: of these steps.
      examples: of the target's training images, drawn at random; 20 or more.
      seeds: number of networks, and draws.
    """
    make, see = _taken(trained, endpoints) if trained else _trained(
        source, data_dir, network, image_size, endpoints, steps, batch_size
    )  # fmt: skip
    with blame("config.target, config.target_splits"):
        learned, test = (squares(datasets.source(target, s, data_dir)) for s in target_splits)
    errors = {("pixels", "pixels"): []}
    errors |= {(endpoint, kind): [] for endpoint in endpoints for kind in KINDS}
    for seed in range(seeds):
        drawn = np.random.default_rng(seed).permutation(len(learned[1]))[:examples]
        few = learned[0][drawn], learned[1][drawn]
        errors["pixels", "pixels"].append(linear_error(_pixels(few, see), _pixels(test, see)))
        model, weights = make(seed)
        compute = _vectors(model, see, endpoints)
        for kind, variables in weights.items():
            seen = [compute(variables, images) for images, _ in (few, test)]
            for i, endpoint in enumerate(endpoints):
                split = ((seen[0][i], few[1]), (seen[1][i], test[1]))
                errors[endpoint, kind].append(linear_error(*split))
    found = {key: np.array(value) for key, value in errors.items()}
    return Findings(
        QUESTION,
        answer(found, endpoints[-1], target, min(examples, len(learned[1]))),
        [_row(*key, value) for key, value in found.items()],
        {"transfer.png": Picture(CAPTION, functools.partial(_draw, errors=found))},
    )


def linear_error(train: Split, test: Split) -> float:
    """Return the test error of a linear softmax classifier, fitted to the end by L-BFGS.

    Features are standardized, and the L2 penalty is chosen on a part of the training images.

    Args:
      train: features [n, d] and labels [n].
      test: likewise.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def fitted(x, y, strength):
        classifier = LogisticRegression(C=strength, max_iter=ITERATIONS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # as good as it got
            return make_pipeline(StandardScaler(), classifier).fit(x, y)

    (x, y), kept = train, round((1 - HELD_OUT) * len(train[1]))

    def held_out_error(strength):
        return 1 - fitted(x[:kept], y[:kept], strength).score(x[kept:], y[kept:])

    best = min(STRENGTHS, key=held_out_error)
    return 1 - float(fitted(x, y, best).score(*test))


def squares(source: datasets.Source) -> Split:
    """Return all images, photos of varying sizes as squares of one, and labels."""
    seen = every.examples(source, PHOTO, "square", fail)
    parts = list(seen.batches(len(seen), range(len(seen))))
    return parts[0]["image"], parts[0]["label"]


def fail(name: str, why: str) -> None:
    """Raise ValueError: every image of a study counts."""
    raise ValueError(f"{name}: {why}.")


def _trained(
    source: str,
    data_dir: str,
    network: str,
    image_size: int,
    endpoints: Sequence[str],
    steps: int,
    batch_size: int,
) -> tuple[Callable, Callable]:
    """Return (seed -> network and weights, images uint8 -> the network's)."""
    with field("source"):
        examples = datasets.source(source, "train", data_dir)
        pixels, labels = examples.arrays()
    with field("network"):
        model = models.create(network, num_classes=len(examples.classes))
    _check_endpoints(model, (1, image_size, image_size, pixels.shape[-1]), endpoints)
    see = jax.jit(lambda images: adapters.unit_range(images, image_size, "resize") - 0.5)
    images = np.concatenate([see(pixels[i : i + BATCH]) for i in range(0, len(pixels), BATCH)])
    rule, data = optimizers.momentum(RATE, DECAY), (jnp.asarray(images), jnp.asarray(labels))
    updates_of = train.trainer(model, lambda _: rule, data, batch_size)

    def make(seed: int) -> tuple[nn.Module, Weights]:
        trained = train.variables(train.after(updates_of(train.keys(seed)), steps))
        return model, {"trained": trained, "random": _random(model, seed, images[:1])}

    return make, see


def _taken(folder: str, endpoints: Sequence[str]) -> tuple[Callable, Callable]:
    """As `_trained`, of a work directory."""
    model, variables, see = loading.load(folder)
    channels = workdir.load_inputs(pathlib.Path(folder))[1]
    image = jnp.zeros((1, see.size, see.size, channels))
    _check_endpoints(model, image.shape, endpoints)

    def make(seed: int) -> tuple[nn.Module, Weights]:
        return model, {"trained": variables, "random": _random(model, seed, image)}

    return make, see


def _check_endpoints(model: nn.Module, shape: tuple[int, ...], endpoints: Sequence[str]) -> None:
    """Raise UserError if the network takes no such images, or has not such layers."""
    image = jax.ShapeDtypeStruct(shape, jnp.float32)
    with blame("config.network, config.image_size"):
        init = functools.partial(model.init, train=False)
        variables = jax.eval_shape(init, jax.random.key(0), image)
    with field("endpoints"):
        for name in endpoints:
            jax.eval_shape(
                lambda v, x, name=name: models.features(model, v, x, name), variables, image
            )


def _random(model: nn.Module, seed: int, image: jax.Array) -> dict:
    return jax.jit(lambda key: model.init(key, image, train=False))(jax.random.key(seed))


def _pixels(split: Split, see: Callable) -> Split:
    images, labels = split
    parts = [see(images[i : i + BATCH]) for i in range(0, len(images), BATCH)]
    return np.concatenate([np.asarray(p).reshape(len(p), -1) for p in parts]), labels


def _vectors(model: nn.Module, see: Callable, endpoints: Sequence[str]) -> Callable:
    """Return (variables, images uint8) -> for each endpoint, its features [n, d]."""

    @jax.jit
    def some(variables, images):
        found = (models.features(model, variables, see(images), name) for name in endpoints)
        return [_vector(features) for features in found]

    def compute(variables: dict, images: np.ndarray) -> list[np.ndarray]:
        parts = [some(variables, images[i : i + BATCH]) for i in range(0, len(images), BATCH)]
        return [np.concatenate(part) for part in zip(*parts, strict=True)]

    return compute


def _vector(features: jax.Array) -> jax.Array:
    """[n, h, w, c] or [n, c] -> [n, d]."""
    if features.ndim == 4 and max(features.shape[1:3]) > LARGEST[0]:
        features = layers.AdaptiveAvgPool(LARGEST).apply({}, features)
    return features.reshape(len(features), -1)


def _row(endpoint: str, kind: str, errors: np.ndarray) -> dict:
    return {
        "features": endpoint,
        "weights": kind,
        **columns("test_error", errors),
        "n": len(errors),
    }


def answer(errors: dict[tuple[str, str], np.ndarray], last: str, target: str, examples: int) -> str:
    """Say what the last hidden layer's features are worth.

    Args:
      errors: of (endpoint, `trained` or `random`) and of ("pixels", "pixels"), [seeds].
      last: the last hidden layer.
      target: data set of the classifiers.
      examples: that they were fitted on.
    """
    here = errors[last, "trained"]
    said = [
        f"with {examples} images of {target}, a linear classifier on {last} of the trained network "
        f"errs on {here.mean():.1%} of the test images"
    ]
    for name, other in (
        ("the pixels themselves", errors["pixels", "pixels"]),
        (f"{last} with random weights", errors[last, "random"]),
    ):
        low, high = interval(other - here)
        word = {"yes": "better than", "no": "worse than", "inconclusive": "not told apart from"}
        said.append(
            f"it is {word[verdict(low, high)]} {name} at {other.mean():.1%} (95 % interval of the "
            f"difference {low:.1%} to {high:.1%})"
        )
    best = min((key for key in errors if key[1] == "trained"), key=lambda key: errors[key].mean())
    said.append(f"the best layer is {best[0]}, at {errors[best].mean():.1%}")
    return f"{'; '.join(said)} (n={len(here)})."


def _draw(path: pathlib.Path, errors: dict) -> None:
    looks = {"trained": (style.TEST, "o"), "random": (style.TRAIN, "s")}
    names = list(dict.fromkeys(name for name, kind in errors if kind in looks))
    with style.figure(path, figsize=(6.4, 3.6)) as (_, axes):
        for kind, (colour, marker) in looks.items():
            found = [100 * errors[name, kind] for name in names]
            axes.errorbar(
                np.arange(len(names)) + (0.06 if kind == "random" else -0.06),
                [f.mean() for f in found],
                [spread(f) for f in found],
                color=colour,
                marker=marker,
                markersize=4,
                capsize=2,
                label=f"{kind} network",
            )
        pixels = 100 * errors["pixels", "pixels"].mean()
        axes.axhline(pixels, color=style.PAPER, linestyle="--", label="pixels")
        axes.set_xticks(range(len(names)), names)
        axes.set(title="linear classifier on a layer's features", ylabel="test error, %")
        axes.set_ylim(bottom=0)
        axes.legend()
