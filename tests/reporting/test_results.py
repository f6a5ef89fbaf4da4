"""docs/results.md, and verdicts on whether a paper's number is reproduced."""

import json

import pytest

from cnn_history import papers
from cnn_history.reporting import benchmarks, reproduction, results
from experiments import lenet5_mnist

PAPER = papers.reported(lenet5_mnist.get_config())


def test_a_single_run_has_the_binomial_interval_of_its_images():
    found = reproduction.compare([0.0115], 10_000, PAPER)
    assert (found.low, found.high) == pytest.approx((0.95, 1.38), abs=0.005)  # Clopper & Pearson
    assert found.deviation is None
    assert found.verdict == "within 0.20 points"
    assert reproduction.compare([0.0110], 10_000, PAPER).verdict == "reproduced"


def test_several_runs_have_the_interval_of_one_more():
    found = reproduction.compare([0.009, 0.011, 0.010], 10_000, PAPER)
    assert found.mean == pytest.approx(1.0)
    assert found.deviation == pytest.approx(0.1)
    # Student's t of 2 degrees of freedom at 97.5 % is 4.3027.
    half = 4.3027 * 0.1 * (4 / 3) ** 0.5
    assert (found.low, found.high) == pytest.approx((1 - half, 1 + half), abs=1e-4)
    assert found.verdict == "reproduced"
    assert reproduction.compare([0.004, 0.004, 0.004], 100, PAPER).verdict.startswith("reproduced,")
    assert (
        reproduction.compare([0.02, 0.02], 100, PAPER).verdict
        == "not reproduced: 1.05 points higher"
    )
    assert reproduction.compare([0.02, 0.02], 100, None).verdict == "–"
    assert reproduction.compare([0.02, 0.03], 100, PAPER).verdict == "undecided"  # two runs: wide


def test_a_run_that_is_kept_is_in_the_document(tmp_path):
    run, kept = tmp_path / "run", tmp_path / "results"
    kept.mkdir()
    assert results.document(kept).count("#") == 1  # the title alone
    (run / "seed_0").mkdir(parents=True)
    summary = {
        "model": "lenet5", "dataset": "mnist", "steps": 9375, "seconds": 100.0, "devices": "a cpu",
        "test": {"top1_error": 0.0095, "top1_errors": [0.009, 0.010], "count": 10_000},
    }  # fmt: skip
    (run / "summary.json").write_text(json.dumps(summary))
    (run / "seed_0" / "config.json").write_text(lenet5_mnist.get_config().to_json())
    results.keep(run, kept / "lenet5.json")
    document = results.document(kept)
    assert "| lenet5 | mnist | momentum | 0.95 (LeCun et al. 1998, fig. 9) | 2 |" in document
    assert "| 0.90 | reproduced | 9,375 | 100 s | a cpu |" in document
    assert "data_dir" not in json.loads((kept / "lenet5.json").read_text())["config"]


def test_a_benchmark_in_the_document(tmp_path):
    row = {
        "network": "lenet5", "mode": "train", "batch": 128, "dtype": "float32", "data": "one batch",
        "images_per_second": 12_345.6,
        "seconds_per_step": {"median": 0.01, "low": 0.009, "high": 0.1},
        "ratio": {"median": 0.987, "low": 0.9, "high": 1.1}, "beside": "PyTorch, NCHW",
        "share_of_peak": 0.1, "share_of_bandwidth": 0.2, "share_of_bound": 1.25,
        "memory_bytes": 1e6,
    }  # fmt: skip
    ceiling = {"operations_per_second": 6.4e10, "bytes_per_second": 2e10}
    document = {
        "device": "a device", "processor": "a processor", "threads": 2, "rounds": 5,
        "load_average": [0.2, 1.9], "versions": {"jax": "1", "torch": "2"},
        "ceilings": {"float32": ceiling}, "results": [row],
    }  # fmt: skip
    assert list(benchmarks.tables(tmp_path)) == []
    (tmp_path / "cpu.json").write_text(json.dumps(document))
    said, table = benchmarks.tables(tmp_path)
    assert "| lenet5 | train | 128 | 12,346 | 0.987 (0.900 to 1.10) | 10% | 125% |" in table
    for words in ("a device, a processor (jax 1, torch 2)", "PyTorch, NCHW", "64 GFLOP/s"):
        assert words in said
    assert "Winograd" in said  # why more than all of the bound is possible
