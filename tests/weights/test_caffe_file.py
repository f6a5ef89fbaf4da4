"""Caffe's files: every format, and hostile files."""

import contextlib
import pathlib
import tracemalloc

import numpy as np
import pytest

from cnn_history.weights import caffe, caffe_file, reader
from tests.shared import SHARED, needs_shared

FOLDER = SHARED / "caffe" / "layers"
FILES = sorted(path.stem for path in FOLDER.glob("*.prototxt") if "train_val" not in path.stem)


def answers(name):
    return np.load(FOLDER / f"{name}.npz")


@needs_shared
@pytest.mark.parametrize("name", FILES)
def test_blobs_are_those_of_caffe_bit_for_bit(name):
    held = {n: a for n, a in answers(name).items() if n.startswith("blob:")}
    found = {
        f"blob:{layer.name}:{i}": blob
        for layer in caffe_file.read(FOLDER / f"{name}.caffemodel")
        for i, blob in enumerate(layer.blobs)
    }
    assert found.keys() == held.keys()
    for n, blob in found.items():
        assert (blob.shape, blob.dtype) == (held[n].shape, held[n].dtype)
        np.testing.assert_array_equal(blob, held[n])


@needs_shared
@pytest.mark.parametrize("name", FILES)
def test_a_prototxt_says_of_its_layers_what_the_file_does(name):
    """Type and constants; the file has layers beside, for splits and training."""
    path = FOLDER / f"{name}.caffemodel"
    held = {layer.name: layer for layer in caffe_file.read(path)}
    written = caffe_file.read_text(path.with_suffix(".prototxt"))
    for layer in (layer for layer in written if layer.name in held and held[layer.name].type):
        if held[layer.name].type != "data":  # of training, where the text has the input of tests
            assert held[layer.name].type == layer.type
            for word, value in held[layer.name].parameters.items():
                assert layer.parameters[word] == value, (layer.name, word)
    everything = [layer for layer in written if layer.name in held]
    assert caffe.with_constants(list(held.values()), everything)


@needs_shared
def test_the_three_generations_hold_the_same_weights():
    """Old layers, the same brought up to date, those of a training net, and the oldest."""
    of = {
        name: caffe.tensors(caffe_file.read(FOLDER / f"{name}.caffemodel"))
        for name in ("old", "old_upgraded", "old_training", "oldest")
    }
    for name, tensors in of.items():
        assert tensors.keys() == of["old"].keys()
        for n, tensor in tensors.items():
            assert tensor.ndim == {"conv1.weight": 4, "fc6.weight": 2, "fc8.weight": 2}.get(n, 1)
            if name in ("old_upgraded", "old_training"):
                np.testing.assert_array_equal(tensor, of["old"][n])


@needs_shared
@pytest.mark.parametrize("name", ["bn_global_2", "bn_global_0", "bn_global_1000", "trained"])
def test_statistics_are_divided_by_the_third_blob(name):
    found = caffe_file.read(FOLDER / f"{name}.caffemodel")
    (norm,) = (layer for layer in found if layer.type == "batchnorm")
    held = answers(name)
    mean, var, factor = (held[f"blob:{norm.name}:{i}"] for i in range(3))
    tensors = caffe.tensors(found)
    scale = next(layer for layer in found if layer.type == "scale")
    for leaf, blob in (("running_mean", mean), ("running_var", var)):
        expected = blob / factor if factor[0] else np.zeros_like(blob)
        np.testing.assert_allclose(tensors[f"{norm.name}.{leaf}"], expected, rtol=1e-6)
    np.testing.assert_array_equal(tensors[f"{norm.name}.weight"], held[f"blob:{scale.name}:0"])


@needs_shared
def test_a_transposed_matrix_is_turned():
    tensors = caffe.tensors(caffe_file.read(FOLDER / "fc_transpose.caffemodel"))
    (name,) = (n for n in tensors if n.endswith("weight"))
    held = answers("fc_transpose")[f"blob:{name.removesuffix('.weight')}:0"]
    np.testing.assert_array_equal(tensors[name], held.T)


@needs_shared
@pytest.mark.parametrize(
    ("file", "said"),
    [("trained.solverstate", "Caffe solver state"), ("trained.caffemodel.h5", "HDF5")],
)
def test_what_lies_beside_a_caffemodel_is_called_by_its_name(file, said):
    with pytest.raises(ValueError, match=said):
        reader.read(FOLDER / file)


def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes([*out, n])


def number(field, n):
    return varint(field << 3) + varint(n)


def piece(field, data, size=None):
    """A field of bytes, which claims their number or another."""
    return varint(field << 3 | 2) + varint(len(data) if size is None else size) + data


def blob(*dims, data=b"", old=False):
    if old:
        return b"".join(number(i, d) for i, d in enumerate(dims, 1)) + piece(5, data)
    return piece(5, data) + piece(7, piece(1, b"".join(map(varint, dims))))


def file_of(*blobs, name=b"conv1"):
    parts = b"".join(piece(7, held) for held in blobs)
    return piece(100, piece(1, name) + piece(2, b"Convolution") + parts)


def lrn(field, value):
    """A response normalization with four bytes for one of its parameters."""
    return piece(100, piece(2, b"LRN") + piece(118, varint(field << 3 | 5) + value))


def nested(depth):
    data = b""
    for _ in range(depth):
        data = piece(1, data)
    return data


FOUR = np.arange(4, dtype="<f4").tobytes()
HOSTILE = {
    "a field beyond the file": piece(100, b"", size=1 << 40),
    "a length of 2^64 - 1": piece(100, b"", size=(1 << 64) - 1),
    "a layer beyond its file": piece(100, piece(7, b"", size=1 << 31)),
    "a blob beyond its layer": file_of(piece(5, FOUR, size=1 << 30)),
    "a number without an end": b"\xff" * 64,
    "a kind that is none": file_of() + bytes([7 << 3 | 3]),
    "a field 0": file_of() + piece(0, b""),
    "huge dimensions": file_of(blob(1 << 40, 1 << 40, data=FOUR)),
    "a negative dimension": file_of(blob((1 << 64) - 1, data=FOUR)),
    "huge old sizes": file_of(blob(1 << 31, 1 << 31, 1 << 31, 1 << 31, data=FOUR, old=True)),
    "more numbers than sizes": file_of(blob(3, data=FOUR)),
    "a part of a number": file_of(blob(1, data=FOUR[:3])),
    "many dimensions": file_of(piece(7, piece(1, b"\x01" * 100_000)) + piece(5, FOUR)),
    "many blobs": file_of(*[blob(1, data=FOUR[:4])] * 1000),
    "many layers": piece(100, b"") * 100_000,
    "many fields": piece(100, piece(3, b"") * 100_000),
    "a whole number in floating point": lrn(1, b"\x00\x00\x80\x7f"),
    "a constant that is infinite": lrn(2, b"\x00\x00\x80\x7f"),
    "a constant that is whole": piece(100, piece(118, number(2, 1))),
    "a name that is no text": file_of(name=b"\xff\xfe"),
    "messages within messages": file_of(nested(2_000)),
    "no layer": piece(1, b"net"),
    "nothing": b"",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_is_refused_in_bounded_memory(tmp_path, kind):
    path = tmp_path / "net.caffemodel"
    path.write_bytes(HOSTILE[kind])
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"' is damaged or not a \.caffemodel: "):
            reader.read(path)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_an_empty_list_of_sizes_says_nothing(tmp_path):
    path = tmp_path / "net.caffemodel"
    path.write_bytes(piece(100, piece(1, b"pool1") + piece(121, piece(4, b"") + number(13, 1))))
    (layer,) = reader.read(path).layers
    assert layer.parameters == {"round_mode": [1]}


@needs_shared
def test_a_file_cut_anywhere_is_refused_or_lacks_layers(tmp_path):
    whole = (FOLDER / "old_upgraded.caffemodel").read_bytes()
    names = set(caffe.tensors(caffe_file.read(FOLDER / "old_upgraded.caffemodel")))
    path = tmp_path / "cut.caffemodel"
    for kept in range(0, len(whole), 7):
        path.write_bytes(whole[:kept])
        with contextlib.suppress(ValueError):
            assert set(caffe.tensors(reader.read(path).layers)) < names or kept > len(whole) - 60


@needs_shared
def test_a_file_with_any_byte_changed_is_read_or_refused(tmp_path):
    """No other error, and no more memory than such a file takes."""
    whole = (FOLDER / "oldest.caffemodel").read_bytes()
    path, rng = tmp_path / "changed.caffemodel", np.random.default_rng(0)
    tracemalloc.start()
    for _ in range(1_000):
        data = bytearray(whole)
        for at in rng.integers(0, len(data), 3):
            data[at] = rng.integers(0, 256)
        path.write_bytes(data)
        try:
            found = caffe_file.read(path)
            caffe.tensors(found)
            caffe.options("alexnet", found)
        except ValueError:
            pass
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name: 'net'",
        "layer {",
        "layer }",
        "layer: 3",
        "layer { name: ",
        "layer { name }",
        "layer { a { b { c { d { e { f { g { h { i { j {",
        "{" * 10_000,
        "layer { lrn_param { k: { } } ",
        "layer { lrn_param { k: inf } }",
        "layer { lrn_param { local_size: 2.5 } }",
        "layer { lrn_param { alpha: many } }",
    ],
)
def test_a_text_that_is_none_is_refused(tmp_path, text):
    path = tmp_path / "net.prototxt"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"layers|brace|nested|cannot be|could not convert"):
        caffe_file.read_text(path)


def test_a_text_is_read_with_comments_and_either_quote(tmp_path):
    path = pathlib.Path(tmp_path / "net.prototxt")
    path.write_text(
        'name: "x" # a { comment\nlayer { name: \'norm 1\' type: "LRN" bottom: "a" top: "b"\n'
        "lrn_param { local_size: 5 alpha: 1e-4 norm_region: WITHIN_CHANNEL }\n"
        "include { phase: TEST } }"
    )
    (layer,) = caffe_file.read_text(path)
    constants = {"local_size": [5], "alpha": [1e-4], "norm_region": [1]}
    assert layer == caffe_file.Layer("norm 1", "lrn", ["a"], ["b"], constants, [])
