"""Fine-tuning an imported network on a few own classes, as in docs/fine_tuning.md."""

import json
import pathlib
import resource

import jax
import numpy as np
import pytest
from PIL import Image

import cnn_history
from cnn_history import build, datasets, models
from cnn_history.training import devices, feed, program
from experiments import resnet_cifar10
from tests.shared import SHARED, needs_shared
from tests.test_import_weights import call
from tests.training import runs
from tests.weights.test_load import RESNET20

OWN = ("cat", "ship", "frog")
BELOW_HEAD = "pool"  # what the classifier reads
SECONDS = 2 * 60  # of a processor: a minute of two cores, whatever else they do meanwhile
TFDS = SHARED / "data" / "tfds"


def photos(root, split, count):
    """Write the first photos of OWN as a folder of PNG files."""
    source = datasets.source("cifar10", "train" if split == "train" else "test", str(TFDS))
    made = dict.fromkeys(OWN, 0)
    for i in range(len(source)):
        image, label = (one[0] for one in source.read([i]))
        name = source.classes[label]
        if name in made and made[name] < count:
            path = pathlib.Path(root) / split / name / f"{made[name]:03}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
            made[name] += 1
        if min(made.values()) == count:
            return


def _of_children():
    """Return the seconds of a processor that processes started here, and ended, have taken."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.slow
@needs_shared
def test_the_recipe(tmp_path):
    for split, count in (("train", 200), ("val", 100)):
        photos(tmp_path / "photos", split, count)
    source, tuned = tmp_path / "resnet20", tmp_path / "tuned"
    done = call("import_weights", model="resnet20", checkpoint=RESNET20, workdir=source)
    assert done.returncode == 0, done.stderr
    flags = {
        "config": "experiments/resnet_cifar10.py:depth=20,dataset=folder",
        "workdir": tuned,
        "config.data_dir": tmp_path / "photos",
        "config.test_split": "val",
        "config.init_from": source,
        "config.scaling": "as_init_from",
        "config.trained_layers": "('fc',)",
        "config.learning_rate": 0.01,
        "config.steps": 40,
        "config.eval_every": 20,
        "config.log_every": 10,
        "config.eval_batch_size": 100,
    }
    began = _of_children()
    training = runs.start("train", *(f"--{name}={value}" for name, value in flags.items()))
    status, _, said = runs.finish(training, 10 * SECONDS)
    seconds = _of_children() - began
    assert status == 0, said
    assert 1 < seconds <= SECONDS
    test = json.loads((tuned / "summary.json").read_text())["test"]
    error = test["top1_error"]
    print(f"error {error:.3f} on {test['count']} photos after {seconds:.0f} s of a processor")
    assert test["count"] == 300
    assert error <= 0.1
    assert "from '" in said
    (network, ours, see), (whole, theirs, see_theirs) = map(cnn_history.load, (tuned, source))
    assert see.classes == tuple(sorted(OWN))
    for kind in ("params", "batch_stats"):
        for layer in theirs[kind]:
            if layer != "fc":
                jax.tree.map(np.testing.assert_array_equal, ours[kind][layer], theirs[kind][layer])
    images = np.stack([np.asarray(Image.open(p)) for p in sorted(tmp_path.rglob("val/cat/*.png"))])
    np.testing.assert_allclose(see(images), see_theirs(images), atol=1e-6)
    below = models.features(network, ours, see(images), BELOW_HEAD)
    expected = models.features(whole, theirs, see_theirs(images), BELOW_HEAD)
    np.testing.assert_allclose(below, expected, rtol=1e-6, atol=1e-6)


def test_layers_that_are_not_trained_stay_as_they_are():
    config = resnet_cifar10.get_config("smoke,dataset=digits")
    config.update(image_size=8, scaling="unit", trained_layers=("fc", "conv4_1/norm2"))
    network = build.model(config, 10).clone(blocks=1, features=(4, 4, 4))
    experiment, mesh = build.experiment(config, network=network), devices.mesh()
    images = experiment.images(None)
    training = feed.feed(experiment, images, print, mesh)
    compiled = program.make(experiment, images, training, mesh)
    before = compiled.init()
    kept = jax.tree.map(np.asarray, (before.params, before.model_state))
    after, metrics = compiled.step(before, training.data, training.at(0, 1))
    assert metrics["applied"]
    moved = [
        {
            jax.tree_util.keystr(path, simple=True, separator="/")
            for path, same in jax.tree_util.tree_leaves_with_path(
                jax.tree.map(np.array_equal, old, new)
            )
            if not same
        }
        for old, new in zip(kept, (after.params, after.model_state), strict=True)
    ]
    norm = "conv4_1/norm2"
    assert moved[0] == {"fc/kernel", "fc/bias", f"{norm}/scale", f"{norm}/bias"}
    assert moved[1] == {f"batch_stats/{norm}/{name}" for name in ("mean", "var")}
    state = {leaf.shape for leaf in jax.tree.leaves(after.opt_state) if leaf.ndim > 1}
    assert state == {after.params["fc"]["kernel"].shape}
