"""Features of a trained network on another data set (lecture, "VGG details": FC7).

Donahue et al. 2013, "DeCAF" (arXiv:1310.1531), fit linear classifiers on AlexNet's fc6 and fc7.
"""

import functools
import pathlib
import warnings
from collections.abc import Callable, Sequence
from typing import Annotated, Any, NamedTuple

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
from cnn_history.studies.findings import Findings, picture
from cnn_history.studies.interval import counted, decided, ends, spread

RATE, DECAY = 0.01, 0.9
LARGEST = (6, 6)  # size of AlexNet's pool5; larger maps are averaged down to it
STRENGTHS = (0.001, 0.01, 0.1, 1.0)  # scikit-learn's C, the inverse of the L2 penalty
HELD_OUT = 0.25  # the share of the training images used to choose the strength
ITERATIONS = 1000  # most iterations of L-BFGS
BATCH = 100
PHOTO = 256  # side of a photo's central square
KINDS = ("trained", "random")
QUESTION = "FC7 features generalize well to other tasks."
CAPTION = (
    "Test error of a linear classifier on the features of each layer, by depth: for the trained "
    "network, for one with random weights, and for the pixels. Bars are standard deviations over "
    "the seeds."
)

Split = tuple[np.ndarray, np.ndarray]
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

    A seed draws the network's weights, the order of its training images, and the target's images.

    Args:
      source: data set on which the network is trained.
      target: data set of the classifiers.
      target_splits: its splits for training and testing the classifiers.
      data_dir: folder of both data sets.
      trained: work directory of a trained network to use; source, network, image_size, steps and
        batch_size are then ignored.
      network: name of the network.
      image_size: side to which images are resized.
      endpoints: layers, as for `models.features`, the last hidden one last.
      steps: training steps of the network, by momentum.
      batch_size: images per step.
      examples: training images of the target, drawn at random; 20 or more.
      seeds: number of networks and draws.
    """
    prepared = _taken(trained, endpoints) if trained else _trained(
        source, data_dir, network, image_size, endpoints, steps, batch_size
    )  # fmt: skip
    with blame("config.target, config.target_splits"):
        learned, test = (squares(datasets.source(target, s, data_dir)) for s in target_splits)
    errors = {("pixels", "pixels"): []}
    errors |= {(endpoint, kind): [] for endpoint in endpoints for kind in KINDS}
    for seed in range(seeds):
        drawn = np.random.default_rng(seed).permutation(len(learned[1]))[:examples]
        few, labels = learned[0][drawn], learned[1][drawn]
        features = _features(prepared, endpoints, seed)
        seen, tested = features(few), features(test[0])
        for key, found in errors.items():
            found.append(linear_error((seen[key], labels), (tested[key], test[1])))
    found = {key: np.array(value) for key, value in errors.items()}
    said = answer(found, endpoints[-1], target, min(examples, len(learned[1])))
    rows = [
        {"features": endpoint, "weights": kind, **counted("test_error", value)}
        for (endpoint, kind), value in found.items()
    ]
    return Findings(QUESTION, said, rows, {"transfer.png": _draw(found)})


def linear_error(train: Split, test: Split) -> float:
    """Return the test error of a linear softmax classifier, fitted by L-BFGS.

    Features are standardized. The L2 penalty is chosen on held-out training images.

    Args:
      train: features [n, d] and labels [n].
      test: likewise.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=ITERATIONS))
    parts = np.split(np.arange(len(train[1])), [round((1 - HELD_OUT) * len(train[1]))])
    search = GridSearchCV(classifier, {"logisticregression__C": STRENGTHS}, cv=[parts])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # an unfinished fit counts as well
        return 1 - float(search.fit(*train).score(*test))


def squares(source: datasets.Source) -> Split:
    """Return all images and labels; photos become squares of one size."""
    seen = every.examples(source, PHOTO, "square", fail)
    parts = list(seen.batches(len(seen), range(len(seen))))
    return parts[0]["image"], parts[0]["label"]


def fail(name: str, why: str) -> None:
    """Raise ValueError: a study skips no image."""
    raise ValueError(f"{name}: {why}.")


class Prepared(NamedTuple):
    """A network whose features are compared.

    Attributes:
      model: the network.
      see: uint8 images -> the network's input.
      image: an example of such an input, [1, h, w, c].
      trained: seed -> trained variables.
    """

    model: nn.Module
    see: Callable
    image: jax.Array
    trained: Callable[[int], dict]


def _trained(
    source: str,
    data_dir: str,
    network: str,
    image_size: int,
    endpoints: Sequence[str],
    steps: int,
    batch_size: int,
) -> Prepared:
    """Return a network that is trained on the source, once for each seed."""
    with field("source"):
        examples = datasets.source(source, "train", data_dir)
        pixels, labels = examples.arrays()
    with field("network"):
        model = models.create(network, num_classes=len(examples.classes))
    image = jnp.zeros((1, image_size, image_size, pixels.shape[-1]))
    _check_endpoints(model, image, endpoints)
    see = jax.jit(lambda images: adapters.unit_range(images, image_size, "resize") - 0.5)
    rule, data = optimizers.momentum(RATE, DECAY), (_in_batches(see, pixels), labels)
    updates_of = train.trainer(model, lambda _: rule, jax.tree.map(jnp.asarray, data), batch_size)

    def trained(seed: int) -> dict:
        return train.variables(next(train.states(updates_of(train.keys(seed)), [steps])))

    return Prepared(model, see, image, trained)


def _taken(folder: str, endpoints: Sequence[str]) -> Prepared:
    """Return the trained network of a work directory, the same for each seed."""
    model, variables, see = loading.load(folder)
    image = jnp.zeros((1, see.size, see.size, workdir.load_inputs(pathlib.Path(folder))[1]))
    _check_endpoints(model, image, endpoints)
    return Prepared(model, see, image, lambda seed: variables)


def _check_endpoints(model: nn.Module, image: jax.Array, endpoints: Sequence[str]) -> None:
    """Raise UserError if the network takes no such images or lacks one of the layers."""
    with blame("config.network, config.image_size"):
        init = functools.partial(model.init, train=False)
        variables = jax.eval_shape(init, jax.random.key(0), image)
    with field("endpoints"):
        for name in endpoints:
            of = functools.partial(models.features, model, endpoint=name)
            jax.eval_shape(of, variables, image)


def _features(prepared: Prepared, endpoints: Sequence[str], seed: int) -> Callable:
    """Return uint8 images -> pixels, and features of both KINDS at each endpoint, [n, d]."""
    model, see, image, trained = prepared
    random = jax.jit(lambda key: model.init(key, image, train=False))(jax.random.key(seed))
    weights = dict(zip(KINDS, (trained(seed), random), strict=True))

    @jax.jit
    def hidden(variables, images):
        found = (models.features(model, variables, see(images), name) for name in endpoints)
        return [_vector(features) for features in found]

    def features(images: np.ndarray) -> dict[tuple[str, str], np.ndarray]:
        made = {("pixels", "pixels"): _in_batches(see, images).reshape(len(images), -1)}
        for kind, variables in weights.items():
            found = _in_batches(functools.partial(hidden, variables), images)
            made |= {(name, kind): x for name, x in zip(endpoints, found, strict=True)}
        return made

    return features


def _in_batches(compute: Callable, images: np.ndarray) -> Any:
    parts = [compute(images[i : i + BATCH]) for i in range(0, len(images), BATCH)]
    return jax.tree.map(lambda *x: np.concatenate(x), *parts)


def _vector(features: jax.Array) -> jax.Array:
    """[n, h, w, c] or [n, c] -> [n, d]."""
    if features.ndim == 4 and max(features.shape[1:3]) > LARGEST[0]:
        features = layers.AdaptiveAvgPool(LARGEST).apply({}, features)
    return features.reshape(len(features), -1)


def answer(errors: dict[tuple[str, str], np.ndarray], last: str, target: str, examples: int) -> str:
    """Compare the features of the last hidden layer with the alternatives.

    Args:
      errors: by (endpoint, `trained` or `random`) and for ("pixels", "pixels"), [seeds].
      last: the last hidden layer.
      target: data set of the classifiers.
      examples: number of images on which they were fitted.
    """
    here = errors[last, "trained"]
    said = [
        f"With {examples} images of {target}, a linear classifier on {last} of the trained network "
        f"has a test error of {here.mean():.1%}"
    ]
    for name, other in (
        ("the pixels", errors["pixels", "pixels"]),
        (f"{last} with random weights", errors[last, "random"]),
    ):
        word = decided(other - here, "better than", "worse than", "neither better nor worse than")
        said.append(
            f"it is {word} one on {name}, {other.mean():.1%} (95 % interval of the difference "
            f"{ends(other - here, '.1%')})"
        )
    best = min((key for key in errors if key[1] == "trained"), key=lambda key: errors[key].mean())
    said.append(f"the best layer is {best[0]}, at {errors[best].mean():.1%}")
    return f"{'; '.join(said)} (n={len(here)})."


@picture(CAPTION, figsize=(6.4, 3.6))
def _draw(axes, errors: dict) -> None:
    looks = {"trained": (style.TEST, "o", -0.06), "random": (style.TRAIN, "s", 0.06)}
    names = list(dict.fromkeys(name for name, kind in errors if kind in looks))
    for kind, (colour, marker, aside) in looks.items():
        found = [100 * errors[name, kind] for name in names]
        means, bars = [f.mean() for f in found], [spread(f) for f in found]
        look = {"color": colour, "marker": marker, "markersize": 4, "capsize": 2}
        places = np.arange(len(names)) + aside
        axes.errorbar(places, means, bars, label=f"{kind} network", **look)
    pixels = 100 * errors["pixels", "pixels"].mean()
    axes.axhline(pixels, color=style.PAPER, linestyle="--", label="pixels")
    axes.set_xticks(range(len(names)), names)
    axes.set(title="linear classifier on a layer's features", ylabel="test error, %")
    axes.set_ylim(bottom=0)
