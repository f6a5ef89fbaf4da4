"""The search for the largest batch, on memory that is known, and the processes that it asks."""

import json
import subprocess
import sys
import time

import pytest

from cnn_history.errors import UserError
from cnn_history.slices import alone, search
from tests.slices.test_compile import HERE
from tests.training.runs import CHECKOUT

HBM = 16_000


def memory(images, fixed=100, each=10, hbm=HBM):
    needs = fixed + each * images
    return {"fits": needs <= hbm, "peak_bytes": needs, "hbm_bytes": hbm}


@pytest.mark.parametrize("start", [8, 128, 1590, 1591, 100_000])
def test_it_is_within_a_sixteenth(start):
    found = search.largest(memory, start, memory(start))
    assert memory(found["images"])["fits"]
    assert not memory(found["too_many"])["fits"]
    assert found["too_many"] - found["images"] <= max(1, found["images"] // search.NEAR)
    assert found["compilations"] <= search.MOST


@pytest.mark.parametrize("multiple", [64, 200, 700])
@pytest.mark.parametrize("times", [1, 2, 10])
def test_numbers_are_multiples(multiple, times):
    """And the ends are as near as these allow: 1,590 images fit."""
    start = multiple * times
    found = search.largest(memory, start, memory(start), multiple=multiple)
    assert all(one["images"] % multiple == 0 for one in found["tried"])
    assert memory(found["images"])["fits"]
    assert not memory(found["too_many"])["fits"]
    assert found["too_many"] - found["images"] <= max(multiple, found["images"] // search.NEAR)


def test_nothing_fits():
    found = search.largest(lambda n: memory(n, fixed=20_000), 8, memory(8, fixed=20_000))
    assert found["images"] == 0


@pytest.mark.parametrize("start", [1, 8, 128, 3000])
@pytest.mark.parametrize("slow", [1200, 1495, 1580])
def test_what_takes_too_long_is_unknown(start, slow):
    """Near the limit, from `slow` on, up to 1,590 images that would fit."""
    found = search.largest(lambda n: None if slow <= n <= 1590 else memory(n), start, memory(start))
    assert 0 < found["images"] < 1590
    assert found["too_many"] is None or not memory(found["too_many"])["fits"]
    if found["unknown"] is not None:
        assert slow <= found["unknown"] <= 1590
    assert found["compilations"] <= search.MOST


@pytest.mark.parametrize("start", [8, 128, 400, 2000])
@pytest.mark.parametrize(
    "peak",
    [
        lambda n: min(30 * n, 12_000 + 6 * n),
        lambda n: min(10 * n, HBM) + n // 10,
        lambda n: n * n // 20,
    ],
)
def test_it_ends_where_memory_is_not_linear(start, peak):
    """As where the compiler computes values twice once memory is short."""

    def measure(n):
        return {"fits": peak(n) <= HBM, "peak_bytes": peak(n), "hbm_bytes": HBM}

    found = search.largest(measure, start, measure(start))
    assert found["compilations"] <= search.MOST
    assert measure(found["images"])["fits"]
    assert not measure(found["too_many"])["fits"]
    assert found["too_many"] - found["images"] <= found["images"] // search.NEAR
    answers = [(one["images"], one["fits"]) for one in found["tried"]]
    assert answers == [(images, measure(images)["fits"]) for images, _ in answers]
    assert len(answers) == found["compilations"] + 1


def test_it_ends_where_everything_fits():
    found = search.largest(lambda n: memory(n, fixed=100, each=0), 8, memory(8, fixed=100, each=0))
    assert found["compilations"] <= search.MOST
    assert found["too_many"] is None
    assert found["unknown"] is None


ANSWERING = """
import os, sys, time
from cnn_history.slices import alone
def respond(question):
    print(os.getpid(), file=sys.stderr, flush=True)
    time.sleep(question["seconds"])
    return {"twice": 2 * question["number"]}
alone.answering(respond)
"""
COMMAND = [sys.executable, "-c", ANSWERING]


def test_an_answer_comes_or_takes_too_long(capfd):
    assert alone.answer(COMMAND, {"number": 4, "seconds": 0}, 60) == {"twice": 8}
    began = time.monotonic()
    assert alone.answer(COMMAND, {"number": 4, "seconds": 60}, 2) is None
    assert time.monotonic() - began < 30
    with pytest.raises(UserError, match="status 1"):
        alone.answer(COMMAND, {"seconds": 0}, 60)


def test_a_question_ends_with_who_asked():
    """Even if it is killed."""
    asks = f"from cnn_history.slices import alone; alone.answer({COMMAND}, {{'seconds': 60}}, 60)"
    asking = subprocess.Popen([sys.executable, "-c", asks], cwd=CHECKOUT, stderr=subprocess.PIPE)
    assert int(asking.stderr.readline()) != asking.pid
    asking.kill()
    began = time.monotonic()
    assert asking.stderr.read() == b""  # closed: the other process had it open too
    assert time.monotonic() - began < 30
    asking.wait()


@pytest.mark.slow
@pytest.mark.skipif(not HERE, reason="the TPU's compiler is not installed (EXTRAS=compile)")
@pytest.mark.parametrize("config", ["lenet5_mnist.py", "resnet_cifar10.py:depth=20"])
def test_it_ends_with_the_compiler(config):
    command = [sys.executable, "-m", "cnn_history.compile", f"--config=experiments/{config}"]
    command += ["--topology=v5e:2x2", "--programs=step", "--search", "--format=json"]
    ended = subprocess.run(command, cwd=CHECKOUT, capture_output=True)
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    largest = found["largest"]
    assert largest["images"] > found["images_per_device"]
    assert largest["too_many"] or largest["unknown"]
    assert largest["compilations"] <= search.MOST
    assert ended.stderr.decode().count(" images a device: ") == largest["compilations"]
