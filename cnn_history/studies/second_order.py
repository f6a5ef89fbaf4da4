"""Newton, BFGS and L-BFGS: their promises and their costs (lecture, "Second order")."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from cnn_history import accounting, optimizers
from cnn_history.optimizers import size
from cnn_history.optimizers.bfgs import inverse_update
from cnn_history.reporting import style
from cnn_history.studies import budget, loss_models
from cnn_history.studies.findings import Findings, Row, picture
from cnn_history.studies.interval import decided, interval, spread

MODELS = ("lenet5", "googlenet", "resnet50", "alexnet_2012", "vgg16")
N = 6  # parameters of the quadratic
RATES = {"momentum": (0.1, 0.3, 1.0, 3.0), "lbfgs": (1.0,)}  # to tune each rule over
BATCHES = ("full batch", "mini-batch")
SMALLEST, LARGEST = 1e-7, 1e9  # smaller losses are rounding; infinity counts as the larger
QUESTION = (
    "Newton: no hyperparameters, no learning rate, but the Hessian has O(N^2) elements and "
    "inverting takes O(N^3), N = (tens or hundreds of) millions. BFGS: approximate the inverse "
    "Hessian with rank 1 updates. L-BFGS usually works very well in full batch, deterministic "
    "mode, and does not transfer very well to the mini-batch setting."
)
MODEL_CAPTION = (
    "Left: a loss along its negative gradient after 100 training steps, with its linear and its "
    "quadratic model. Right: the distance to which each model is accurate to 10 %, a point for "
    "each seed."
)
BATCH_CAPTION = (
    "Training loss of a small net on the digits by pass, counting each gradient of a line search. "
    "Left: all images in each step; right: mini-batches. Lines are geometric means over the seeds, "
    "bands their range."
)
VARIANTS = {"smoke": {"seeds": 2, "passes": 4}}
WATCHED = {  # fields of a Descent
    "steps": "steps of lbfgs",
    "refused": "steps of lbfgs without a lower loss in their direction",
    "noise": "difference of two batches over the change of the gradient",
}


def quadratic(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a random positive definite A [n, n] and b [n], for w·A w / 2 - b·w."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(n, n))
    return root @ root.T / n + 0.1 * np.eye(n), rng.normal(size=n)


def gradient_after_newton(n: int = N, seed: int = 0) -> float:
    """Return the norm of a random quadratic's gradient after one Newton step, in float64."""
    a, b = quadratic(n, seed)
    with jax.enable_x64(True):
        w = jnp.asarray(np.random.default_rng(seed + 1).normal(size=n))
        rule = optimizers.newton()

        def function(w):
            return w @ a @ w / 2 - b @ w

        value, grad = jax.value_and_grad(function)(w)
        updates, _ = rule.update(grad, rule.init(w), w, value=value, grad=grad, value_fn=function)
        return float(np.linalg.norm(a @ (w + updates) - b))


def update_rank(n: int = N, seed: int = 0) -> int:
    """Return the rank of one BFGS update of the inverse Hessian, for a random pair, in float64."""
    a, _ = quadratic(n, seed)
    step = np.random.default_rng(seed + 1).normal(size=n)
    with jax.enable_x64(True):
        after = inverse_update(jnp.eye(n), jnp.asarray(step), jnp.asarray(a @ step))
    return int(np.linalg.matrix_rank(np.asarray(after) - np.eye(n), tol=1e-10))


def hessian_bytes(model: str) -> int:
    """Return the bytes of a network's Hessian in float32."""
    return 4 * accounting.account(model).parameters ** 2


def run(seeds: int = 5, passes: int = 60, batch_size: int = 64) -> Findings:
    """Check the lecture's statements on second-order optimization, exactly or by measurement.

    Args:
      seeds: runs of the small net on digits.
      passes: budget of each run, in gradients of all images.
      batch_size: images per mini-batch.
    """
    exact = exact_rows()
    along = loss_models.along_gradient(seeds)
    reaches = {  # [seeds, (linear, quadratic)]
        where: np.array([[loss_models.reach(f[where][0], p) for p in f[where][1:]] for f in along])
        for where in loss_models.TRAINED
    }
    found = {  # of (setting, rule): one Descent a seed
        (setting, rule): descents(rule, batch, seeds, passes)
        for setting, batch in zip(BATCHES, (None, batch_size), strict=True)
        for rule in RATES
    }
    rows = [
        *exact,
        *(
            _row("models of the loss", f"{kind} model accurate to 10 %, {where}", r[:, i], "rate")
            for where, r in reaches.items()
            for i, kind in enumerate(("linear", "quadratic"))
        ),
        *(
            _row(setting, f"training loss by {_named(runs, rule)}", _last(runs), "nats")
            for (setting, rule), runs in found.items()
        ),
        *(
            _row(setting, what, [getattr(run, name) for run in found[setting, "lbfgs"]], "")
            for setting in BATCHES
            for name, what in WATCHED.items()
        ),
    ]
    pictures = {"models.png": _models(along, reaches), "batches.png": _batches(found)}
    return Findings(QUESTION, answer(exact, reaches, found), rows, pictures)


def exact_rows() -> list[Row]:
    """Return the rows without seeds: a Newton step, the rank of an update, and the memory."""
    return [
        _row("quadratic", "gradient after one Newton step", gradient_after_newton(), ""),
        _row("bfgs", "rank of an update of the inverse Hessian", update_rank(), ""),
        *[_row("memory", f"Hessian of {m}, float32", hessian_bytes(m), "bytes") for m in MODELS],
    ]


def _row(part: str, what: str, values, unit: str) -> Row:
    values = np.atleast_1d(values)
    value = values[0] if len(values) == 1 else values.mean()
    return {
        "part": part,
        "what": what,
        "value": value.item(),
        "value_sd": float(spread(values)),
        "n": len(values),
        "unit": unit,
    }


def _named(runs: list[budget.Descent], rule: str) -> str:
    return f"{rule}, rate {runs[0].rate:g}" if len(RATES[rule]) > 1 else rule


def _last(runs: Sequence[budget.Descent]) -> np.ndarray:
    return np.array([run.losses[-1] for run in runs])


def descents(rule: str, batch: int | None, seeds: int, passes: int) -> list[budget.Descent]:
    """Return a run for each seed, at the rate with the lowest geometric mean of the last losses."""
    descend = budget.descender(optimizers.OPTIMIZERS[rule], batch)
    tried = [[descend(seed, passes, rate) for seed in range(seeds)] for rate in RATES[rule]]
    return min(tried, key=lambda runs: exponents(runs).mean())


def exponents(runs: Sequence[budget.Descent]) -> np.ndarray:
    """Return log10 of the last losses, [seeds]; a loss that is not finite counts as LARGEST."""
    losses = _last(runs)
    return np.log10(np.where(np.isfinite(losses), np.maximum(losses, SMALLEST), LARGEST))


def answer(exact: list[Row], reaches: dict, found: dict) -> str:
    """Give the exact results, and for the trained nets the verdict of the seeds.

    Args:
      exact: the rows without seeds.
      reaches: ranges of the models by point in training, [seeds, 2].
      found: a Descent for each seed, by (setting, rule).
    """
    newton, rank, *memory = (row["value"] for row in exact)
    memory = ", ".join(f"{m} {size.in_words(b)}" for m, b in zip(MODELS, memory, strict=True))
    ratio = reaches["after 100 steps"]
    nearest, farthest = np.exp(interval(np.log(ratio[:, 1] / ratio[:, 0])))
    said = []
    for setting in BATCHES:
        gain = exponents(found[setting, "momentum"]) - exponents(found[setting, "lbfgs"])
        words = decided(
            gain,
            "L-BFGS ends below tuned momentum",
            "L-BFGS ends above tuned momentum",
            "L-BFGS and tuned momentum do not differ significantly",
        )
        low, high = (10**end for end in interval(gain))
        times = f"momentum's loss is {low:.3g} to {high:.3g} times that of L-BFGS"
        said.append(f"{setting}, {words} ({times})")
    noise = np.mean([d.noise for d in found["mini-batch", "lbfgs"]])
    passes = len(found["mini-batch", "lbfgs"][0].losses) - 1
    return (
        f"One Newton step leaves a gradient of {newton:.1g} on a random quadratic of {N} "
        f"parameters. A BFGS update has rank {rank}, not 1. The Hessian in float32: {memory}. "
        f"After 100 steps of a small net, the quadratic model of its loss holds {nearest:.1f} to "
        f"{farthest:.1f} times as far as the linear one. After {passes} passes: "
        f"{'; '.join(said)}. The gradients of two mini-batches at one point differ by {noise:.2f} "
        f"of the change that L-BFGS takes for curvature. 95 % intervals over {len(ratio)} seeds."
    )


@picture(MODEL_CAPTION, 1, 2, figsize=(8.4, 3.2))
def _models(panels, along: list[dict], reaches: dict) -> None:
    left, right = panels
    changes = along[0]["after 100 steps"]
    true, linear, _ = changes
    shown = linear > 4 * true.min()
    looks = {"the loss": style.PAPER, "linear model": style.TEST, "quadratic model": style.TRAIN}
    for change, (name, colour) in zip(changes, looks.items(), strict=True):
        left.plot(loss_models.LENGTHS[shown], change[shown], color=colour, label=name)
    left.set(xlabel="step along the gradient, as a learning rate", ylabel="change of the loss")
    left.set(ylim=(2 * true.min(), -1.5 * true.min()), title="after 100 steps, seed 0")
    for i, reach in enumerate(reaches.values()):
        places = i + np.linspace(-0.06, 0.06, len(reach))
        right.plot(places - 0.15, reach[:, 0], "o", color=style.TEST, markersize=4)
        right.plot(places + 0.15, reach[:, 1], "o", color=style.TRAIN, markersize=4)
    right.set_xticks(range(len(reaches)), reaches)
    right.set(xlim=(-0.6, len(reaches) - 0.4), yscale="log", title="accurate to 10 % up to a rate")
    right.grid(axis="x", visible=False)


@picture(BATCH_CAPTION, 1, 2, figsize=(8.4, 3.2), sharey=True)
def _batches(panels, found: dict) -> None:
    for axes, setting in zip(panels, BATCHES, strict=True):
        for rule in RATES:
            losses = np.array([run.losses for run in found[setting, rule]])
            mean = np.exp(np.log(np.maximum(losses, SMALLEST)).mean(0))
            passes, name = np.arange(len(mean)), _named(found[setting, rule], rule)
            style.band(axes, passes, mean, losses.min(0), losses.max(0), label=name)
        axes.set(title=setting, xlabel="gradients taken, in passes", yscale="log")
    panels[0].set_ylabel("training loss")
