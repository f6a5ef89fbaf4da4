"""A work directory in a bucket, on a local server that speaks Google's protocol."""

import json
import socket
import sys

import jax
import numpy as np
import pytest

from cnn_history import loading
from cnn_history.errors import UserError
from cnn_history.files import bucket
from cnn_history.training import loop
from experiments import lenet5_digits


@pytest.fixture(scope="module")
def server():
    """Serve an empty bucket, to this process alone."""
    pytest.importorskip("gcsfs")
    emulator = pytest.importorskip("gcp_storage_emulator.server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = emulator.create_server("127.0.0.1", port, in_memory=True, default_bucket="bucket")
    made.start()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("STORAGE_EMULATOR_HOST", "TENSORSTORE_GCS_HTTP_URL"):
            patch.setenv(name, f"http://127.0.0.1:{port}")
        patch.setenv("EPATH_USE_TF", "0")
        # Of several requests at once the emulator, under load, answers some with no generation.
        patch.setenv("TENSORSTORE_GCS_REQUEST_CONCURRENCY", "1")
        yield
    made.stop()


def test_a_run_goes_on_from_its_bucket_and_is_the_same_run(server, tmp_path):
    config = lenet5_digits.get_config("smoke")
    config.schedule.name = "constant"  # another length is another rate else
    loop.run(config, tmp_path)
    there = bucket.path("gs://bucket/runs/lenet5")
    half = config.copy_and_resolve_references()
    half.steps = 5
    loop.run(half, there)
    assert not (there / "lock").exists()
    summary = loop.run(config, there)

    assert summary["test"] == json.loads((tmp_path / "summary.json").read_text())["test"]
    lines = [json.loads(line) for line in (there / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if line["split"] == "train"] == [2, 4, 5, 6, 8, 10]
    assert json.loads((there / "summary.json").read_text()) == summary
    found = {path.name for path in there.iterdir()}
    assert {"config.json", "inputs.npz", "figures", "checkpoints"} <= found
    assert len([name for name in found if name.startswith("events")]) == 2
    assert loop.run(config, there) == summary  # nothing is left to do
    ours, theirs = (loading.load(folder)[1] for folder in ("gs://bucket/runs/lenet5", tmp_path))
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_array_equal(a, b)

    config.learning_rate = 0.5
    with pytest.raises(UserError, match="'gs://bucket/runs/lenet5' holds a run with"):
        loop.run(config, there)


def test_changed_files_are_copied_again_and_no_others(tmp_path):
    files, there = tmp_path / "files", tmp_path / "there"
    for folder in (files, there):
        folder.mkdir()
    for name in ("changed", "same"):
        (files / name).write_text("1")
    place = bucket.Place(there, files)
    place.push()
    (files / "changed").write_text("22")
    (there / "same").write_text("a copy would replace this")
    place.push()
    assert (there / "changed").read_text() == "22"
    assert (there / "same").read_text() == "a copy would replace this"


def test_what_is_missing_is_named(server, monkeypatch):
    with pytest.raises(UserError, match="neither a folder nor gs://BUCKET/FOLDER"):
        bucket.path("s3://bucket/run")
    with pytest.raises(UserError, match="'gs://bucket/none' is not a run's work directory"):
        loading.load("gs://bucket/none")
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(UserError, match="needs gcsfs, which EXTRAS=tpu installs"):
        bucket.path("gs://bucket/run")
