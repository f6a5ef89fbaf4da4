"""One device against eight: the same program, the same numbers."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from tests.training.runs import CHECKOUT

# A net with batch norm, augmentation and weight decay; images of digits, as the embedded ones are.
CODE = """
import json, sys
import jax, numpy as np
jax.config.update("jax_num_cpu_devices", int(sys.argv[1]))
from cnn_history import build, datasets
from cnn_history.training import devices
from experiments import resnet_cifar10
from tests.training import settings
devices.start()
steps, dtype = int(sys.argv[2]), sys.argv[3]
config = resnet_cifar10.get_config("dataset=digits")
config.update(dtype=dtype, batch_size=16, image_size=8, learning_rate=0.01)
train = datasets.source("digits", "train[:300]")
mesh = devices.mesh()
assert mesh.size == int(sys.argv[1])
network = build.model(config, 10).clone(blocks=1)
compiled, training, _, _ = settings.of(config, network, train, mesh)
state, made = compiled.init(), []
for step in range(steps):
    state, metrics = compiled.step(state, training.data, training.at(step, 1))
    made.append({name: float(value) for name, value in metrics.items()})
leaves = jax.tree.leaves((state.params, state.model_state))
values = np.concatenate([np.asarray(leaf).ravel() for leaf in leaves]).tolist()
json.dump({"metrics": made, "state": values}, sys.stdout)
"""


def steps(devices, count, dtype):
    """Return the metrics of each step and the last parameters and statistics."""
    environment = {**os.environ, "JAX_ENABLE_X64": "1" if dtype == "float64" else "0"}
    command = [sys.executable, "-c", CODE, str(devices), str(count), dtype]
    result = subprocess.run(
        command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=600
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_first_step_in_float32():
    one, eight = (steps(devices, 1, "float32") for devices in (1, 8))
    for name in ("loss", "gradient_norm", "top1_error"):
        assert eight["metrics"][0][name] == pytest.approx(one["metrics"][0][name], rel=1e-5)
    # A step of rate 0.01: the parameters differ by 0.01 of what the gradients do.
    np.testing.assert_allclose(eight["state"], one["state"], atol=1e-6)


def test_thirty_steps_in_float64():
    one, eight = (steps(devices, 30, "float64") for devices in (1, 8))
    for a, b in zip(one["metrics"], eight["metrics"], strict=True):
        assert b["loss"] == pytest.approx(a["loss"], abs=1e-10)
        assert b["gradient_norm"] == pytest.approx(a["gradient_norm"], rel=1e-10)
    np.testing.assert_allclose(eight["state"], one["state"], atol=1e-10)
    assert one["metrics"][-1]["loss"] < one["metrics"][0]["loss"]


GROUPS = """
import functools
import jax, jax.numpy as jnp, numpy as np
jax.config.update("jax_num_cpu_devices", 8)
from jax.sharding import PartitionSpec as P
from cnn_history import layers
from cnn_history.training import devices
devices.start()
mesh = devices.mesh()
x = np.random.default_rng(0).normal(np.arange(16)[:, None, None, None], 1, (16, 3, 3, 5))
x = devices.put(x.astype(np.float32), devices.over_batch(mesh))

def normalize(x, group_size):
    layer = layers.BatchNorm(group_size=group_size)
    variables = layer.init(jax.random.key(0), x, use_running_average=True)
    return layer.apply(variables, x, use_running_average=False, mutable=["batch_stats"])

grouped = jax.jit(functools.partial(normalize, group_size=2))
alone = jax.shard_map(lambda x: normalize(x, None)[0], mesh=mesh, in_specs=P("data"),
                      out_specs=P("data"), check_vma=False)
y, updated = grouped(x)
np.testing.assert_allclose(y, jax.jit(alone)(x), atol=1e-5)
y, whole = jax.jit(functools.partial(normalize, group_size=None))(x)
assert not np.allclose(y, jax.jit(alone)(x), atol=0.1)
for a, b in zip(jax.tree.leaves(updated), jax.tree.leaves(whole)):
    np.testing.assert_allclose(a, b, rtol=1e-5)
only = jax.jit(lambda x: grouped(x)[0]).lower(x).compile()
assert "all-reduce" not in only.as_text()
"""


def test_groups_of_a_devices_examples_are_the_statistics_of_that_device():
    """As on the papers' GPUs: no device asks another, but for running statistics."""
    command = [sys.executable, "-c", GROUPS]
    result = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stderr
