"""The views that each protocol passes to a member of an ensemble, for photos and arrays."""

import dataclasses
import types

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_history import datasets, ensemble, evaluation, models
from cnn_history.datasets import adapters, prepare
from cnn_history.errors import UserError
from cnn_history.training import devices
from tests.datasets import files
from tests.training import settings

SIZE = 7
SCALING = prepare.Preprocessing(SIZE, "resize", np.float32(0.5), np.float32(0.25))
SCALES = (9, 10)


class Scores(nn.Module):
    """Scores that tell colours and positions apart."""

    @nn.compact
    def __call__(self, images, train):
        del train
        return scores(images).mean((1, 2))


def scores(images):
    x = images[:, 1:, 1:] * images[:, :-1, :-1]
    return x[..., :2]


def by_hand(view):
    """[n, h, w, c] in [0, 1] -> the probabilities of Scores."""
    return jax.nn.softmax(scores((view - 0.5) / 0.25).mean((1, 2)))


@pytest.fixture(autouse=True)
def config(monkeypatch):
    """Let each work directory be of a network with a name."""
    named = types.SimpleNamespace(model=types.SimpleNamespace(name="scores"))
    monkeypatch.setattr(ensemble.workdir, "read_config", lambda folder: named)


@pytest.fixture
def source(tmp_path, monkeypatch):
    """Return three photos, and let each work directory hold Scores."""
    for i, (height, width) in enumerate([(12, 30), (31, 12), (20, 20)]):
        path = tmp_path / "val" / "ab"[i % 2] / f"{i}.JPEG"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(files.jpeg(height, width, seed=i))
    monkeypatch.setattr(ensemble.loading, "load", lambda folder, best: (Scores(), {}, SCALING))
    monkeypatch.setattr(ensemble.workdir, "load_inputs", lambda folder: (SCALING, 3, ("a", "b")))
    return datasets.source("folder", "val", str(tmp_path))


def predictions(source, **measure):
    made = ensemble.Measure(**measure)
    return ensemble.predictions(["run"], source, made, 2, print, devices.mesh())[:2]


def loaded(source, size, adapter):
    """Return the photos as a loader cuts them, in [0, 1]."""
    photos, _ = source.read(range(len(source)))
    return adapters.unit(np.stack([adapters.shown(one, size, adapter) for one in photos]))


def test_one_crop_is_what_a_run_itself_sees(source):
    made, labels = predictions(source)
    np.testing.assert_allclose(made, by_hand(loaded(source, SIZE, "resize")), atol=1e-5)
    assert labels.tolist() == [source.encoded(i).label for i in range(3)]
    made, _ = predictions(source, scale=9)  # of the central square, at that scale
    wanted = evaluation.single_crop(by_hand, loaded(source, 9, "square"), SIZE)
    np.testing.assert_allclose(made, wanted, atol=1e-5)


def test_ten_crops_are_of_the_central_square(source):
    made, _ = predictions(source, protocol="ten_crop")
    wanted = evaluation.ten_crop(by_hand, loaded(source, 8, "square"), SIZE)  # 8/7 of 7
    np.testing.assert_allclose(made, wanted, atol=1e-5)


@pytest.mark.parametrize("protocol", ["dense", "crops144", "multi_scale_dense"])
def test_whole_photos_one_by_one(source, protocol):
    run = evaluation.PROTOCOLS[protocol].run
    photos, _ = source.read(range(3))
    units = [jnp.asarray(adapters.unit(photo[None])) for photo in photos]  # by jax, not the host
    if protocol == "dense":
        wanted = [run(by_hand, evaluation.at_scale(unit, 9), SIZE) for unit in units]
        made, _ = predictions(source, protocol=protocol, scale=9)
    else:
        wanted = [run(by_hand, unit, SIZE, SCALES) for unit in units]
        made, _ = predictions(source, protocol=protocol, scales=SCALES)
    np.testing.assert_allclose(made, np.concatenate(wanted), atol=1e-6)


def test_a_program_for_each_shape_of_view_is_compiled_once(tmp_path, monkeypatch):
    """Crops have one shape whatever the photos'; dense sees photos of one aspect in a row."""
    traced = []

    class Counted(Scores):
        @nn.compact
        def __call__(self, images, train):
            traced.append(images.shape)
            return super().__call__(images, train)

    sizes = [(12, 30), (20, 20), (31, 12), (24, 60), (16, 16), (18, 45)]
    for i, (height, width) in enumerate(sizes):
        (tmp_path / "val" / "ab"[i % 2]).mkdir(parents=True, exist_ok=True)
        (tmp_path / "val" / "ab"[i % 2] / f"{i}.JPEG").write_bytes(files.jpeg(height, width, i))
    monkeypatch.setattr(ensemble.loading, "load", lambda folder, best: (Counted(), {}, SCALING))
    monkeypatch.setattr(ensemble.workdir, "load_inputs", lambda folder: (SCALING, 3, ("a", "b")))
    monkeypatch.setattr(ensemble, "PROGRAMS", 1)
    source = datasets.source("folder", "val", str(tmp_path))
    _, labels = predictions(source, protocol="crops144", scales=SCALES)
    assert traced == [(1, SIZE, SIZE, 3)]
    assert labels.tolist() == [source.encoded(i).label for i in range(6)]
    traced.clear()
    predictions(source, protocol="dense", scale=10)
    assert sorted(traced) == [(1, 10, 10, 3), (1, 10, 25, 3), (1, 25, 10, 3)]


@pytest.mark.parametrize("softmax_first", [False, True])
def test_dense_on_canvases_gives_each_photo_its_own_numbers(source, monkeypatch, softmax_first):
    """Photos of 12x30, 31x12 and 20x20, a network of ours, and its own jitted program for each."""
    network = models.create("lenet5", num_classes=2)
    scaling = dataclasses.replace(SCALING, size=32)
    variables = network.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)), train=False)
    variables = jax.tree.map(lambda leaf: leaf + 0.1, variables)
    loaded = (network, variables, scaling)
    monkeypatch.setattr(ensemble.loading, "load", lambda folder, best: loaded)
    monkeypatch.setattr(ensemble.workdir, "load_inputs", lambda folder: (scaling, 3, ("a", "b")))

    @jax.jit
    def probabilities(view):
        view = (view - 0.5) / 0.25
        if softmax_first:
            return jax.nn.softmax(models.scores_by_position(network, variables, view))
        return jax.nn.softmax(network.apply(variables, view, train=False))

    photos, _ = source.read(range(3))
    wanted = [
        evaluation.dense(probabilities, evaluation.at_scale(adapters.unit(photo[None]), 37), 32)
        for photo in photos
    ]
    made, _ = predictions(source, protocol="dense", scale=37, softmax_first=softmax_first)
    np.testing.assert_allclose(made, np.concatenate(wanted), atol=1e-6)
    assert np.ptp(made, axis=0).max() > 1e-4  # photos that are told apart


def test_an_ensemble_is_the_mean_of_its_members(source, monkeypatch):
    other = prepare.Preprocessing(SIZE, "resize", np.float32(0.2), np.float32(0.5))
    scalings = {"one": SCALING, "two": other}
    monkeypatch.setattr(
        ensemble.loading, "load", lambda folder, best: (Scores(), {}, scalings[folder])
    )
    measured = [
        ensemble.predictions(folders, source, ensemble.Measure(), 2, print, devices.mesh())[0]
        for folders in (["one"], ["two"], ["one", "two"])
    ]
    np.testing.assert_allclose(measured[2], (measured[0] + measured[1]) / 2, atol=1e-6)
    assert np.abs(measured[0] - measured[1]).max() > 0.01


@pytest.mark.parametrize("measure", [{"protocol": "ten_crop"}, {"scale": 9}])
def test_views_of_the_central_square_are_cut_alike_wherever_photos_lie(source, measure):
    photos = np.stack([files.photo(12, 21, seed=i) for i in range(3)])
    arrays = settings.source(photos, [0, 1, 0], classes=2)
    resident, _ = predictions(dataclasses.replace(arrays, classes=("a", "b")), **measure)
    scale = measure.get("scale", 8)
    square = np.stack([adapters.shown(photo, scale, "square") for photo in photos])
    protocol = evaluation.PROTOCOLS[measure.get("protocol", "single_crop")]
    streamed = protocol.run(by_hand, adapters.unit(square), SIZE)
    np.testing.assert_allclose(resident, streamed, atol=1e-6)


def test_photos_of_the_networks_size_are_cut_alike_wherever_they_lie(tmp_path, monkeypatch):
    """Enlarged, and the middle taken, as torchvision does: streamed, resident and by load()."""
    scaling = dataclasses.replace(SCALING, size=14, adapter="resize_crop")
    photos = np.stack([files.photo(14, 14, seed=i) for i in range(3)])
    (tmp_path / "val" / "a").mkdir(parents=True)
    (tmp_path / "val" / "b").mkdir()
    for i, photo in enumerate(photos):
        (tmp_path / "val" / "ab"[i % 2] / f"{i}.png").write_bytes(files.encode(photo, "png"))
    source = datasets.source("folder", "val", str(tmp_path))
    photos, labels = map(np.stack, source.read(range(3)))
    monkeypatch.setattr(ensemble.loading, "load", lambda folder, best: (Scores(), {}, scaling))
    monkeypatch.setattr(ensemble.workdir, "load_inputs", lambda folder: (scaling, 3, ("a", "b")))
    streamed, _ = predictions(source)
    whole = dataclasses.replace(settings.source(photos, labels, classes=2), classes=("a", "b"))
    resident, _ = predictions(whole)
    loaded = jax.nn.softmax(Scores().apply({}, scaling(photos), train=False))
    np.testing.assert_allclose(resident, loaded, atol=1e-6)
    np.testing.assert_allclose(streamed, loaded, atol=1e-6)
    as_they_are = by_hand(adapters.unit(photos))
    assert np.abs(resident - as_they_are).max() > 0.01


@pytest.mark.parametrize(
    ("measure", "said"),
    [
        ({"protocol": "ten_crops"}, "--protocol: unknown protocol 'ten_crops'; did you mean"),
        ({"protocol": "crops144", "scale": 9}, "--scale: crops144 has several scales"),
        ({"protocol": "dense", "scales": (9,)}, "--scales: dense has one scale"),
        ({"protocol": "ten_crop", "softmax_first": True}, "--softmax_first: ten_crop has no pos"),
        ({"protocol": "ten_crop", "scale": 6}, "--protocol: no 7x7 crop fits in images of 6x6"),
    ],
)
def test_what_cannot_be_measured_is_refused(source, measure, said):
    with pytest.raises(UserError, match=said):
        predictions(source, **measure)


def test_other_classes_and_channels_are_refused(source):
    fewer = types.SimpleNamespace(name="grey", classes=("a", "b"), shape=(9, 9, 1))
    with pytest.raises(UserError, match="takes images of 3 channels, but those of grey have 1"):
        predictions(fewer)
    fewer.classes = ("a",)
    with pytest.raises(UserError, match="'run' has 2 classes, but grey has 1"):
        predictions(fewer)


def test_a_network_is_applied_to_no_photo_so_long_that_memory_is_short(source, tmp_path):
    """Crops of it are still seen; a data set of such images alone is refused at once."""
    (tmp_path / "val" / "b" / "1.JPEG").write_bytes(files.jpeg(12, 12 * ensemble.THINNEST + 1))
    said = []
    for measure in ({"protocol": "dense"}, {"protocol": "crops150", "scales": SCALES}):
        made = ensemble.predictions(
            ["run"], source, ensemble.Measure(**measure), 1, lambda *two: said.append(two),
            devices.mesh(),
        )  # fmt: skip
        assert len(made.ids) == (2 if measure["protocol"] == "dense" else 3)
    ((name, why),) = said
    assert name == "val/b/1.JPEG"
    assert why.startswith("12x97 is thinner than 1 to 8")
    strips = settings.source(np.zeros((2, 97, 12, 3), np.uint8), [0, 1], classes=2)
    strips = dataclasses.replace(strips, classes=("a", "b"))
    with pytest.raises(UserError, match="--protocol: 97x12 is thinner than 1 to 8"):
        predictions(strips, protocol="dense")


@pytest.mark.parametrize("measure", [{}, {"protocol": "dense", "scale": 9}])
def test_a_photo_that_cannot_be_decoded_is_left_out_and_named(source, tmp_path, measure):
    whole = ensemble.predictions(
        ["run"], source, ensemble.Measure(**measure), 2, print, devices.mesh()
    )
    damaged = source.name_of(1)
    (tmp_path / damaged).write_bytes(b"no image")
    named = []
    made = ensemble.predictions(
        ["run"],
        source,
        ensemble.Measure(**measure),
        2,
        lambda *said: named.append(said),
        devices.mesh(),
    )
    assert {name for name, _ in named} == {damaged}
    assert made.ids.tolist() == [0, 2]
    np.testing.assert_array_equal(made.labels, whole.labels[made.ids])
    np.testing.assert_allclose(made.probabilities, whole.probabilities[made.ids], atol=1e-6)


def test_members_that_know_the_classes_in_another_order_agree(source, monkeypatch):
    orders = {"one": ("a", "b"), "two": ("b", "a")}
    monkeypatch.setattr(ensemble.workdir, "unnamed", lambda folder: False)
    monkeypatch.setattr(
        ensemble.workdir, "load_inputs", lambda folder: (SCALING, 3, orders[folder])
    )
    one, two = (
        ensemble.predictions(
            [name], source, ensemble.Measure(), 2, print, devices.mesh()
        ).probabilities
        for name in orders
    )
    np.testing.assert_allclose(two, one[:, ::-1], atol=1e-6)
