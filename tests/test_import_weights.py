"""The verb `import_weights`, and the work directory that it writes."""

import functools
import pickle
import subprocess

import jax
import numpy as np
import pytest

import cnn_history
from cnn_history import loading, models
from cnn_history.datasets import Source
from cnn_history.errors import UserError
from cnn_history.files import workdir
from tests.shared import SHARED, needs_shared
from tests.training import runs
from tests.weights import caffe_answers
from tests.weights.test_load import RESNET20
from tests.weights.test_reader import Evil

# Ten classes in the order of a data set that has one.
TEN = Source("ten", "train", tuple("abcdefghij"), (32, 32, 3), 0, read=None)

torch = pytest.importorskip("torch", reason="needs the extra torch: EXTRAS=torch ./launch.sh test")


def call(verb, **flags):
    status, out, err = runs.run(verb, *(f"--{name}={value}" for name, value in flags.items()))
    return subprocess.CompletedProcess(verb, status, out, err)


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    if not SHARED.is_dir():
        pytest.skip("no reference values here")
    folder = tmp_path_factory.mktemp("runs") / "resnet20"
    done = call("import_weights", model="resnet20", checkpoint=RESNET20, workdir=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_load_gives_the_network_its_weights_and_its_preprocessing(imported):
    model, variables, preprocessing = cnn_history.load(imported)
    saved = torch.load(RESNET20, weights_only=True, map_location="cpu")["state_dict"]
    kernel = saved["module.layer3.0.conv1.weight"].numpy().transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(variables["params"]["conv4_1"]["conv1"]["kernel"], kernel)
    mean = saved["module.bn1.running_mean"].numpy()
    np.testing.assert_array_equal(variables["batch_stats"]["norm1"]["mean"], mean)

    images = np.full((1, 32, 32, 3), 51, np.uint8)  # 0.2 of white
    expected = (0.2 - np.array([0.485, 0.456, 0.406])) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(preprocessing(images)[0, 3, 4], expected, rtol=1e-5)
    assert model.apply(variables, preprocessing(images), train=False).shape == (1, 10)


def test_evaluate_accepts_it(imported, data_dir, tmp_path):
    import json

    done = call(
        "evaluate", workdir=imported, dataset="cifar10", split="test[:200]", data_dir=data_dir,
        format="json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["top1_error"] < 0.15


def test_evaluate_has_to_be_told_the_data_set(imported):
    done = call("evaluate", workdir=imported)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--dataset" in done.stderr


def test_training_starts_from_it(imported):
    _, variables, _ = cnn_history.load(imported)
    fresh = jax.tree.map(lambda leaf: np.full_like(leaf, 7), variables)
    started, line = loading.start_from(str(imported), fresh, TEN, "fc", scaling="unit")
    same = jax.tree.map(np.array_equal, started, variables)
    assert all(jax.tree.leaves(same))
    assert "59 arrays of parameters, 38 of statistics are taken; the scaling is this run's" in line


def test_a_deeper_network_starts_from_some_layers(imported):
    """As VGG's deeper nets do from net A: layers of the same name."""
    _, variables, _ = cnn_history.load(imported)
    image = jax.ShapeDtypeStruct((1, 32, 32, 3), np.float32)
    init = functools.partial(models.create("resnet32").init, train=False)
    shapes = jax.eval_shape(init, jax.random.key(0), image)["params"]
    fresh = jax.tree.map(lambda p: np.zeros(p.shape, p.dtype), shapes)
    layers = ("conv1", "conv4_1", "fc")
    started = loading.start_from(str(imported), {"params": fresh}, TEN, "fc", layers)[0]["params"]
    for name, leaves in started.items():
        expected = variables["params"][name] if name in layers else fresh[name]
        jax.tree.map(np.testing.assert_array_equal, leaves, expected)
    assert np.any(started["conv4_1"]["conv1"]["kernel"])
    with pytest.raises(UserError, match=r"config.init_layers: .* no layer 'conv41'; did you mean"):
        loading.start_from(str(imported), {"params": fresh}, TEN, "fc", ("conv41",))
    with pytest.raises(UserError, match=r"has no parameter conv4_5"):
        loading.start_from(str(imported), {"params": fresh}, TEN, "fc", ("conv4_5",))


@needs_shared
def test_mean_and_std_are_those_of_the_flags(tmp_path):
    flags = {"mean": "0.1,0.2,0.3", "std": "0.5,0.5,0.25"}
    done = call(
        "import_weights", model="resnet20", checkpoint=RESNET20, workdir=tmp_path / "run", **flags
    )
    assert done.returncode == 0, done.stderr
    preprocessing, channels, classes = workdir.load_inputs(tmp_path / "run")
    np.testing.assert_allclose(preprocessing.mean, [0.1, 0.2, 0.3])
    np.testing.assert_allclose(preprocessing.std, [0.5, 0.5, 0.25])
    assert (channels, len(classes)) == (3, 10)


def test_a_second_import_is_refused(imported):
    done = call("import_weights", model="resnet20", checkpoint=RESNET20, workdir=imported)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "holds a run already" in done.stderr


@pytest.mark.parametrize("hostile", [True, False], ids=["hostile", "truncated"])
def test_a_hostile_or_truncated_file_is_one_line_and_status_2(tmp_path, hostile):
    path, trace, folder = tmp_path / "weights.pth", tmp_path / "trace", tmp_path / "run"
    if hostile:
        path.write_bytes(pickle.dumps({"conv1.weight": Evil(trace)}))
    else:
        torch.save({"conv1.weight": torch.ones(1000)}, path)
        path.write_bytes(path.read_bytes()[:1000])
    done = call("import_weights", model="resnet20", checkpoint=path, workdir=folder)
    assert (done.returncode, done.stderr.count("\n"), done.stdout) == (2, 1, "")
    assert "damaged" in done.stderr
    assert not trace.exists()
    assert not folder.exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"model": "vgg_16"}, "did you mean 'vgg16'?"),
        ({"model": "lenet5"}, "unknown network with published weights"),
        ({"mean": "0.1,0.2"}, "--mean: expected 3 finite numbers"),
        ({"mean": "a,b,c"}, "--mean: expected numbers, got 'a,b,c'"),
        ({"std": "1,0,1"}, "--std: expected positive numbers"),
    ],
)
def test_wrong_flags_are_one_line_and_status_2(tmp_path, flags, message):
    given = {"model": "resnet20", "checkpoint": tmp_path / "none.pth", "workdir": tmp_path / "run"}
    done = call("import_weights", **{**given, **flags})
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert message in done.stderr


@pytest.fixture(scope="module")
def from_caffe(tmp_path_factory):
    """GoogLeNet of Caffe's, heads and constants of its release, with another mean."""
    if not SHARED.is_dir():
        pytest.skip("no reference values here")
    folder = tmp_path_factory.mktemp("caffe")
    path = folder / "net.caffemodel"
    caffe_answers.generator().write(path, "googlenet_heads")
    flags = {"model": "googlenet", "checkpoint": path, "mean": "123.68,116.779,103.939"}
    done = call("import_weights", workdir=folder / "run", **flags)
    assert done.returncode == 0, done.stderr
    assert "k=1, n=5, alpha=2e-05, beta=0.75" in done.stdout
    assert "mean 123.68,116.779,103.939" in done.stdout
    return folder / "run"


def test_load_restores_what_a_caffemodel_says(from_caffe):
    model, variables, preprocessing = cnn_history.load(from_caffe)
    assert model.aux_heads
    assert "aux_4a" in variables["params"]
    norm = model.norm()
    assert (norm.k, norm.n, norm.alpha, norm.beta) == (1, 5, 2e-5, 0.75)
    rgb = np.array([[[[200, 100, 50]]]], np.uint8)
    grey = preprocessing.values(rgb / np.float32(255))
    np.testing.assert_allclose(grey[0, 0, 0], [76.32, -16.779, -53.939], rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("net", ["caffenet", "resnet50_ceil_bias", "googlenet_bvlc"])
def test_what_was_imported_computes_what_caffe_computed(tmp_path, net):
    answers = np.load(caffe_answers.FOLDER / "answers.npz")
    path = tmp_path / "net.caffemodel"
    caffe_answers.generator().write(path, net)
    flags = {"model": caffe_answers.NETWORKS[net], "checkpoint": path}
    done = call("import_weights", workdir=tmp_path / "run", mean="123.68,116.779,103.939", **flags)
    assert done.returncode == 0, done.stderr
    model, variables, preprocessing = cnn_history.load(tmp_path / "run")
    grey = caffe_answers.image(preprocessing.size) + caffe_answers.generator().MEAN_BGR[::-1]
    images = preprocessing.values(grey.round() / np.float32(255))  # no crop of it
    logits = jax.jit(lambda v, x: model.apply(v, x, train=False))(variables, images)
    assert caffe_answers.difference(logits, answers[f"{net}:logits"]) < caffe_answers.BOUND


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"mean": "0.485,0.456,0.406"}, "--mean: expected values from 0 to 255 for this file"),
        ({"key": "model"}, "holds only one set of weights"),
        ({"prototxt": "none.prototxt"}, "--prototxt: 'none.prototxt'"),
        ({"model": "vgg16"}, "the weights lack"),
        ({"model": "resnet20"}, "unknown network with a Caffe release 'resnet20'"),
    ],
)
def test_wrong_flags_for_a_caffemodel_are_one_line(from_caffe, tmp_path, flags, message):
    given = {"model": "googlenet", "checkpoint": from_caffe.parent / "net.caffemodel"}
    done = call("import_weights", **{**given, "workdir": tmp_path / "run", **flags})
    assert (done.returncode, done.stderr.count("\n"), done.stdout) == (2, 1, "")
    assert message in done.stderr
    assert not (tmp_path / "run").exists()


@needs_shared
@pytest.mark.parametrize("kept", [10, 1000, 30_000])
def test_a_truncated_caffemodel_is_one_line_and_status_2(tmp_path, kept):
    path = tmp_path / "net.caffemodel"
    whole = (caffe_answers.FOLDER / "layers" / "trained.caffemodel").read_bytes()
    path.write_bytes((whole * 20)[:kept])
    done = call("import_weights", model="vgg16", checkpoint=path, workdir=tmp_path / "run")
    assert (done.returncode, done.stderr.count("\n"), done.stdout) == (2, 1, "")


@needs_shared
def test_a_mean_beyond_1_is_not_for_values_in_0_to_1(tmp_path):
    done = call(
        "import_weights",
        model="resnet20",
        checkpoint=RESNET20,
        workdir=tmp_path,
        mean="103,116,123",
    )
    assert done.returncode == 2
    assert "--mean: expected values from 0 to 1 for this file" in done.stderr
