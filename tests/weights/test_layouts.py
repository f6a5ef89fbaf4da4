"""Weight files in use: containers, layouts within them, and the names of other collections.

`compare_peers` compares our logits with those of the peers' own code.
"""

import argparse
import collections
import json
import struct
import warnings
import zipfile

import numpy as np
import pytest
from flax import traverse_util

from cnn_history import weights
from cnn_history.weights import loader, reader

# Tensors of each peer by the path of ours, as its own code names them.
NAMES = {
    ("timm", "vgg13_bn"): {
        "features.1.running_mean": "conv1_1->norm1_1",
        "pre_logits.fc1.weight": "fc6",
        "pre_logits.fc2.weight": "fc7",
        "head.fc.weight": "fc8",
    },
    ("torchvision", "inception_v3"): {"Mixed_7c.branch_pool.bn.weight": "Mixed_7c/pool_proj_norm"},
    ("pytorchcv", "resnet50"): {
        "features.init_block.conv.conv.weight": "conv1",
        "features.stage1.unit1.body.conv3.bn.weight": "conv2_1/norm3",
        "features.stage4.unit1.identity_conv.conv.weight": "conv5_1/conv_shortcut",
        "output.weight": "fc",
    },
    ("pytorchcv", "resnet20"): {
        "features.init_block.bn.weight": "norm1",
        "features.stage3.unit3.body.conv2.conv.weight": "conv4_3/conv2",
    },
    ("pytorchcv", "vgg11"): {
        "features.stage3.unit2.conv.weight": "conv3_2",
        "output.fc3.bias": "fc8",
    },
    ("pretrainedmodels", "alexnet_owt"): {
        "_features.10.weight": "conv5",
        "linear0.weight": "fc6",
        "last_linear.weight": "fc8",
    },
    ("pretrainedmodels", "bn_inception"): {
        "conv1_7x7_s2.bias": "conv1",
        "inception_3c_double_3x3_2_bn.running_var": "inception_3c/double_3x3_2_norm",
        "last_linear.weight": "fc",
    },
}  # fmt: skip


@pytest.mark.parametrize(("writer", "name"), NAMES)
def test_names_are_the_peers(writer, name):
    table = loader.LAYOUTS[writer][name]
    for tensor, path in NAMES[writer, name].items():
        module = tensor.rpartition(".")[0]
        found = {table.get(module), table.get(module.replace("last_linear", "fc"))}
        assert path.rpartition("->")[2] in found


def tensors_of(writer, name, **options):
    """Return tensors of a peer's network: his names, shapes in torch's order, each full of 0.5."""
    abstract = traverse_util.flatten_dict(loader.abstract_of(name, options), sep="/")
    leaves = {"kernel": "weight", "scale": "weight", "bias": "bias", "mean": "running_mean"}
    leaves["var"] = "running_var"
    modules = {path: module for module, path in loader.LAYOUTS[writer][name].items()}
    made = {}
    for path, leaf in abstract.items():
        _, *module, kind = path.split("/")
        theirs = f"{modules['/'.join(module)]}.{leaves[kind]}"
        shape = leaf.shape[::-1]
        if len(shape) == 4:
            shape = (shape[0], shape[1], shape[3], shape[2])
        made[theirs] = np.broadcast_to(np.float32(0.5), shape)
    return made


@pytest.fixture
def load(monkeypatch, tmp_path):
    """Return `weights.load` of tensors, as if they had been read from a file."""

    def loaded(tensors, name):
        monkeypatch.setattr(reader, "read", lambda path, key: reader.Contents(tensors))
        return weights.load(tmp_path, name)

    return loaded


@pytest.mark.parametrize(
    ("writer", "name"),
    [
        *[("timm", "vgg11"), ("timm", "vgg13_bn"), ("torchvision", "resnet50_v1_5")],
        *[("pytorchcv", name) for name in ("resnet18", "resnet50", "resnet50_v1_5", "resnet20")],
        *[("pytorchcv", "vgg11"), ("pretrainedmodels", "vgg13_bn")],
        *[("pretrainedmodels", "alexnet_owt"), ("pretrainedmodels", "vgg11")],
    ],
)
def test_a_peers_file_fills_the_network(writer, name, load):
    tensors = tensors_of(writer, name)
    if writer == "timm":  # whose linear layers are convolutions
        for module, k in (("pre_logits.fc1", 7), ("pre_logits.fc2", 1)):
            flat = tensors[f"{module}.weight"]
            tensors[f"{module}.weight"] = flat.reshape(len(flat), -1, k, k)
    found = load(tensors, name)
    assert found.options["num_classes"] == (10 if name == "resnet20" else 1000)
    assert found.inputs.largest == 1
    said = [line for line in found.told if "resnet50b" in line]
    assert bool(said) == (writer == "pytorchcv" and name.startswith("resnet50"))


def test_pretrainedmodels_bn_inception_loses_its_biases_and_turns_its_colours(load):
    tensors = tensors_of("pretrainedmodels", "bn_inception", channels="release")
    rng = np.random.default_rng(0)
    first = rng.normal(size=(64, 3, 7, 7)).astype(np.float32)
    tensors["conv1_7x7_s2.weight"] = first
    for name in [n for n in tensors if n.endswith("_bn.bias")]:
        tensors[name.replace("_bn.bias", ".bias")] = np.full_like(tensors[name], 2)
    found = load(tensors, "bn_inception")
    kernel = found.variables["params"]["conv1"]["kernel"]
    np.testing.assert_array_equal(kernel, first.transpose(2, 3, 1, 0)[:, :, ::-1])
    np.testing.assert_array_equal(found.variables["batch_stats"]["conv1_norm"]["mean"], -1.5)
    assert (found.inputs.largest, found.inputs.mean) == (255, (128.0, 117.0, 104.0))
    assert any("folded into the mean" in line for line in found.told)


@pytest.mark.parametrize(
    ("writer", "has", "asked", "message"),
    [
        ("torchvision", "resnet50_v1_5", "resnet50", "torchvision's names.*--model=resnet50_v1_5"),
        ("torchvision", "resnet101_v1_5", "resnet101", "--model=resnet101_v1_5"),
        ("torchvision", "vgg16", "vgg16_c", r"--model=vgg16\."),
        ("torchvision", "resnet20", "resnet32", "lack 'layer1.3"),
        ("torchvision", "resnet20", "bn_inception", "--model=resnet20"),
    ],
)
def test_a_file_of_another_network_is_called_by_its_name(writer, has, asked, message, load):
    with pytest.raises(ValueError, match=message):
        load(tensors_of(writer, has), asked)
    if asked == "bn_inception":
        with pytest.raises(ValueError, match=r"expected a \.caffemodel, its only published form"):
            load({"a.weight": np.zeros(1)}, "vgg16_c")


torch = pytest.importorskip("torch", reason="needs the extra torch: EXTRAS=torch ./launch.sh test")
TENSORS = {"conv.weight": torch.arange(24.0).reshape(2, 3, 2, 2), "conv.bias": torch.ones(2)}
OTHER = {name: tensor + 1 for name, tensor in TENSORS.items()}


def prefixed(*prefixes):
    return {"".join(prefixes) + name: tensor for name, tensor in TENSORS.items()}


def optimizer():
    weight = torch.nn.Parameter(torch.ones(2))
    made = torch.optim.Adam([weight])
    weight.sum().backward()
    made.step()
    return made.state_dict()


SAVED = {
    "net": {"net": TENSORS, "acc": 91.0, "epoch": 3},
    "model_state_dict": {
        "epoch": 3,
        "model_state_dict": TENSORS,
        "optimizer_state_dict": optimizer(),
        "loss": torch.tensor(0.3),
    },
    "Lightning": {
        "state_dict": prefixed("model."),
        "hyper_parameters": {"lr": 0.1},
        "pytorch-lightning_version": "2",
    },
    "compiled": prefixed("_orig_mod."),
    "compiled and parallel": prefixed("module.", "_orig_mod."),
    "parallel and compiled": prefixed("_orig_mod.", "module.", "model."),
    "averaged by AveragedModel": {"n_averaged": torch.tensor(7), **prefixed("module.")},
    "within": {"model": {"state_dict": TENSORS}},
    "a numpy scalar": {"state_dict": TENSORS, "best": np.float64(0.9), "f": np.float32(1)},
    "a Namespace": {"model": TENSORS, "args": argparse.Namespace(lr=0.1, layers=[1, 2])},
    "a numpy array": {"model": TENSORS, "history": np.arange(3.0)},
    "an ordered dictionary": collections.OrderedDict(TENSORS),
    "averaged beside": {"state_dict": TENSORS, "state_dict_ema": OTHER},
}


@pytest.mark.parametrize("kind", SAVED)
def test_what_training_scripts_save_is_read(tmp_path, kind):
    path = tmp_path / "weights.pth"
    torch.save(SAVED[kind], path)
    found = reader.read(path)
    assert found.tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        np.testing.assert_array_equal(found.tensors[name], tensor.numpy())
    if kind == "averaged beside":
        assert any("--key=state_dict_ema" in line for line in found.told)
        taken = reader.read(path, "state_dict_ema").tensors
        np.testing.assert_array_equal(taken["conv.bias"], OTHER["conv.bias"])
        with pytest.raises(
            ValueError, match=r"--key: the keys in .* are state_dict, state_dict_ema"
        ):
            reader.read(path, "ema")


def test_several_weights_without_a_common_name_have_to_be_chosen(tmp_path):
    path = tmp_path / "weights.pth"
    torch.save({"teacher": TENSORS, "student": OTHER}, path)
    with pytest.raises(ValueError, match="holds teacher, student; choose one by --key=NAME"):
        reader.read(path)
    assert reader.read(path, "student").tensors["conv.bias"].tolist() == [2, 2]


def test_what_stands_for_other_objects_keeps_nothing(tmp_path):
    path = tmp_path / "weights.pth"
    torch.save(argparse.Namespace(weights=TENSORS), path)
    with pytest.raises(ValueError, match="expected tensors by name, got a Other"):
        reader.read(path)
    torch.save({"a": argparse.Namespace()}, path)
    with pytest.raises(ValueError, match="'a': expected a tensor"):
        reader.read(path)


def zipped(*names):
    def write(path):
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, b"")

    return write


def scripted(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript goes, its files stay
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), path)


def arrays(save):
    def write(path):
        with open(path, "wb") as file:
            save(file, np.ones(2))

    return write


def raw(data):
    return lambda path: path.write_bytes(data)


CONTAINERS = {
    "TorchScript": (scripted, r"TorchScript program; save only its weights: torch\.save"),
    "ONNX": (raw(b"\x08\x0a\x12\x07pytorch" + b"\x3a\x03\x0a\x01x"), "ONNX graph"),
    "HDF5": (raw(b"\x89HDF\r\n\x1a\n" + bytes(100)), "HDF5"),
    "npz": (arrays(np.savez), "NumPy archive"),
    "npy": (arrays(np.save), "NumPy array"),
    "Keras": (zipped("config.json", "model.weights.h5"), "Keras model"),
    "gzip": (raw(b"\x1f\x8b\x08" + bytes(20)), "compressed by gzip"),
    "a solver's": (raw(b"\x08\x0a\x12\x01a\x1a\x00"), "Caffe solver state"),
    "a mean image": (raw(b"\x08\x01\x10\x03\x18\x01\x20\x01\x2a\x0c" + bytes(12)), "mean image"),
}


@pytest.mark.parametrize("suffix", [".pth", ".bin", ".caffemodel", ".safetensors"])
@pytest.mark.parametrize("kind", CONTAINERS)
def test_other_containers_are_called_by_their_names(tmp_path, kind, suffix):
    """They are recognized under any name, and none is reported as damaged."""
    write, said = CONTAINERS[kind]
    path = tmp_path / f"weights{suffix}"
    write(path)
    with pytest.raises(ValueError, match=said) as refused:
        reader.read(path)
    assert "damaged" not in str(refused.value)


def test_files_are_known_by_their_content(tmp_path):
    from safetensors.numpy import save_file

    path = tmp_path / "weights.pth"
    save_file({"conv.bias": np.ones(2, np.float32)}, path)
    assert reader.read(path).tensors["conv.bias"].tolist() == [1, 1]
    torch.save(TENSORS, tmp_path / "weights.safetensors")
    assert reader.read(tmp_path / "weights.safetensors").tensors.keys() == TENSORS.keys()
    path.write_bytes(b"\xa2\x06\x06\x0a\x04name")  # a layer, and in it a name
    assert [layer.name for layer in reader.read(path).layers] == ["name"]


def test_safetensors_need_no_torch(tmp_path, monkeypatch):
    header = json.dumps({"a": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}).encode()
    path = tmp_path / "weights.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\x80\x3f\x00\x40")
    monkeypatch.setattr(reader, "_import_torch", lambda: pytest.fail("torch was imported"))
    assert reader.read(path).tensors["a"].tolist() == [1, 2]
    with pytest.raises(ValueError, match="only one set of weights"):
        reader.read(path, "a")
