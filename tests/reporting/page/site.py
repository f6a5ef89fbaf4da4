"""A small site for tests: few networks, with runs, studies and claims full of hostile text."""

import json

import numpy as np
from PIL import Image

from cnn_history.lecture import LECTURES
from cnn_history.reporting import page
from cnn_history.reporting.page import networks

HOSTILE = "</script><script>alert('x')</script><img src=x onerror=alert(1)> & \"quoted\""
FEW = ("lenet5_1998", "alexnet_2012", "zfnet", "vgg19", "googlenet", "resnet152")
VERSIONS = {"jax": "0", "commit": "c"}
SUMMARY = {
    "model": "lenet5", "dataset": "mnist", "parameters": 61706, "steps": 20, "seconds": 3.0,
    "images_per_second": 100.0, "devices": "1 cpu", "versions": VERSIONS,
    "test": {"top1_error": 0.25, "count": 8, "protocol": "single_crop"},
}  # fmt: skip
CLAIMS = [
    ("C001", "LeNet-5", "5x5 filters", "5x5", "agrees", ""),
    ("C002", "AlexNet", HOSTILE, "62,378,344", "errs", "the truth"),
    ("C003", "AlexNet", "55x55x96", "55x55x96", "agrees", ""),
    ("C004", "Adam", "a good default", "", "advice", ""),
]


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def picture(path, size=(40, 30), frames=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).integers(0, 255, (frames, size[1], size[0], 3), np.uint8)
    first, *others = [Image.fromarray(frame) for frame in noise]
    first.save(path, **({"save_all": True, "append_images": others} if others else {}))


def run(folder, *, error=0.25, finished=True, label="mnist", **config):
    """Make a run that has two lines of each split and its curves."""
    lines = [
        {"step": step, "split": split, "loss": k / step, "top1_error": k * error / step}
        for step in (10, 20)
        for split, k in (("train", 1.0), ("test", 2.0))
    ]
    write(folder / "metrics.jsonl", "".join(json.dumps(line) + "\n" for line in lines) + '{"torn')
    config = {"model": {"name": "lenet5"}, "dataset": label, "steps": 20, **config}
    config |= {"train_split": "train", "test_split": "test"}
    write(folder / "config.json", config)
    picture(folder / "figures" / "curves.png")
    if finished:
        test = {**SUMMARY["test"], "top1_error": error}
        write(folder / "summary.json", {**SUMMARY, "dataset": label, "test": test})


def study(folder, **changes):
    """Make a study with a figure and an animation."""
    content = {
        "study": "optimizer_paths", "question": f"Which is faster? {HOSTILE}",
        "answer": "The second.", "rows": [{"rule": HOSTILE, "loss": 0.123456, "n": 3}],
        "figures": ["figures/a.png", "figures/b.gif"], "captions": [HOSTILE, "It moves."],
        "config": {"seeds": 3}, "seconds": 1.0, "versions": VERSIONS, "devices": "1 cpu",
    }  # fmt: skip
    write(folder / "results.json", {**content, **changes})
    picture(folder / "figures" / "a.png")
    picture(folder / "figures" / "b.gif", frames=3)


def make(folder):
    """Make all kinds of material."""
    run(folder / "lenet5" / "seed_0", error=0.2)
    run(folder / "lenet5" / "seed_1", error=0.3)
    hostile = folder / "<b>bold & hostile</b>"
    run(hostile, finished=False, label=HOSTILE, note=HOSTILE)
    picture(hostile / "figures" / "<img src=x onerror=alert(1)>.png")
    study(folder / "studies" / "paths")
    names = ("id", "slide", "quote", "computed", "verdict", "truth")
    write(folder / "claims.json", [dict(zip(names, row, strict=True)) for row in CLAIMS])
    write(folder / "beside_torch.json", {"what": "loss beside PyTorch", "losses": [1, 2]})
    picture(folder / "beside_torch.png")
    write(folder / "benchmark.json", benchmark())
    write(folder / "odd_benchmark.json", {"device": "odd", "results": [{"ratio": 1, "seconds": 2}]})


def benchmark():
    """Return a benchmark of two networks, one of them of hostile name, and of its ceilings."""
    row = {
        "network": "resnet20", "mode": "train", "dtype": "float32", "images_per_second": 100.0,
        "operations_per_image": 2e8, "bytes_per_image": 1e7, "share_of_bound": 0.5,
        "bounds": {"compiler": 200.0}, "others": [{"images_per_second": 125.0}],
        "ratio": {"median": 1.25, "low": 1.2, "high": 1.3},
    }  # fmt: skip
    ceiling = {"operations_per_second": 6e10, "bytes_per_second": 2e10}
    return {
        "device": "a device", "suite": "cpu", "threads": 2, "load_average": [0.1, 0.2], "rounds": 3,
        "versions": {}, "commit": "c", "ceilings": {"float32": ceiling},
        "results": [row, {**row, "network": HOSTILE, "images_per_second": 101.0}],
    }  # fmt: skip


def build(monkeypatch, searched, output):
    """Write the page with few networks: each costs a tracing."""
    chosen = {name: networks.models.NETWORKS[name] for name in FEW}
    monkeypatch.setattr(networks.models, "NETWORKS", chosen)
    output.mkdir(exist_ok=True)
    left_out = page.write(
        [searched], output, ["optimizer_paths", "degradation"], LECTURES.values(), VERSIONS
    )
    return (output / "index.html").read_text(), left_out
