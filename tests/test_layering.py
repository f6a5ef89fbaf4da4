"""Imports point downwards only."""

import ast
import pathlib
import re
import subprocess
import sys

CHECKOUT = pathlib.Path(__file__).parents[1]
PACKAGE = CHECKOUT / "cnn_history"

# From the bottom to the top: a part imports of ours what stands above it in this list, and itself.
# Of a module, the longest entry that it belongs to counts.
LAYERS = (
    *("errors", "lookup", "papers", "choices", "cpu", "tpu"),
    *("initializers", "schedules", "losses", "layers", "models", "optimizers"),
    *("datasets", "evaluation", "accounting", "weights"),
    *("config", "files", "reporting", "experiment"),
    *("training.events", "training.finite", "training.keys", "training.state"),
    *("training", "build", "loading", "ensemble", "training.loop"),
    *("slices", "studies", "lecture", "spelling", "commands", "benchmarks"),
)
VERBS = {
    *("train", "evaluate", "summarize", "claims", "study", "report"),
    *("import_weights", "export_weights", "prepare_data", "benchmark", "predict", "compile"),
}
# Files in which a config is a parameter; all else takes what is made of it.
MOST_WITH_CONFIG = 8


def place(module):
    """Return the place in LAYERS of a module; verbs, and the package itself, stand above all."""
    if module in VERBS or not module:
        return len(LAYERS)
    found = [p for p in LAYERS if module == p or module.startswith(p + ".")]
    assert found, f"{module} has no place in LAYERS"
    return LAYERS.index(max(found, key=len))


def modules():
    """Return the name of each module, without `cnn_history.`, and its file."""
    for path in PACKAGE.rglob("*.py"):
        yield ".".join(path.relative_to(PACKAGE).parts).removesuffix(".py"), path


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
    used = set()
    for module, path in modules():
        here = module.removesuffix("__init__").removesuffix(".")
        used.add(place(here))
        for target in imports(path):
            assert target == here or target not in VERBS, f"{module} imports the verb {target}"
            assert place(target) <= place(here), f"{module} imports {target}"
    assert used == set(range(len(LAYERS) + 1))


def test_no_function_is_swapped_for_another():
    """By mocks; what may be another says so by an argument, or is a form."""
    for module, path in modules():
        assert not {"mock", "unittest"} & set(re.findall(r"\w+", path.read_text())), module


def test_nothing_of_ours_is_imported_by_its_name():
    """Past the order above. The verbs run the config file that a flag names."""
    for module, path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func).rpartition(".")[2]
            if called in ("import_module", "__import__"):
                name = ast.literal_eval(node.args[0])  # an error where it is computed
                assert name.split(".")[0] not in ("cnn_history", "experiments"), module
            assert not called.startswith("run_") or module == "commands", module


def test_only_one_module_of_the_papers_side_knows_of_forms_for_cpus():
    papers = {
        module
        for module, path in modules()
        if module.split(".")[0] in ("layers", "models", "initializers", "optimizers")
        and any(target.split(".")[0] == "cpu" for target in imports(path))
    }
    assert papers == {"layers.forms"}


def test_few_files_know_the_config():
    found = {name for name, path in modules() if any(map(_is_config, _parameters(path)))}
    assert len(found) <= MOST_WITH_CONFIG, sorted(found)


def _parameters(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.Lambda):
            given = node.args
            several = filter(None, (given.vararg, given.kwarg))
            yield from (*given.posonlyargs, *given.args, *given.kwonlyargs, *several)


def _is_config(parameter):
    annotation = parameter.annotation and ast.unparse(parameter.annotation)
    return parameter.arg == "config" or "ConfigDict" in (annotation or "")


def test_experiments_import_of_ours_what_declares_the_fields_alone():
    for path in (CHECKOUT / "experiments").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [n.name for n in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            allowed = {"ml_collections", "cnn_history.config"}
            if path.parent.name == "studies":  # the signature of a study declares its fields
                allowed = {"functools", "cnn_history.studies"}
            assert set(names) <= allowed, path


def test_import_computes_nothing_and_needs_no_tensorflow():
    code = """
import sys, jax
from cnn_history import initializers, layers, models, optimizers, schedules, evaluation
from cnn_history import loading, train
from jax._src import xla_bridge
assert not xla_bridge._backends, "a device was touched"
assert "tensorflow" not in sys.modules
"""
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
