"""Every rule with every switch, in pairs: a covering array, each row compared with NumPy.

./launch.sh python -m tests.optimizers.combinations [ROWS]    # run it, and print its table
"""

import collections
import itertools
import pathlib
import sys
import tempfile

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from cnn_history import optimizers
from cnn_history.config import base, choose
from cnn_history.errors import UserError
from cnn_history.files.checkpoint import Checkpoints
from tests.optimizers import in_numpy
from tests.training import settings

# The first level of each factor is what a run has by default.
FACTORS = {
    "rule": tuple(optimizers.OPTIMIZERS),
    "schedule": (
        *("constant", "step_decay", "exponential_decay", "inverse_time_decay"),
        *("polynomial_decay", "piecewise", "plateau"),
    ),
    "warmup": (0, 2),
    "clipping": (0.0, 0.2),
    "decay": ("none", "l2 all", "l2 kernels", "decoupled all", "decoupled kernels"),
    "bias_rate": (1.0, 2.0),
    "filter_radius": (0.0, 0.3),
    "average": ("none", "exponential", "ramp", "polyak"),
    "micro_batches": (1, 2),
    "skipped": (0, 1),
    "dtype": ("float32", "bfloat16", "float64"),
    "devices": (1, 4),
    "state": ("replicated", "sharded"),
    "resumed": (False, True),
}
RATES = {
    **{"sgd": 0.2, "momentum": 0.1, "nesterov": 0.1, "adagrad": 0.05, "rmsprop": 0.01},
    **{"adam_uncorrected": 0.01, "adam": 0.02, "stochastic_diagonal_lm": 0.05, "newton": 0.5},
    **{"bfgs": 1.0, "lbfgs": 1.0, "kfac": 0.1, "lars": 1.0},
}
FIELDS = {"clipping": "gradient_clipping", "decay": "decoupled_weight_decay"}  # else the factor's
STEPS, EXAMPLES, SKIPPED, RESUMED = 6, 16, 2, 3
DECAYS, ERRORS = {"l2": 0.05, "decoupled": 0.3}, (0.5, 0.4, 0.4, 0.4, 0.3, 0.3)
# Of the way that the parameters go: rounding of the type, grown over six steps.
TOLERANCES = {"float32": 2e-3, "float64": 1e-5, "bfloat16": 0.15}


def refused(row):
    """Return the field that a rule is refused with; empty where the row has to be right."""
    rule = optimizers.OPTIMIZERS[row["rule"]]
    if rule.whole_batch and row["micro_batches"] > 1:
        return "micro_batches"
    around = [f for f in ("clipping", "bias_rate", "filter_radius") if row[f] != FACTORS[f][0]]
    around += ["decay"] if row["decay"].startswith("decoupled") else []
    return FIELDS.get(around[0], around[0]) if rule.line_search and around else ""


def covering():
    """Return rows, each right, that have all other pairs; those refused; how many pairs there are.

    Greedily: a row starts from a pair that is not covered yet, and takes for each other factor the
    level with the most such pairs. A refused pair has a row of its own, else by default.
    """
    default = {factor: levels[0] for factor, levels in FACTORS.items()}
    cells = [(factor, level) for factor, levels in FACTORS.items() for level in levels]
    pairs = [p for p in itertools.combinations(cells, 2) if p[0][0] != p[1][0]]
    never = [p for p in pairs if refused({**default, **dict(p)})]
    never = [p for p in never if not any(refused({**default, **dict([c])}) for c in p)]
    left = dict.fromkeys(p for p in pairs if p not in never)
    rows = []

    def gain(row, cell):
        return sum(tuple(sorted((cell, c), key=cells.index)) in left for c in row.items())

    while left:
        row = dict(next(iter(left)))
        for factor, levels in FACTORS.items():
            if factor not in row:
                right = [c for c in levels if not refused({**default, **row, factor: c})]
                row[factor] = max(right, key=lambda c, of=(row, factor): gain(of[0], (of[1], c)))
        rows.append({factor: row[factor] for factor in FACTORS})
        for pair in itertools.combinations(rows[-1].items(), 2):
            left.pop(pair, None)
    return rows, [{**default, **dict(pair)} for pair in never], len(pairs)


def configuration(row):
    """Return the config of a row."""
    config = base()
    config.model.name = "lenet5"  # a name; the network is Tiny
    rule, decay = row["rule"], row["decay"].split()
    options = {
        "newton": {"damping": in_numpy.DAMPING["newton"], "solver": "exact"},
        "kfac": {
            **{"damping": in_numpy.DAMPING["kfac"], "labels": "empirical"},
            "inverses_every": in_numpy.EVERY["kfac"],
        },
        "stochastic_diagonal_lm": {"every": in_numpy.EVERY["stochastic_diagonal_lm"]},
        "lars": {"trust": in_numpy.TRUST},
    }
    config.optimizer = choose("optimizer", rule, **options.get(rule, {}))
    of_schedule = {
        "step_decay": {"factor": 0.5, "every": 2},
        "exponential_decay": {"k": 0.3},
        "inverse_time_decay": {"k": 0.3},
        "polynomial_decay": {"power": 2.0},
        "piecewise": {"steps": (2, 4), "factors": (0.5, 0.1)},
        "plateau": {"factor": 0.5, "patience": 1, "drops": 2},
    }
    config.schedule = choose("schedule", row["schedule"], **of_schedule.get(row["schedule"], {}))
    of_average = {
        "exponential": {"decay": 0.7},
        "ramp": {"decay": 0.7, "ramp": True},
        "polyak": {"start": 1},
    }
    name = "exponential" if row["average"] == "ramp" else row["average"]
    config.averaging = choose("averaging", name, **of_average.get(row["average"], {}))
    config.update(
        learning_rate=RATES[rule],
        warmup=row["warmup"],
        warmup_from=0.01,
        gradient_clipping=row["clipping"],
        weight_decay=DECAYS.get(decay[0], 0.0),
        decoupled_weight_decay=decay[0] == "decoupled",
        decayed=decay[1] if decay[1:] else "all",
        bias_rate=row["bias_rate"],
        filter_radius=row["filter_radius"],
        evaluated="newest" if row["average"] == "none" else "averaged",
        micro_batches=row["micro_batches"],
        skipped_steps=row["skipped"],
        dtype=row["dtype"],
        optimizer_state=row["state"],
        steps=STEPS,
        batch_size=EXAMPLES,
        image_size=in_numpy.SIDE,
        scaling="unit",
    )
    return config


class Tiny(nn.Module):
    """That of `in_numpy.Net`; a pixel of 1 makes all of it NaN."""

    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x, train):
        wide = jnp.promote_types(self.dtype, jnp.float32)
        typed = {"dtype": self.dtype, "param_dtype": wide}
        x = jnp.where(x == 1, jnp.nan, x)
        x = nn.tanh(nn.Conv(in_numpy.MAPS, (3, 3), padding="VALID", name="conv1", **typed)(x))
        return nn.Dense(in_numpy.CLASSES, name="fc2", **typed)(x.reshape(len(x), -1)).astype(wide)


def examples():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (EXAMPLES, in_numpy.SIDE, in_numpy.SIDE, 1), np.uint8)
    return images, np.arange(EXAMPLES) % in_numpy.CLASSES


def ours(row):
    """Return the parameters before and after each step, and what is evaluated at the end."""
    auto = (jax.sharding.AxisType.Auto,)
    count, config = row["devices"], configuration(row)
    mesh = jax.make_mesh((count,), ("data",), auto, devices=jax.devices()[:count])
    images, labels = examples()
    source = settings.source(images, labels)
    program, feed, _ = settings.of(config, Tiny(row["dtype"]), source, mesh)
    state = program.init()
    path, step = [in_numpy.flat(jax.device_get(state.params))], 0
    bad = {**feed.data, "image": jnp.full_like(feed.data["image"], 255)}
    for step in range(STEPS + row["skipped"]):
        if step == RESUMED and row["resumed"]:
            with tempfile.TemporaryDirectory() as name, Checkpoints(pathlib.Path(name), 1) as kept:
                kept.save(step, state)
                state = kept.restore(program.abstract)
        poisoned = row["skipped"] and step == SKIPPED
        state, made = program.step(state, bad if poisoned else feed.data, feed.at(step, 1))
        assert bool(made["skipped"]) == bool(poisoned)
        if poisoned:
            continue
        assert made["applied"]
        if program.observe:
            state = program.observe(state, ERRORS[len(path) - 1])
        path.append(in_numpy.flat(jax.device_get(state.params)))
    found = program.evaluate(state, {"image": jnp.asarray(images), "label": jnp.asarray(labels)})
    return np.array(path), np.asarray(found["probabilities"], float)


def rate(row, t, drops):
    """Return the rate of update t, from 0."""
    start, warm = RATES[row["rule"]], row["warmup"]
    plan = {
        "step_decay": lambda t: 0.5 ** (t // 2),
        "exponential_decay": lambda t: np.exp(-0.3 * t),
        "inverse_time_decay": lambda t: 1 / (1 + 0.3 * t),
        "polynomial_decay": lambda t: (1 - t / STEPS) ** 2,
        "piecewise": lambda t: 1 if t < 2 else 0.5 if t < 4 else 0.05,
    }.get(row["schedule"], lambda t: 1)
    risen = 0.01 + (start * plan(warm) - 0.01) * t / warm if t < warm else start * plan(t)
    return risen * 0.5**drops


def theirs(row, path):
    """Return the parameters that NumPy makes, and the probabilities that are to be evaluated.

    Args:
      row: of the array.
      path: ours, from whose start it goes; of a line search, the lengths of the steps too.
    """
    images, labels = examples()
    net = in_numpy.Net(images / 255.0, labels)
    rule, (kind, _, which) = row["rule"], row["decay"].partition(" ")
    touched = np.ones(path.shape[1]) if which == "all" else 1.0 - in_numpy.BIASES
    l2, beside = (DECAYS[kind] if kind == name else 0.0 for name in ("l2", "decoupled"))
    w, memory, made, drops, lowest = path[0], {}, [path[0]], 0, np.inf
    average = w

    def f(w):
        penalty = l2 / 2 * (touched * w**2).sum()
        return net.value(w) + penalty, net.gradient(w) + l2 * touched * w

    for t in range(STEPS):
        now, g = rate(row, t, drops), net.gradient(w)
        if row["clipping"]:
            g = g * min(1, row["clipping"] / np.linalg.norm(g))
        whole = g + l2 * touched * w
        if rule in ("bfgs", "lbfgs"):
            u = in_numpy.searched(rule, f, whole, w, memory, path[t + 1] - path[t])
        elif rule == "newton":
            damped = np.diag(in_numpy.DAMPING[rule] + l2 * touched)
            u = -now * np.linalg.solve(net.hessian(w) + damped, whole)
        elif rule == "kfac":
            u = in_numpy.kfac(net, whole, w, now, memory, t + 1)
        elif rule == "lars":
            u = in_numpy.lars(g, w, now, memory, l2, touched)
        elif rule == "stochastic_diagonal_lm":
            if t % in_numpy.EVERY[rule] == 0:
                memory["h"] = net.diagonal(w)
            u = -now * whole / (0.02 + memory["h"])
        else:
            u = in_numpy.first_order(rule, whole, now, memory, t + 1)
        u = (u - now * beside * touched * w) * np.where(in_numpy.BIASES, row["bias_rate"], 1)
        w = w + u
        if row["filter_radius"]:
            kernel = w[: in_numpy.SIZES[0]].reshape(-1, in_numpy.MAPS)
            rms = np.sqrt((kernel**2).mean(0))
            kernel = kernel * np.minimum(1, row["filter_radius"] / rms)
            w = np.concatenate([kernel.ravel(), w[in_numpy.SIZES[0] :]])
        kept = {
            "none": 0,
            "exponential": 0.7,
            "ramp": min(0.7, (1 + t) / (10 + t)),
            "polyak": 1 - 1 / max(t, 1),  # its first update does not count
        }[row["average"]]
        average = kept * average + (1 - kept) * w
        if row["schedule"] == "plateau":
            drops = min(drops + (ERRORS[t] >= lowest), 2)
            lowest = min(lowest, ERRORS[t])
        made.append(w)
    return np.array(made), np.exp(net.forward(average)[1])


def outcome(row):
    """Return what became of a row, in a word: right, refused, or what is wrong."""
    jax.config.update("jax_enable_x64", row["dtype"] == "float64")
    try:
        path, found = ours(row)
    except UserError as error:
        field = refused(row)
        if field and f"config.{field}: {row['rule']} " in str(error):
            return "refused"
        return f"refused as '{error}'"
    finally:
        jax.config.update("jax_enable_x64", False)
    if refused(row):
        return "not refused"
    if row["dtype"] == "bfloat16" and optimizers.OPTIMIZERS[row["rule"]].line_search:
        # Its pairs are differences of rounded gradients, which nobody else has.
        net = in_numpy.Net(examples()[0] / 255.0, examples()[1])
        return "lower" if net.value(path[-1]) < net.value(path[0]) else "not lower"
    jax.config.update("jax_enable_x64", False)
    wanted, probabilities = theirs(row, path)
    moved = np.abs(wanted - path[0]).max()
    wrong = max(np.abs(path - wanted).max() / moved, np.abs(found - probabilities).max() / moved)
    return "right" if wrong < TOLERANCES[row["dtype"]] else f"wrong by {wrong:.2g} of its way"


def words(row):
    """Return what of a row is not by default."""
    changed = [f"{k}={v}" for k, v in row.items() if k != "rule" and v != FACTORS[k][0]]
    return f"{row['rule']}: {', '.join(changed)}"


def main(most=None):
    """Run the rows, print each and the counts, and exit 1 where one is wrong."""
    right, never, pairs = covering()
    counts = collections.Counter()
    for row in [*never, *right][:most]:
        try:
            what = outcome(row)
        except Exception as error:
            what = f"{type(error).__name__}: {error}".splitlines()[0]
        counts[what if what in ("right", "refused", "lower") else "wrong"] += 1
        print(f"{what:8} {words(row)}", flush=True)
    print(f"{pairs} pairs of levels in {len(right)} rows, and {len(never)} refused: {dict(counts)}")
    return int(counts["wrong"] > 0)


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", max(FACTORS["devices"]))
    jax.config.update("jax_disable_most_optimizations", True)
    sys.exit(main(*map(int, sys.argv[1:])))
