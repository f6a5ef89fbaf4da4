"""Newton, BFGS and L-BFGS: what they promise and what they take (lecture, "Second order")."""

import functools
import pathlib
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from cnn_history import accounting, optimizers
from cnn_history.optimizers import size
from cnn_history.optimizers.bfgs import inverse_update
from cnn_history.reporting import style
from cnn_history.studies import budget, loss_models
from cnn_history.studies.findings import Findings, Picture, Row
from cnn_history.studies.interval import interval, spread, verdict

MODELS = ("lenet5", "googlenet", "resnet50", "alexnet_2012", "vgg16")
N = 6  # parameters of the quadratic
RATES = (0.1, 0.3, 1.0, 3.0)  # that momentum is tuned over
SMALLEST, LARGEST = 1e-7, 1e9  # a loss below is rounding; what is not finite counts as the latter
QUESTION = (
    "Newton: no hyperparameters, no learning rate, but the Hessian has O(N^2) elements and "
    "inverting takes O(N^3), N = (tens or hundreds of) millions. BFGS: approximate the inverse "
    "Hessian with rank 1 updates. L-BFGS usually works very well in full batch, deterministic "
    "mode, and does not transfer very well to the mini-batch setting."
)
MODEL_CAPTION = (
    "A real loss along its negative gradient, after 100 steps of training, with its linear and its "
    "quadratic model there; and how far each model is right to 10 %, one point a seed."
)
BATCH_CAPTION = (
    "Training loss of a small net over passes through the digits, every gradient of a line search "
    "counted: left with all images in each step, right with mini-batches. Lines are geometric "
    "means over the seeds, bands their range."
)
VARIANTS = {"smoke": {"seeds": 2, "passes": 4}}


def quadratic(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a random positive definite A [n, n] and b [n] of w·A w / 2 - b·w."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(n, n))
    return root @ root.T / n + 0.1 * np.eye(n), rng.normal(size=n)


def gradient_after_newton(n: int = N, seed: int = 0) -> float:
    """Return the norm of a random quadratic's gradient after one step of Newton, in float64."""
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
    """Return the bytes of a network's Hessian in float32, from its account."""
    return 4 * accounting.account(model).parameters ** 2


def run(seeds: int = 5, passes: int = 60, batch_size: int = 64) -> Findings:
    """Check the promises of second-order optimization, from exact to measured.

    Args:
      seeds: of the small net on digits.
      passes: gradients of all images that each rule may take there.
      batch_size: of a mini-batch.
    """
    exact = exact_rows()
    along = loss_models.along_gradient(seeds)
    reaches = {  # [seeds, (linear, quadratic)]
        where: np.array([[loss_models.reach(f[where][0], p) for p in f[where][1:]] for f in along])
        for where in loss_models.TRAINED
    }
    models = [
        _row("models of the loss", f"{kind} model right to 10 %, {where}", r[:, i], "rate")
        for where, r in reaches.items()
        for i, kind in enumerate(("linear", "quadratic"))
    ]
    found = {  # of (setting, rule): one Descent a seed
        (setting, rule): descents(rule, batch, seeds, passes)
        for setting, batch in (("full batch", None), ("mini-batch", batch_size))
        for rule in ("momentum", "lbfgs")
    }
    trained = [
        _row(
            setting, f"training loss by {_named(rule, runs)}", [d.losses[-1] for d in runs], "nats"
        )
        for (setting, rule), runs in found.items()
    ] + [
        _row(setting, what, [of(d) for d in found[setting, "lbfgs"]], "")
        for setting in ("full batch", "mini-batch")
        for what, of in (
            ("steps of lbfgs", lambda d: d.steps),
            ("steps of lbfgs that found no way down", lambda d: d.refused),
            ("difference of two batches over the change of the gradient", lambda d: d.noise),
        )
    ]
    return Findings(
        QUESTION,
        answer(exact, reaches, found),
        [*exact, *models, *trained],
        {
            "models.png": Picture(
                MODEL_CAPTION, functools.partial(_draw_models, along=along, reaches=reaches)
            ),
            "batches.png": Picture(BATCH_CAPTION, functools.partial(_draw_batches, found=found)),
        },
    )


def exact_rows() -> list[Row]:
    """Return the rows that need no seeds: Newton's step, the update's rank, and the memory."""
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


def _named(rule: str, runs: list[budget.Descent]) -> str:
    return f"{rule}, rate {runs[0].rate:g}" if rule == "momentum" else rule


def descents(rule: str, batch: int | None, seeds: int, passes: int) -> list[budget.Descent]:
    """Return a run of each seed; of momentum, at the rate that is best on (geometric) average."""
    descend = budget.descender(optimizers.OPTIMIZERS[rule], batch)
    rates = RATES if rule == "momentum" else (1.0,)
    tried = [[descend(seed, passes, rate) for seed in range(seeds)] for rate in rates]
    return min(tried, key=lambda runs: exponents(runs).mean())


def exponents(runs: Sequence[budget.Descent]) -> np.ndarray:
    """[seeds]: log10 of the last loss; what is not finite counts as very large."""
    losses = np.array([d.losses[-1] for d in runs])
    return np.log10(np.where(np.isfinite(losses), np.maximum(losses, SMALLEST), LARGEST))


def answer(exact: list[Row], reaches: dict, found: dict) -> str:
    """Say what was computed, and of the trained nets only where the seeds agree.

    Args:
      exact: the rows that need no seeds.
      reaches: of each point in training, [seeds, 2].
      found: of (setting, rule), one Descent a seed.
    """
    newton, rank, *memory = (row["value"] for row in exact)
    memory = ", ".join(f"{m} {size.in_words(b)}" for m, b in zip(MODELS, memory, strict=True))
    ratio = reaches["after 100 steps"]
    nearest, farthest = np.exp(interval(np.log(ratio[:, 1] / ratio[:, 0])))
    said = []
    for setting in ("full batch", "mini-batch"):
        gain = exponents(found[setting, "momentum"]) - exponents(found[setting, "lbfgs"])
        low, high = interval(gain)
        words = {
            "yes": "L-BFGS ends below tuned momentum",
            "no": "L-BFGS ends above tuned momentum",
            "inconclusive": "L-BFGS and tuned momentum cannot be told apart",
        }[verdict(low, high)]
        times = f"momentum's loss is {10**low:.3g} to {10**high:.3g} times that of L-BFGS"
        said.append(f"{setting}, {words} ({times})")
    noise = np.mean([d.noise for d in found["mini-batch", "lbfgs"]])
    passes = len(found["mini-batch", "lbfgs"][0].losses) - 1
    return (
        f"one Newton step leaves a gradient of {newton:.1g} on a random quadratic of {N} "
        f"parameters. A BFGS update has rank {rank}, not 1. The Hessian in float32: {memory}. "
        f"After 100 steps of a small net the quadratic model of its loss holds {nearest:.1f} to "
        f"{farthest:.1f} times as far as the linear one. After as many gradients as "
        f"{passes} passes take: {'; '.join(said)}. The gradients of two mini-batches at one "
        f"point differ by {noise:.2f} of the change that L-BFGS takes for curvature (95 % "
        f"intervals over {len(ratio)} seeds)."
    )


def _draw_models(path: pathlib.Path, along: list[dict], reaches: dict) -> None:
    with style.figure(path, 1, 2, figsize=(8.4, 3.2)) as (_, (left, right)):
        true, linear, quadratic = along[0]["after 100 steps"]
        shown = linear > 4 * true.min()
        for change, colour, name in (
            (true, style.PAPER, "the loss"),
            (linear, style.TEST, "linear model"),
            (quadratic, style.TRAIN, "quadratic model"),
        ):
            left.plot(loss_models.LENGTHS[shown], change[shown], color=colour, label=name)
        left.set(xlabel="step along the gradient, as a learning rate", ylabel="change of the loss")
        left.set_ylim(2 * true.min(), -1.5 * true.min())
        left.set_title("after 100 steps, seed 0")
        left.legend()
        for i, reach in enumerate(reaches.values()):
            for kind, colour in ((0, style.TEST), (1, style.TRAIN)):
                places = i + (kind - 0.5) * 0.3 + np.linspace(-0.06, 0.06, len(reach))
                right.plot(places, reach[:, kind], "o", color=colour, markersize=4)
        right.set_xticks(range(len(reaches)), reaches)
        right.set(
            yscale="log", xlim=(-0.6, len(reaches) - 0.4), title="right to 10 % up to a rate of"
        )
        right.grid(axis="x", visible=False)


def _draw_batches(path: pathlib.Path, found: dict) -> None:
    colours = {"momentum": style.TRAIN, "lbfgs": style.TEST}
    with style.figure(path, 1, 2, figsize=(8.4, 3.2), sharey=True) as (_, panels):
        for axes, setting in zip(panels, ("full batch", "mini-batch"), strict=True):
            for rule, colour in colours.items():
                losses = np.array([d.losses for d in found[setting, rule]])
                passes = np.arange(losses.shape[1])
                mean = np.exp(np.log(np.maximum(losses, SMALLEST)).mean(0))
                axes.plot(passes, mean, color=colour, label=_named(rule, found[setting, rule]))
                axes.fill_between(passes, losses.min(0), losses.max(0), color=colour, alpha=0.15)
            axes.set(title=setting, xlabel="gradients taken, in passes", yscale="log")
            axes.legend()
        panels[0].set_ylabel("training loss")
