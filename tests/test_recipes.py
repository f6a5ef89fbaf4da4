"""The recipes of the ImageNet papers: their numbers, and training on real photos."""

import functools
import json
import signal
import time

import jax
import jax.numpy as jnp
import pytest

from cnn_history import build, models
from cnn_history.training import loop
from experiments import (
    alexnet_imagenet,
    bn_inception_imagenet,
    googlenet_imagenet,
    inception_v3_imagenet,
    resnet_imagenet,
    resnet_large_batch_imagenet,
    vgg_imagenet,
    zfnet_imagenet,
)
from tests.shared import SHARED
from tests.training import runs

RECIPES = {
    "alexnet": alexnet_imagenet,
    "zfnet": zfnet_imagenet,
    "vgg": vgg_imagenet,
    "googlenet": googlenet_imagenet,
    "bn_inception": bn_inception_imagenet,
    "inception_v3": inception_v3_imagenet,
    "resnet": resnet_imagenet,
    "resnet_large_batch": resnet_large_batch_imagenet,
}
# Of the papers: network, its images, batch, updates, rate at the start, weight decay; None where
# the paper is silent.
PAPERS = {
    "alexnet": ("alexnet_2012", 227, 128, 900_821, 0.01, 5e-4),
    "zfnet": ("zfnet", 224, 128, 700_638, 0.01, None),
    "vgg": ("vgg11", 224, 256, 370_000, 0.01, 5e-4),
    "googlenet": ("googlenet", 224, None, None, None, None),
    "bn_inception": ("bn_inception", 224, 32, 6_000_000, 0.045, None),
    "inception_v3": ("inception_v3", 299, 32, 4_003_647, 0.045, None),
    "resnet": ("resnet50", 224, 256, 600_000, 0.1, 1e-4),
    "resnet_large_batch": ("resnet50_v1_5", 224, 8192, 14_075, 0.1, 1e-4),
}
PATIENCE = 1200  # seconds for a run of the slowest, on a busy machine
PHOTOS = SHARED / "data" / "imagenette_subset"


@pytest.fixture
def photos():
    """Return a folder of photos, or skip where there is none."""
    if not PHOTOS.is_dir():
        pytest.skip("no photos here")
    return str(PHOTOS)


@pytest.mark.parametrize("name", RECIPES)
def test_the_papers_numbers(name):
    config = RECIPES[name].get_config()
    fields = ("image_size", "batch_size", "steps", "learning_rate", "weight_decay")
    found = (config.model.name, *(config[field] for field in fields))
    for ours, theirs in zip(found, PAPERS[name], strict=True):
        assert theirs is None or ours == theirs
    assert config.dataset == "imagenet2012"


def rates(config, passes):
    """Return the rate after so many passes over ImageNet, of a schedule that knows no error."""
    schedule = build.schedule(config)
    steps = [round(p * 1_281_167 / config.batch_size) + 1 for p in passes]
    return [float(schedule(step)) for step in steps]


def test_the_papers_schedules():
    googlenet = rates(googlenet_imagenet.get_config(), (0, 7.9, 8.1, 16.1))
    assert googlenet == pytest.approx([0.01, 0.01, 0.0096, 0.01 * 0.96**2])
    inception = rates(inception_v3_imagenet.get_config(), (0, 1.9, 2.1, 4.1))
    assert inception == pytest.approx([0.045, 0.045, 0.045 * 0.94, 0.045 * 0.94**2])
    x5, x30 = (rates(bn_inception_imagenet.get_config(f"rate={x}"), (0, 8.1)) for x in (5, 30))
    assert x5 == pytest.approx([0.0075, 0.0075 * 0.96**6])
    assert x30 == pytest.approx([6 * rate for rate in x5])


def test_optimizers_and_losses_of_the_inceptions():
    config = inception_v3_imagenet.get_config()
    assert config.optimizer.name == "rmsprop"
    assert config.optimizer.rmsprop.to_dict() == {"decay": 0.9, "eps": 1.0}
    assert config.loss.name == "smoothed_cross_entropy"
    assert config.loss.smoothed_cross_entropy.epsilon == 0.1
    for recipe in (inception_v3_imagenet, googlenet_imagenet):
        assert recipe.get_config().model.aux_heads
        assert recipe.get_config().aux_weight == 0.3


@pytest.mark.parametrize("name", sorted(set(vgg_imagenet.NETS) - {"vgg11"}))
def test_deeper_vggs_can_take_the_layers_of_a(name):
    """The same names and shapes, of a network's own."""
    assert len(vgg_imagenet.FROM_A) == 4 + 3
    assert vgg_imagenet.get_config(f"net={name},from_a").init_layers == vgg_imagenet.FROM_A
    shallow, deep = (shapes(network) for network in ("vgg11", name))
    for layer in vgg_imagenet.FROM_A:
        assert deep[layer] == shallow[layer]


@functools.cache
def shapes(name):
    images = jax.ShapeDtypeStruct((1, 224, 224, 3), jnp.float32)
    init = functools.partial(models.create(name).init, train=False)
    return jax.tree.map(lambda p: p.shape, jax.eval_shape(init, jax.random.key(0), images))[
        "params"
    ]


def test_two_steps_on_photos(photos, tmp_path):
    """ResNet-18's own recipe, through the loader of streamed data; `-m slow` does it with all."""
    config = resnet_imagenet.get_config("depth=18,smoke,dataset=folder")
    config.update(data_dir=photos, batch_size=4, eval_batch_size=4, steps=2, eval_every=2)
    config.update(train_split="train[:6]", test_split="val[:4]", statistics_batches=1)
    summary = loop.run(config, tmp_path)
    assert (summary["dataset"], summary["test"]["count"]) == ("folder", 4)


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_smoke(name, photos, tmp_path):
    config = RECIPES[name].get_config("smoke,dataset=folder")
    whole = RECIPES[name].get_config()
    if name == "resnet_large_batch":  # groups of 32 do not fit a smoke's batch: it is all one
        whole.model.norm.batch_norm.group_size = 0
    assert (config.model, config.image_size) == (whole.model, whole.image_size)
    config.data_dir = photos
    summary = loop.run(config, tmp_path)
    assert (summary["dataset"], summary["test"]["count"]) == ("folder", 8)


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_killed_and_resumed(name, photos, tmp_path):
    """In mid-epoch and between epochs of three steps, while images are decoded; bit for bit."""
    arguments = [
        f"--config=experiments/{name}_imagenet.py:smoke,dataset=folder",
        f"--config.data_dir={photos}",
        "--config.train_split=train[:12]",
        "--config.steps=8",
        "--config.log_every=1",
        "--config.eval_every=8",
        "--config.checkpoint_every=3",
        "--config.test_split=val[:16]",
    ]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    status, _, err = runs.finish(runs.start("train", *arguments, f"--workdir={whole}"), PATIENCE)
    assert status == 0, err
    for number, step in ((signal.SIGKILL, 3), (signal.SIGTERM, 4)):
        process = runs.start("train", *arguments, f"--workdir={killed}")
        wait_for(killed / "metrics.jsonl", process, step)
        process.send_signal(number)
        status, _, err = runs.finish(process, PATIENCE)
        assert status == (-number if number == signal.SIGKILL else 128 + number), err
    status, _, err = runs.finish(runs.start("train", *arguments, f"--workdir={killed}"), PATIENCE)
    assert status == 0, err
    runs.assert_same_bits(runs.state(killed, 8), runs.state(whole, 8))
    ends = [json.loads((folder / "summary.json").read_text())["test"] for folder in (whole, killed)]
    assert ends[0] == ends[1]
    status, out, err = runs.run("evaluate", f"--workdir={killed}", "--format=json")
    assert status == 0, err
    assert json.loads(out)["top1_error"] == ends[0]["top1_error"]


def wait_for(path, process, step):
    """Wait until the train line of a step is written."""
    while process.poll() is None:
        if path.exists() and f'"step": {step}, "split": "train"' in path.read_text():
            return
        time.sleep(0.01)
    raise AssertionError(process.communicate()[1])
