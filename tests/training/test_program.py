import itertools

import jax
import numpy as np

from cnn_history import build, datasets
from cnn_history.datasets.order import Order
from cnn_history.training import devices, loop, program
from experiments import lenet5_digits


def test_a_scan_over_steps_is_the_steps_one_by_one():
    config = lenet5_digits.get_config("smoke")
    train = datasets.source("digits", "train[:50]")
    images, labels = train.arrays()
    preprocessing = build.scaling(config)(images, config.image_size, config.adapter)
    mesh = devices.mesh()
    compiled = program.make(config, build.model(config, 10), preprocessing, 1, mesh)
    order = Order(program.keys(0).order, len(labels))
    data = devices.put({"image": images, "label": labels}, devices.replicated(mesh))

    single, losses = compiled.init(), []
    for step in range(5):  # 16 of 50 images a step: an epoch ends within the fourth
        cursor = program.cursor(order, step, 1, config.batch_size, mesh)
        single, metrics = compiled.step(single, data, cursor)
        losses.append(float(metrics["loss"]))
    cursors = program.cursor(order, 0, 5, config.batch_size, mesh)
    scanned, metrics = compiled.steps(compiled.init(), data, cursors)
    np.testing.assert_allclose(metrics["loss"], losses, rtol=1e-5)
    for a, b in zip(jax.tree.leaves(single.params), jax.tree.leaves(scanned.params), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_a_scan_never_passes_over_an_event():
    config = lenet5_digits.get_config()
    config.update(steps=1030, log_every=50, eval_every=120, checkpoint_every=200)
    step, events = 7, []  # as resumed after a signal
    while step < config.steps:
        step += loop._steps_to_make(step, 50, config)
        events.append(step)
    due = {s for s in range(8, 1031) if s % 120 == 0 or s % 200 == 0} | {1030}
    assert due <= set(events)
    assert any(b - a == 50 for a, b in itertools.pairwise(events))


def test_evaluation_does_not_depend_on_how_it_is_cut():
    config = lenet5_digits.get_config()
    images, labels = datasets.source("digits", "test[:50]").arrays()
    preprocessing = build.scaling(config)(images, config.image_size, config.adapter)
    compiled = program.make(config, build.model(config, 10), preprocessing, 1, devices.mesh())
    state = compiled.init()
    whole = compiled.evaluate(state, images, labels)
    parts = [compiled.evaluate(state, images[i : i + 1], labels[i : i + 1]) for i in (0, 7, 49)]
    for i, part in zip((0, 7, 49), parts, strict=True):
        np.testing.assert_allclose(part["probabilities"][0], whole["probabilities"][i], rtol=1e-4)
        np.testing.assert_allclose(part["loss"][0], whole["loss"][i], rtol=1e-4)
