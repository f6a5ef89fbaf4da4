"""The programs compiled for a slice are those that `train` runs."""

import re

import jax
import pytest

from cnn_history import build, datasets
from cnn_history.datasets import known
from cnn_history.slices import programs
from cnn_history.training import devices, feed, program
from experiments import lenet5_digits, resnet_cifar10
from tests.datasets import files
from tests.training import topologies


def digits(tmp_path):
    """Return the default experiment: images kept whole, a schedule, augmentation."""
    return lenet5_digits.get_config("smoke")


def one_by_one(tmp_path):
    """Return one whose steps are made several in a call, on a CPU too: batches of one."""
    config = lenet5_digits.get_config("smoke")
    config.update(
        batch_size=1, eval_batch_size=4, scaling="per_pixel_mean", optimizer_state="sharded"
    )
    return config


def photos(tmp_path):
    """Return one whose images are streamed."""
    config = topologies.config("streamed", "bfloat16")
    folder = files.make_folder(tmp_path / "photos", train=50, val=9)
    config.update(dataset="folder", data_dir=str(folder), test_split="val", micro_batches=2)
    config.update(image_size=32)
    config.augmentation.vgg.scales = (33, 40)
    return config


def shown(traced):
    """Return the text of what is traced, without addresses, and where its arguments live."""
    text = re.sub(r"0x[0-9a-f]+", "", str(traced.jaxpr))
    where = [x.sharding for x in jax.tree.leaves(traced.in_avals) if hasattr(x, "sharding")]
    return text, [(a.shape, a.dtype) for a in jax.tree.leaves(traced.in_avals)], where


@pytest.mark.parametrize("config", [digits, one_by_one, photos])
def test_they_are_those_of_train(config, tmp_path):
    """Traced from the config alone, and from the parts of a run, with its data and a cursor."""
    config, mesh = config(tmp_path), devices.mesh()
    made = build.experiment(
        config, data=build.sources(config, datasets.described), mesh=devices.mesh(jax.devices())
    )
    found = {name: shown(trace()) for name, trace in programs.traced(made, mesh).items()}

    experiment = build.experiment(config)
    images = experiment.images(lambda: programs.unmeasured(experiment))
    training = feed.feed(experiment, images, print, mesh)
    run = program.make(experiment, images, training, mesh)
    cursor = training.at(0, 1)
    expected = {"step": run.step.trace(run.abstract, training.data, cursor)}
    if training.stride > 1:
        cursors = training.at(1, training.stride)
        expected["steps"] = run.steps.trace(run.abstract, training.data, cursors)
    tested = feed.examples.examples(experiment.test, experiment.size, experiment.adapter, None)
    seen = []
    feed.over_examples(
        lambda batch: seen.append(run.evaluate.trace(run.abstract, batch)) or run_nothing(batch),
        tested,
        config.eval_batch_size,
        mesh,
    )
    expected |= {"evaluate": seen[0], "init": run.init.trace()}
    training.close()
    assert found == {name: shown(traced) for name, traced in expected.items()}
    assert list(programs.traced(made, mesh)) == list(expected)


def run_nothing(batch):
    return {"label": batch["label"]}


def test_a_data_set_that_is_not_here_has_its_sizes(tmp_path):
    config = resnet_cifar10.get_config()
    config.update(data_dir=str(tmp_path))
    train, test = build.sources(config, datasets.described)
    assert (len(train), len(test), train.shape) == (50_000, 10_000, (32, 32, 3))
    with pytest.raises(ValueError, match="cifar10 is not in"):
        datasets.source("cifar10", "train", str(tmp_path))
    with pytest.raises(ValueError, match="did you mean 'validation'"):
        datasets.described("imagenet2012", "validatoin", str(tmp_path))


def test_what_is_known_of_data_sets_is_so(data_dir):
    """Of those that are prepared here."""
    for name, (classes, shape, splits) in known.DATASETS.items():
        for split, size in splits.items():
            try:
                there = datasets.source(name, split, data_dir)
            except ValueError:
                continue
            assert (len(there.classes), there.shape, len(there)) == (classes, shape, size), name
