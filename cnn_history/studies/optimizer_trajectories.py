"""The paths of optimizers down a narrow valley (lecture, "Optimization")."""

import functools
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import optax

from cnn_history import optimizers
from cnn_history.reporting import style
from cnn_history.studies.findings import Findings, Picture, picture
from cnn_history.studies.interval import counted

TUNED = ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam")
UNTUNED = {"newton": optimizers.newton(), "lbfgs": optimizers.lbfgs()}
RULES = (*TUNED, *UNTUNED)
RATES = 2.0 ** np.arange(-12, 3.5, 0.5)
TURNS = {"along the axes": 0.0, "turned by 45°": np.pi / 4}
TARGET = 1e-4  # value to reach; the starting value is 1
FRAMES, PER_SECOND = 100, 10  # of the animation
TRAIL = 8  # steps in the tail of a line in the animation

QUESTION = (
    "What if the loss changes quickly in one direction and slowly in another? Very slow progress "
    "along the shallow dimension, jitter along the steep one."
)
STILL = (
    "The paths of eight optimizers down the same valley from the same point, over level lines, "
    "with the number of steps. Above, the valley lies along the axes; below, it is turned by 45°. "
    "SGD zigzags across the valley, momentum swings, Newton needs one step."
)
RACE = (
    "The same paths as a race of all eight optimizers, one step per frame. Left, the valley lies "
    "along the axes. Right, it is turned, and the optimizers that scale each axis separately lose "
    "their lead."
)
VARIANTS = {"smoke": {"steps": 20, "starts": 2}}


def valley(condition: float, turn: float) -> jax.Array:
    """Return the matrix A [2, 2] of a valley w·A w / 2.

    Args:
      condition: ratio of the curvatures across and along the valley; the latter is 1.
      turn: angle between the valley's floor and the first axis, in radians.
    """
    turned = _rotation(turn)
    return jnp.asarray(turned @ np.diag([1.0, condition]) @ turned.T, jnp.float32)


def points(condition: float, turn: float, count: int) -> jax.Array:
    """Return points spread over a quarter of the level line of value 1, [count, 2]."""
    angles = (np.arange(count) + 0.5) / count * np.pi / 2
    level = np.stack([np.cos(angles), np.sin(angles) / np.sqrt(condition)], 1) * np.sqrt(2)
    return jnp.asarray(-level @ _rotation(turn).T, jnp.float32)


def _rotation(turn: float) -> np.ndarray:
    return np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])


def walk(rule: optax.GradientTransformation, matrix: jax.Array, start: jax.Array, steps: int):
    """Return the path of a rule from a point, [steps + 1, 2], and its values, [steps + 1]."""
    rule = optax.with_extra_args_support(rule)

    def function(w):
        return w @ matrix @ w / 2

    def step(carry, _):
        w, state = carry
        value, grad = jax.value_and_grad(function)(w)
        updates, state = rule.update(grad, state, w, value=value, grad=grad, value_fn=function)
        return (optax.apply_updates(w, updates), state), (w, value)

    return jax.lax.scan(step, (start, rule.init(start)), length=steps + 1)[1]


def steps_to_target(values: np.ndarray) -> np.ndarray:
    """[..., steps + 1] -> the first step after which values stay at or below TARGET.

    steps + 1 if the last value is above it.
    """
    above = ~(values <= TARGET)  # also true of NaN
    return values.shape[-1] - np.where(above.any(-1), above[..., ::-1].argmax(-1), values.shape[-1])


@functools.partial(jax.jit, static_argnames=("name", "steps"))
def _walks(name: str, matrix: jax.Array, starts: jax.Array, steps: int):
    """Return paths [rates, starts, steps + 1, 2] and values; rules without a rate have one."""

    def one(rate, start):
        rule = UNTUNED[name] if name in UNTUNED else optimizers.OPTIMIZERS[name](rate)
        return walk(rule, matrix, start, steps)

    rates = jnp.ones(1) if name in UNTUNED else jnp.asarray(RATES, jnp.float32)
    return jax.vmap(lambda rate: jax.vmap(lambda start: one(rate, start))(starts))(rates)


def best(name: str, matrix: jax.Array, starts: jax.Array, steps: int) -> tuple:
    """Return the rate with the fewest steps on average, its steps [starts] and its paths."""
    paths, values = jax.device_get(_walks(name, matrix, starts, steps))
    needed = steps_to_target(values)
    chosen = needed.mean(1).argmin()
    rate = None if name in UNTUNED else RATES[chosen]
    return rate, needed[chosen], paths[chosen]


def run(condition: float = 30.0, steps: int = 500, starts: int = 16) -> Findings:
    """Run every optimizer at its best rate down the valley, straight and turned.

    Args:
      condition: ratio of the curvatures across and along the valley.
      steps: most steps of a path.
      starts: starting points, on one level line.
    """
    rows, paths = [], {}
    pictured = starts // 2
    for where, turn in TURNS.items():
        matrix, begin = valley(condition, turn), points(condition, turn, starts)
        for name in RULES:
            rate, needed, found = best(name, matrix, begin, steps)
            paths[where, name] = found[pictured, : needed[pictured] + 1]
            row = {"valley": where, "rule": name, "learning_rate": "" if rate is None else rate}
            row |= counted("steps_to_target", needed)
            rows.append(row | {"reached": (needed <= steps).sum()})
    pictures = {
        "paths.png": _draw(paths, condition),
        "race.gif": Picture(RACE, lambda path: _animate(path, paths, condition)),
    }
    return Findings(QUESTION, answer(rows, condition), rows, pictures)


def answer(rows: list[dict], condition: float) -> str:
    """Give the number of steps of each rule, and the effect of turning the valley."""
    straight, turned = (
        {row["rule"]: row["steps_to_target"] for row in rows if row["valley"] == where}
        for where in TURNS
    )
    settled = {row["rule"] for row in rows if row["reached"] == row["n"]}
    reached = [name for name in RULES if name in settled]
    order = sorted(reached, key=straight.get)
    said = ", ".join(f"{name} {straight[name]:.0f}" for name in order)
    ratios = {name: turned[name] / straight[name] for name in order}
    slower = sorted((name for name in ratios if ratios[name] > 1.1), key=ratios.get)
    times = ", ".join(f"{name} takes {ratios[name]:.1f} times as many" for name in slower)
    change = (
        f"{times}, the others about as many: scaling each axis separately helps only if the valley "
        "lies along an axis."
    )
    change = change if slower else "no rule takes many more."
    lost = [name for name in RULES if name not in reached]
    failed = f" {', '.join(lost)} did not settle below it from every start." if lost else ""
    return (
        f"Steps until the value stays below {TARGET:g} of the first, in a valley {condition:g} "
        f"times as steep across as along, at the best of {len(RATES)} constant rates, averaged "
        f"over {rows[0]['n']} starts: {said}. Turned by 45°, {change}{failed}"
    )


def _level_lines(axes, condition: float, turn: float) -> None:
    ends = {0.0: ((-1.4, 0.4), (-0.9, 0.9))}.get(turn, ((-1.2, 0.4), (-1.2, 0.4)))
    x, y = np.meshgrid(*(np.linspace(*end, 200) for end in ends))
    w = np.stack([x, y], -1)
    values = np.einsum("...i,ij,...j", w, np.asarray(valley(condition, turn)), w) / 2
    axes.contour(x, y, values, 4.0 ** np.arange(-5, 4), colors="#c3c9d2", linewidths=0.6, zorder=0)
    axes.plot(0, 0, "+", color=style.PAPER, markersize=7)
    axes.set(xlim=ends[0], ylim=ends[1], aspect="equal", xticks=[], yticks=[])
    axes.grid(visible=False)


@picture(STILL, len(TURNS), len(RULES), figsize=(12.5, 3.7))
def _draw(panels, paths: dict, condition: float) -> None:
    for (where, turn), row in zip(TURNS.items(), panels, strict=True):
        for axes, name, colour in zip(row, RULES, style.CATEGORIES, strict=False):
            _level_lines(axes, condition, turn)
            way = paths[where, name]
            axes.plot(*way.T, "-o", color=colour, markersize=1.8, linewidth=0.8)
            axes.plot(*way[0], "o", color=colour, markersize=4)
            steps = f"{len(way) - 1} step{'s' * (len(way) > 2)}"
            axes.set_title(f"{name}: {steps}" if turn == 0 else steps)
        row[0].set_ylabel(where)


def _animate(path: pathlib.Path, paths: dict, condition: float) -> None:
    with style.animation(path, PER_SECOND, 1, len(TURNS), figsize=(7.2, 4.7)) as (frame, panels):
        lines = {}
        for (where, turn), axes in zip(TURNS.items(), panels, strict=True):
            _level_lines(axes, condition, turn)
            axes.set_title(f"valley {where}")
            for name, colour in zip(RULES, style.CATEGORIES, strict=False):
                look = {"color": colour, "markersize": 6, "linewidth": 1.2, "label": name}
                (lines[where, name],) = axes.plot([], [], "-o", markevery=[-1], **look)
        labels = panels[0].get_legend_handles_labels()
        panels[0].figure.legend(*labels, loc="outside lower center", ncols=len(RULES) // 2)
        for step in range(FRAMES):
            for key, line in lines.items():
                last = min(step + 1, len(paths[key]))
                line.set_data(*paths[key][max(0, last - TRAIL) : last].T)
            panels[1].set_xlabel(f"step {step}")
            frame()
