"""Imports point downwards only."""

import ast
import pathlib
import subprocess
import sys

CHECKOUT = pathlib.Path(__file__).parents[1]
PACKAGE = CHECKOUT / "cnn_history"

# What a part may import of ours, beside itself. The longest prefix of a module's name counts.
ALLOWED = {
    "lookup": set(),
    "errors": set(),
    "commands": {"errors", "lookup"},
    "fields": {"errors", "lookup"},
    "papers": set(),
    "losses": set(),
    "files": set(),
    "initializers": set(),
    "schedules": set(),
    "layers": set(),
    "norms": {"layers"},
    "datasets": {"lookup"},
    "optimizers": {"schedules"},
    "models": {"initializers", "layers", "lookup", "papers"},
    "evaluation": set(),
    "accounting": {"layers", "models"},
    "weights": {"lookup", "models"},
    "reporting": {"accounting", "papers"},
    "reporting.page": {"accounting", "files", "models", "papers", "reporting"},
    "training.state": set(),
    "training.curvature": {"layers"},
    "training.statistics": set(),
    "training.layer_factors": {"layers"},
    "training.differentiate": {"training.devices", "training.layer_factors"},
    "training.finite": set(),
    "training.step": {"training.differentiate", "training.finite", "training.state"},
    "training.losses": set(),
    "training.devices": {"private"},
    "training.processes": {"commands", "training.devices"},
    "training.signals": {"training.processes"},
    "training.record": set(),
    "training.bucket": {"commands"},
    "training.progress": set(),
    "training.checksums": set(),
    "training.checkpoint": {"training.checksums", "training.processes", "training.state"},
    "training.log": {"evaluation", "training.progress", "training.record"},
    "build": {
        *("commands", "datasets", "fields", "initializers", "layers", "lookup", "models", "norms"),
        *("optimizers", "schedules"),
        *("training.devices", "training.differentiate", "training.losses"),
    },
    "studies": {
        *("accounting", "build", "commands", "datasets", "evaluation", "fields", "initializers"),
        *("layers", "models", "norms", "optimizers", "reporting", "schedules", "training"),
        *("training.differentiate", "training.state", "training.statistics", "training.step"),
        "workdir",
    },
    "benchmarks": {
        *("accounting", "build", "commands", "datasets", "initializers", "layers", "models"),
        *("optimizers", "training.devices", "training.keys", "training.losses"),
        *("training.program", "training.setting", "training.state", "training.step"),
    },
    "lecture": {
        *("accounting", "datasets", "layers", "models", "optimizers", "papers", "schedules"),
        "studies",
    },
    "workdir": {
        *("build", "commands", "datasets", "fields", "lookup", "npz", "private"),
        *("training.bucket", "training.checkpoint", "training.record"),
    },
}


def part(module):
    """Return the longest entry of ALLOWED that the module belongs to, or the module itself."""
    found = [p for p in ALLOWED if module == p or module.startswith(p + ".")]
    return max(found, key=len, default=module)


def imports(path):
    """Return the modules of ours that a file imports, without `cnn_history.`."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            modules |= {f"{node.module}.{name.name}" for name in node.names}
    ours = {m.removeprefix("cnn_history.") for m in modules if m.startswith("cnn_history.")}
    return {m for m in ours if _exists(m)} | {m.rsplit(".", 1)[0] for m in ours if not _exists(m)}


def _exists(module):
    path = PACKAGE.joinpath(*module.split("."))
    return path.is_dir() or path.with_suffix(".py").exists()


def test_imports_point_downwards():
    seen = set()
    for path in PACKAGE.rglob("*.py"):
        module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        here = part(module.removesuffix(".__init__"))
        if here not in ALLOWED:
            continue  # the verbs and the loop: they may import everything
        seen.add(here)
        for target in imports(path):
            there = part(target)
            assert there == here or there in ALLOWED[here], f"{module} imports {target}"
    assert seen == set(ALLOWED)


def test_experiments_import_only_ml_collections():
    for path in (CHECKOUT / "experiments").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [n.name for n in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            assert set(names) <= {"ml_collections", "experiments"}, path


def test_import_computes_nothing_and_needs_no_tensorflow():
    code = """
import sys, jax
from cnn_history import initializers, layers, models, optimizers, schedules, evaluation
from cnn_history import train, workdir
from jax._src import xla_bridge
assert not xla_bridge._backends, "a device was touched"
assert "tensorflow" not in sys.modules
"""
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
