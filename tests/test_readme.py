import json
import pathlib

from cnn_history.reporting import benchmarks, results

README = (pathlib.Path(__file__).parents[1] / "README.md").read_text()


def test_the_table_is_made_from_what_was_measured():
    """`./launch.sh python -m cnn_history.reporting.results` prints it."""
    assert results.table() in README


def test_the_speed_is_what_was_measured():
    """`./launch.sh python -m cnn_history.reporting.benchmarks` writes it."""
    between = README.split(benchmarks.BEGIN)[1].split(benchmarks.END)[0]
    assert between.strip() == benchmarks.markdown()


def test_a_benchmark_as_the_readme_shows_it(tmp_path):
    row = {
        "network": "lenet5", "mode": "train", "batch": 128, "dtype": "float32", "data": "one batch",
        "images_per_second": 12_345.6,
        "seconds_per_step": {"median": 0.01, "low": 0.009, "high": 0.1},
        "ratio": {"median": 0.987, "low": 0.9, "high": 1.1}, "beside": "PyTorch, NCHW",
        "share_of_peak": 0.1, "share_of_bandwidth": 0.2, "share_of_bound": 0.256,
        "memory_bytes": 1e6,
    }  # fmt: skip
    ceiling = {"operations_per_second": 6.4e10, "bytes_per_second": 2e10}
    document = {
        "device": "a device", "threads": 2, "rounds": 5, "load_average": [0.2, 1.9],
        "versions": {"jax": "1", "torch": "2"}, "ceilings": {"float32": ceiling}, "results": [row],
    }  # fmt: skip
    assert benchmarks.markdown(tmp_path) == "Not measured yet."
    (tmp_path / "cpu.json").write_text(json.dumps(document))
    made = benchmarks.markdown(tmp_path)
    assert "| lenet5 | train | 128 | 12,346 | 0.987 (0.900 to 1.10) | 10% | 26% |" in made
    assert made.startswith("Networks on a CPU, on a device (jax 1, torch 2). dtype: float32; ")
    assert "beside: PyTorch, NCHW. 2 threads on both sides, 5 rounds; the load average" in made
    assert "64 GFLOP/s" in made
    assert "Winograd" not in made
    document["processor"], row["share_of_bound"] = "a processor", 1.25
    (tmp_path / "cpu.json").write_text(json.dumps(document))
    made = benchmarks.markdown(tmp_path)
    assert made.startswith("Networks on a CPU, on a device, a processor (jax 1, torch 2).")
    assert "Winograd's algorithm makes fewer" in made
    assert "125%" in made


def test_every_picture_is_there():
    for line in README.splitlines():
        if line.startswith("!["):
            path = line.split("(", 1)[1].split(")")[0]
            assert (results.RESULTS.parent / path).is_file(), path
