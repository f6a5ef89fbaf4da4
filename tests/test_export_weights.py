"""The verb `export_weights`, and its files in programs without this package."""

import json
import subprocess
import sys

import numpy as np
import pytest

import cnn_history
from cnn_history.benchmarks import torchvision_networks
from tests.training import runs
from tests.weights import calibrated

torch = pytest.importorskip("torch", reason="needs the extra torch: EXTRAS=torch ./launch.sh test")

PLAIN = """
import sys
sys.modules["cnn_history"] = sys.modules["flax"] = None  # importing them is an error
import jax, numpy as np
from jax import export
program = export.deserialize(bytearray(open(sys.argv[1], "rb").read()))
np.save(sys.argv[3], program.call(np.load(sys.argv[2])))
"""


def call(verb, **flags):
    return runs.run(verb, *(f"--{name}={value}" for name, value in flags.items()))


@pytest.fixture(scope="module")
def theirs():
    """torchvision's ResNet-18 of seven classes, its logits for two images, and those."""
    x = calibrated.images(2, 224, 224)
    network = calibrated.create("resnet18", x, num_classes=7)
    with torch.no_grad():
        return network, network(calibrated.to_torch(x)).numpy(), x


@pytest.fixture(scope="module")
def imported(theirs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    torch.save(theirs[0].state_dict(), folder / "weights.pth")
    status, _, err = call(
        "import_weights",
        model="resnet18",
        checkpoint=folder / "weights.pth",
        workdir=folder / "run",
    )
    assert status == 0, err
    return folder / "run"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """LeNet-5 on the digits, for two steps."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    steps = [f"--config.{field}=2" for field in ("steps", "eval_every", "log_every")]
    status, _, err = runs.run(
        "train", "--config=experiments/lenet5_digits.py", f"--workdir={folder}", *steps
    )
    assert status == 0, err
    return folder


def test_torchvision_loads_them_strictly_and_gives_the_same_logits(imported, theirs, tmp_path):
    from safetensors import safe_open
    from safetensors.torch import load_file

    path = tmp_path / "weights.safetensors"
    status, out, err = call("export_weights", workdir=imported, output=path)
    assert (status, out.count("\n")) == (0, 1), err
    assert "resnet18, 11,180,103 parameters, in the names of torchvision" in out
    network = torchvision_networks.create("resnet18", num_classes=7)
    network.load_state_dict(load_file(path), strict=True)
    _, logits, x = theirs
    with torch.no_grad():
        found = network.eval()(calibrated.to_torch(x)).numpy()
    assert calibrated.relative_difference(found, logits) < 1e-5
    model, variables, _ = cnn_history.load(imported)
    ours = model.apply(variables, x, train=False)
    assert calibrated.relative_difference(ours, found) < 1e-5

    with safe_open(path, "np") as file:
        header = file.metadata()
    assert (header["model"], header["names"]) == ("resnet18", "torchvision")
    assert json.loads(header["classes"]) is None
    preprocessing = json.loads(header["preprocessing"])
    assert (preprocessing["size"], preprocessing["adapter"]) == (224, "resize_crop")
    np.testing.assert_allclose(preprocessing["mean"], [0.485, 0.456, 0.406])
    provenance = json.loads(header["provenance"])
    assert provenance["imported"]["file"] == "weights.pth"
    assert len(provenance["imported"]["sha256"]) == 64
    assert provenance["versions"]["jax"]


def test_a_run_keeps_our_names_and_its_classes(trained, tmp_path):
    from safetensors import safe_open

    path = tmp_path / "weights.safetensors"
    status, out, err = call("export_weights", workdir=trained, output=path)
    assert status == 0, err
    assert "in the names of cnn_history" in out
    _, variables, _ = cnn_history.load(trained)
    with safe_open(path, "np") as file:
        header = file.metadata()
        kernel = file.get_tensor("params/conv1/kernel")
    np.testing.assert_array_equal(kernel, variables["params"]["conv1"]["kernel"])
    assert json.loads(header["classes"]) == [str(digit) for digit in range(10)]
    assert json.loads(header["provenance"])["steps"] == 2


@pytest.mark.parametrize("flags", [{}, pytest.param({"batch": 2}, marks=pytest.mark.slow)])
def test_a_program_runs_without_this_package(trained, tmp_path, flags):
    path = tmp_path / "net.stablehlo"
    status, out, err = call("export_weights", workdir=trained, output=path, **flags)
    assert status == 0, err
    model, variables, preprocessing = cnn_history.load(trained)
    noise = np.random.default_rng(0).integers(0, 256, (flags.get("batch", 3), 8, 8, 1), np.uint8)
    x = np.asarray(preprocessing(noise))
    np.save(tmp_path / "x.npy", x)
    command = [sys.executable, "-c", PLAIN, path, tmp_path / "x.npy", tmp_path / "y.npy"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    ours = np.asarray(model.apply(variables, x, train=False))
    found = np.load(tmp_path / "y.npy")
    assert np.abs(found - ours).max() <= 1e-5 * np.abs(ours).max()
    assert "deserialize" in out
    assert f"[{flags.get('batch', 'n')}, 32, 32, 1]" in out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"output": "T/weights.onnx"}, "expected a name ending with .safetensors or .stablehlo"),
        ({"output": "T/none/weights.safetensors"}, "does not exist"),
        ({"output": "T/w.safetensors", "batch": 3}, "--batch: only for a .stablehlo file"),
        ({"output": "T/w.safetensors"}, "is not a run's work directory"),
    ],
)
def test_wrong_flags_are_one_line_and_status_2(tmp_path, flags, message):
    given = {name: str(value).replace("T/", f"{tmp_path}/") for name, value in flags.items()}
    status, out, err = call("export_weights", workdir=tmp_path, **given)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert not list(tmp_path.iterdir())
