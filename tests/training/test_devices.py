"""Eight devices: groups of batch norm, batches of an evaluation; and an absent TPU."""

import json
import subprocess
import sys

import jax
import pytest

from cnn_history.training import devices
from tests.training import runs
from tests.training.runs import CHECKOUT

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

MERGED = """
import re
import jax, jax.numpy as jnp, numpy as np
jax.config.update("jax_num_cpu_devices", 8)
from cnn_history.layers import batch_norm
from cnn_history.training import devices
devices.start()
mesh = devices.mesh()
rng = np.random.default_rng(0)
weights = rng.normal(size=(16, 3, 3, 5)).astype(np.float32)
scale, bias = rng.normal(1, 0.1, (2, 5)).astype(np.float32)

@jax.jit
def derivatives(x, scale, bias):
    def value(x, scale, bias):
        y, mean, var = batch_norm.normalize(x[None], scale, bias, 1e-5)
        return jnp.sum(y * weights), (y, mean, var)
    return jax.value_and_grad(value, (0, 1, 2), has_aux=True)(x, scale, bias)

for mean in (0.0, 1e6):
    x = np.float32(rng.normal(mean, 2, (16, 3, 3, 5)) + np.arange(16)[:, None, None, None] / 2)
    everywhere = devices.put((scale, bias), devices.replicated(mesh))
    cut = devices.put(x, devices.over_batch(mesh)), *everywhere
    compiled = derivatives.lower(*cut).compile()
    for ours, alone in zip(*map(jax.tree.leaves, (compiled(*cut), derivatives(x, scale, bias)))):
        np.testing.assert_allclose(ours, alone, rtol=1e-6, atol=3e-6 * np.abs(alone).max())
    (_, (_, _, var)), _ = compiled(*cut)
    np.testing.assert_allclose(var.ravel(), x.astype(float).var((0, 1, 2)), rtol=1e-6)
    text = compiled.as_text()
    assert len(re.findall(r" all-gather\\(", text)) == 1, "the moments of each device"
    assert len(re.findall(r" all-reduce\\(", text)) == 1, "the way back, and the value"
    assert not re.search(r" (all-to-all|collective-permute)\\(", text)
"""


def test_devices_exchange_their_moments_once():
    """And merge them to what one device finds, also where the mean is a million: to 1e-6."""
    result = subprocess.run([sys.executable, "-c", MERGED], cwd=CHECKOUT, capture_output=True)
    assert result.returncode == 0, result.stderr.decode()


def test_groups_of_a_devices_examples_are_the_statistics_of_that_device():
    """As on the papers' GPUs: no device asks another, but for running statistics."""
    command = [sys.executable, "-c", GROUPS]
    result = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stderr


def test_batches_of_an_evaluation_are_filled_up_to_all_devices(tmp_path):
    """On 8 devices, 64 test images by 30, so by 32, have the error that one device finds by 30."""
    command = ["--config=experiments/lenet5_digits.py:smoke", "--config.eval_batch_size=30"]
    command += ["--config.steps=10", "--config.eval_every=10", f"--workdir={tmp_path}"]
    eight = {"XLA_FLAGS": "--xla_force_host_platform_device_count=8"}
    status, _, said = runs.run("train", *command, **eight)
    assert status == 0, said
    last = json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[-1])
    assert (last["split"], last["step"]) == ("test", 10)
    status, out, said = runs.run("evaluate", f"--workdir={tmp_path}", "--format=json")
    assert status == 0, said
    alone = json.loads(out)
    assert (alone["count"], alone["top1_error"]) == (64, last["top1_error"])


@pytest.mark.parametrize(
    ("installed", "there", "chosen", "expected"),
    [
        (("libtpu",), False, None, "cpu"),
        (("libtpu",), True, None, None),
        (("libtpu",), False, "tpu", "tpu"),
        (("libtpu", "jax_plugins"), False, None, None),
        (("libtpu", "jax_plugins", "jax_cuda13_plugin"), False, None, "cpu"),
        (("jax_plugins", "jax_cuda13_plugin"), True, None, None),
        ((), False, None, None),
    ],
)
def test_libtpu_without_a_tpu_is_left_alone(
    installed, there, chosen, expected, tmp_path, monkeypatch
):
    monkeypatch.setattr(devices, "_installed", lambda package: package in installed)
    monkeypatch.setattr(devices, "ACCELERATORS", (str(tmp_path / "accel*"),))
    monkeypatch.delenv("TPU_NAME", raising=False)
    if there:
        (tmp_path / "accel0").touch()
    before = jax.config.jax_platforms
    jax.config.update("jax_platforms", chosen)
    try:
        devices.look_for_what_is_here()
        assert jax.config.jax_platforms == expected
    finally:
        jax.config.update("jax_platforms", before)
