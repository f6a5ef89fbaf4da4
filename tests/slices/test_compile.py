"""The verb `compile`: refusals, exit statuses, and LeNet-5 if the compiler is installed."""

import importlib.util
import json
import signal
import subprocess
import sys
import time

import jax
import pytest

from cnn_history.errors import UserError
from cnn_history.slices import compilation
from cnn_history.slices.chips import CHIPS
from tests import forks
from tests.training.runs import CHECKOUT

LENET, MNIST = "--config=experiments/lenet5_digits.py", "--config=experiments/lenet5_mnist.py"
HERE = importlib.util.find_spec("libtpu") is not None
FOR_GPUS = importlib.util.find_spec("jax_cuda13_plugin") is not None
REFUSED = {
    ("--topology=v5e:2x2",): "--config is needed",
    (LENET,): "--topology is needed",
    (LENET, "--topology=v5e"): "expected KIND:SIDES",
    (LENET, "--topology=v5f:2x2"): "unknown kind 'v5f'; did you mean 'v5",
    (LENET, "--topology=v5p:2x2"): "a slice of v5p has 3 sides",
    (LENET, "--topology=v5e:0x2"): "a side of 0 chips",
    (LENET, "--topology=h100:12"): "servers of 8, got 12",
    (LENET, "--topology=v5e:2x2", "--output=no/such/file"): "folder 'no/such' does not exist",
}
NEED_THE_COMPILER = {
    (LENET, "--topology=v5e:3x3"): "v5e:3x3 does not exist",
    (LENET, "--topology=v5e:8x8"): "config.batch_size: 32 is not a multiple of the 64 devices",
    (LENET, "--topology=v5e:2x2", "--config.image_size=8"): "config.image_size: ",
}


@pytest.mark.parametrize("cases", [REFUSED, NEED_THE_COMPILER] if HERE else [REFUSED])
def test_one_line_names_it(cases):
    for message, (status, said) in zip(
        cases.values(), forks.run("compile", list(cases)), strict=True
    ):
        assert (status, len(said.strip().splitlines())) == (2, 1), said
        assert message in said


@pytest.mark.skipif(HERE or FOR_GPUS, reason="it is installed")
def test_without_the_compiler_the_line_says_how_to_get_it():
    cases = {"v5e:2x2": "compile", "h200:8": "compile_gpu"}
    found = forks.run("compile", [[LENET, f"--topology={name}"] for name in cases])
    for (status, said), extra in zip(found, cases.values(), strict=True):
        assert (status, len(said.strip().splitlines())) == (2, 1)
        assert f"EXTRAS={extra} ./launch.sh" in said


def test_bounds():
    """By hand: v5e computes 197e12 / 819e9 = 240.5 operations in the time of a byte."""
    chip = CHIPS["v5e"]
    assert chip.flops / chip.bandwidth == pytest.approx(240.5, abs=0.1)
    found = compilation.bound(1e12, 1e10, chip)
    assert found == {
        "by": "bandwidth",
        "most_of_peak": pytest.approx(100 / 240.5, abs=1e-3),
        "most_of_bandwidth": 1.0,
    }
    assert compilation.bound(481e9, 1e9, chip)["most_of_bandwidth"] == pytest.approx(0.5, abs=1e-3)


# As libtpu 0.0.42.1 words it, of LeNet-5 at 400,000 images a chip.
REFUSED_BY_THE_COMPILER = (
    "RESOURCE_EXHAUSTED: Ran out of memory on HBM, the total memory required for HLO temporaries "
    "(17.57G) exceeds available HBM (15.75G)."
)


def _fails(message):
    def trace():
        raise jax.errors.JaxRuntimeError(message)

    return lambda: compilation.compiled(trace, CHIPS["v5e"], None, 4)


def test_what_does_not_fit_is_told_from_what_fails():
    found = _fails(REFUSED_BY_THE_COMPILER)()
    assert not found["fits"]
    assert found["peak_bytes"] == pytest.approx(17.57 * 2**30, abs=1)
    assert found["hbm_bytes"] == CHIPS["v5e"].memory
    with pytest.raises(UserError, match="some other reason"):
        _fails("RESOURCE_EXHAUSTED: some other reason\nand a list")()
    with pytest.raises(jax.errors.JaxRuntimeError):
        _fails("INTERNAL: a fault")()


# A call that neither looks for signals nor keeps the interpreter, as the compiler is.
BUSY = """
import hashlib
from cnn_history.slices import interruption
with interruption.ends_at_once():
    print("begun", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2_000_000_000)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_at_once(number):
    started = subprocess.Popen(
        [sys.executable, "-c", BUSY], cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert started.stdout.readline() == b"begun\n"
    time.sleep(0.2)
    started.send_signal(number)
    _, said = started.communicate(timeout=10)
    assert started.returncode == 128 + number
    assert number.name.encode() in said


@pytest.mark.slow
@pytest.mark.skipif(not HERE, reason="the TPU's compiler is not installed (EXTRAS=compile)")
def test_two_lenets_are_compiled_at_once(tmp_path):
    """libtpu keeps a lock file; and nothing but the document is written."""
    command = [sys.executable, "-m", "cnn_history.compile", LENET, "--topology=v5e:2x2"]
    command += ["--format=json", "--programs=step"]
    both = [
        subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    ends = [one.communicate(timeout=1200) for one in both]
    assert [(one.returncode, said) for one, (_, said) in zip(both, ends, strict=True)] == [
        (0, b"")
    ] * 2
    found = json.loads(ends[0][0])
    assert (found["topology"], found["device_kind"], found["devices"]) == (
        *("v5e:2x2", "TPU v5 lite"),
        4,
    )
    assert found["fits"]
    assert 0 < found["argument_bytes"] < found["peak_bytes"] < found["hbm_bytes"]
    gradient = [one for one in found["collectives"] if one["use"] == "gradient"]
    assert [one["kind"] for one in gradient] == ["all-reduce"]
    assert gradient[0]["bytes"] == pytest.approx(4 * 61_706, abs=16)  # and the loss along with it


@pytest.mark.slow
@pytest.mark.skipif(not HERE, reason="the TPU's compiler is not installed (EXTRAS=compile)")
@pytest.mark.parametrize("topology", ["v4:2x2x1", "v5e:2x2", "v5p:2x2x1", "v6e:2x2"])
def test_every_kind_compiles_and_refuses_what_is_too_large(topology):
    command = [sys.executable, "-m", "cnn_history.compile", MNIST, f"--topology={topology}"]
    command += ["--format=json", "--programs=step"]
    for size, fits in ((128, True), (64_000_000, False)):
        larger = [*command, f"--config.batch_size={size}"]
        ended = subprocess.run(larger, cwd=CHECKOUT, capture_output=True, timeout=1200)
        assert (ended.returncode, ended.stderr) == (0, b"")
        found = json.loads(ended.stdout)
        assert (found["devices"], found["fits"]) == (4, fits)
        assert found["hbm_bytes"] == CHIPS[topology.partition(":")[0]].memory
        assert (found["peak_bytes"] < found["hbm_bytes"]) == fits


@pytest.mark.slow
@pytest.mark.skipif(not FOR_GPUS, reason="XLA's compiler for GPUs is not installed (compile_gpu)")
def test_lenet_is_compiled_for_gpus():
    command = [sys.executable, "-m", "cnn_history.compile", LENET, "--topology=h200:4"]
    command += ["--format=json", "--programs=step"]
    ended = subprocess.run(command, cwd=CHECKOUT, capture_output=True, timeout=1200)
    assert (ended.returncode, ended.stderr) == (0, b"")
    found = json.loads(ended.stdout)
    assert (found["device_kind"], found["devices"], found["fits"]) == ("NVIDIA H200", 4, True)
    gradient = [one for one in found["collectives"] if one["use"] == "gradient"]
    assert sum(one["bytes"] for one in gradient) == pytest.approx(4 * 61_706, abs=16)
