import jax
import numpy as np

from cnn_history import build, datasets
from cnn_history.datasets import crops
from cnn_history.training import keys, program
from experiments import lenet5_digits
from tests.training import settings, topologies


def test_a_scan_over_steps_is_the_steps_one_by_one():
    config = lenet5_digits.get_config("smoke")
    train = datasets.source("digits", "train[:50]")
    compiled, training, _ = settings.of(config, build.model(config, 10), train)

    single, losses = compiled.init(), []
    for step in range(5):  # 16 of 50 images a step: an epoch ends within the fourth
        single, metrics = compiled.step(single, training.data, training.at(step, 1))
        losses.append(float(metrics["loss"]))
    scanned, metrics = compiled.steps(compiled.init(), training.data, training.at(0, 5))
    np.testing.assert_allclose(metrics["loss"], losses, rtol=1e-5)
    for a, b in zip(jax.tree.leaves(single.params), jax.tree.leaves(scanned.params), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_a_stream_gives_the_step_that_is_asked_for(tmp_path):
    """Steps that come next, and such as were before: true averages look ahead."""
    photos = topologies.make_photos(tmp_path / "photos")
    train, _ = topologies.sources("streamed", photos)
    config = topologies.config("streamed", "float32")
    _, training, _ = settings.of(config, topologies.Net(), train)
    cursors = {step: training.at(step, 1) for step in (0, 1, 2)}
    for step in (1, 2, 0):
        again = training.at(step, 1)
        for name, values in cursors[step].items():
            np.testing.assert_array_equal(again[name], values, err_msg=f"{name} of step {step}")
    training.close()
    assert not np.array_equal(cursors[0]["ids"], cursors[1]["ids"])


def test_crops_of_data_on_the_device_are_keyed_by_epoch_and_example():
    config = lenet5_digits.get_config("smoke")
    config.augmentation.name = "vgg"
    config.augmentation.vgg.update(scales=(33, 40), colour_std=0.0)
    train = datasets.source("digits", "train[:50]")
    _, training, images = settings.of(config, build.model(config, 10), train)
    cursor = training.at(3, 1)  # the second epoch begins within it
    taken, drawn = training.take(training.data, cursor), keys.keys(config.seed)
    batch = jax.jit(lambda taken, cursor: program.batch(taken, cursor, images, drawn))
    made, labels = (batch(taken, cursor)[name] for name in ("image", "label"))
    pixels, _ = train.arrays()
    assert made.shape == (16, 32, 32, 1)
    assert set(cursor["epochs"].tolist()) == {0, 1}
    for j in (0, 15):
        example, epoch = int(cursor["ids"][j]), int(cursor["epochs"][j])
        key = jax.random.fold_in(jax.random.fold_in(drawn.crop, epoch), example)
        part = images.augmentation.crop(jax.random.uniform(key, (crops.DRAWS,)), 8, 8, 32)
        image = pixels[example].astype(np.float32) / 255
        wanted = images.preprocessing.values(crops.cut(image, part, 32))
        np.testing.assert_allclose(made[j], wanted, atol=1e-5)
        assert labels[j] == train.read([example])[1][0]


def test_evaluation_does_not_depend_on_how_it_is_cut():
    config = lenet5_digits.get_config()
    test = datasets.source("digits", "test[:50]")
    compiled, *_ = settings.of(config, build.model(config, 10), test)
    images, labels = test.arrays()
    state = compiled.init()
    whole = compiled.evaluate(state, {"image": images, "label": labels})
    parts = [
        compiled.evaluate(state, {"image": images[i : i + 1], "label": labels[i : i + 1]})
        for i in (0, 7, 49)
    ]
    for i, part in zip((0, 7, 49), parts, strict=True):
        np.testing.assert_allclose(part["probabilities"][0], whole["probabilities"][i], rtol=1e-4)
        np.testing.assert_allclose(part["loss"][0], whole["loss"][i], rtol=1e-4)
