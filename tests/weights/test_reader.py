"""Accepted forms of weight files, none of which is executed."""

import copy
import io
import json
import pickle
import struct
import tarfile
import zipfile

import numpy as np
import pytest

from cnn_history.weights import reader
from tests.weights.payload import Evil, Sly

torch = pytest.importorskip("torch", reason="needs the extra torch: EXTRAS=torch ./launch.sh test")


TENSORS = {"conv.weight": torch.arange(24.0).reshape(2, 3, 2, 2), "conv.bias": torch.ones(2)}


def check(found):
    assert set(found) == set(TENSORS)
    for name, tensor in TENSORS.items():
        np.testing.assert_array_equal(found[name], tensor.numpy())


@pytest.mark.parametrize("nested", [None, "state_dict", "model"])
@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("legacy", [False, True])
def test_what_torch_saves_is_read(tmp_path, nested, prefix, legacy):
    named = {prefix + name: tensor for name, tensor in TENSORS.items()}
    saved = {nested: named, "epoch": 3} if nested else named
    path = tmp_path / "weights.pth"
    torch.save(saved, path, _use_new_zipfile_serialization=not legacy)
    check(reader.read(path).tensors)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_safetensors_are_read(tmp_path, dtype):
    from safetensors.torch import save_file

    path = tmp_path / "weights.safetensors"
    save_file({name: tensor.to(dtype) for name, tensor in TENSORS.items()}, path)
    check(reader.read(path).tensors)


def test_a_prefix_that_some_names_lack_is_kept(tmp_path):
    path = tmp_path / "weights.pth"
    torch.save({"module.a": torch.ones(1), "b": torch.ones(1)}, path)
    assert set(reader.read(path).tensors) == {"module.a", "b"}


def hostile_pickle(path, evil):
    path.write_bytes(pickle.dumps({"conv.weight": evil}, protocol=2))


def hostile_legacy(path, evil):
    torch.save({"conv.weight": evil}, path, _use_new_zipfile_serialization=False)


def hostile_zip(path, evil):
    torch.save({"conv.weight": evil}, path)


def hostile_beside_weights(path, evil):
    torch.save({"state_dict": TENSORS, "optimizer": evil}, path)


HOSTILE = [hostile_pickle, hostile_legacy, hostile_zip, hostile_beside_weights]


@pytest.mark.parametrize(("evil", "called"), [(Evil, r"posix\.mknod"), (Sly, r"_?io\.open")])
@pytest.mark.parametrize("make", HOSTILE)
def test_a_hostile_file_is_refused_and_runs_nothing(tmp_path, make, evil, called):
    """What it would call is named, and torch's advice, to run it all the same, is not passed on."""
    path, trace = tmp_path / "weights.pth", tmp_path / "trace"
    make(path, evil(trace))
    said = (
        rf"weights\.pth' is damaged or holds more than weights: it would call {called};.*state_dict"
    )
    with pytest.raises(ValueError, match=said):
        reader.read(path)
    assert not trace.exists()


@pytest.mark.parametrize("evil", [Evil, Sly])
def test_the_hostile_files_would_do_harm(tmp_path, evil):
    """So that the test above shows something."""
    trace = tmp_path / "trace"
    hostile_zip(tmp_path / "weights.pth", evil(trace))
    torch.load(tmp_path / "weights.pth", weights_only=False)
    assert trace.exists()


@pytest.mark.parametrize("suffix", [".pth", ".th", ".safetensors"])
@pytest.mark.parametrize("kept", [0, 7, 100, 400])
def test_a_truncated_file_is_refused(tmp_path, suffix, kept):
    from safetensors.torch import save_file

    path = tmp_path / f"weights{suffix}"
    save = save_file if suffix == ".safetensors" else torch.save
    save({"conv.weight": torch.ones(1000)}, path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match="is damaged"):
        reader.read(path)


def test_a_zip_of_something_else_is_refused(tmp_path):
    path = tmp_path / "weights.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "no weights")
    with pytest.raises(ValueError, match="is damaged"):
        reader.read(path)


@pytest.mark.parametrize(
    ("saved", "message"),
    [
        ([torch.ones(1)], "expected tensors by name, got a list"),
        ({}, "expected tensors by name, got a dict"),
        ({"a": 3}, "'a': expected a tensor, got a int"),
        ({3: torch.ones(1)}, "'3': expected a tensor"),
        ({"a": torch.eye(3).to_sparse()}, "'a': expected a plain tensor"),
        (
            {"a": torch.ones(1).expand(1 << 40)},
            "'a' claims the shape .*, which is more than the file holds",
        ),
    ],
)
def test_what_is_no_dictionary_of_tensors_is_refused(tmp_path, saved, message):
    path = tmp_path / "weights.pth"
    torch.save(saved, path)
    with pytest.raises(ValueError, match=message):
        reader.read(path)


def bomb(path):
    """The weights of a true file, packed, that unpack to a hundred times as much."""
    torch.save({"a": torch.zeros(1 << 20)}, path)
    with zipfile.ZipFile(path) as archive:
        files = {member.filename: archive.read(member) for member in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)


def overlapping(path):
    """One member under many names: no packing is needed to claim more than there is."""
    torch.save({"a": torch.zeros(1 << 20)}, path)
    with zipfile.ZipFile(path, "a") as archive:
        (data,) = (m for m in archive.infolist() if m.filename.endswith("data/0"))
        for i in range(1, 9):
            again = copy.copy(data)
            again.filename = data.filename.removesuffix("0") + str(i)
            archive.filelist.append(again)
            archive.NameToInfo[again.filename] = again
        archive._didModify = True


@pytest.mark.parametrize("make", [bomb, overlapping])
def test_an_archive_that_claims_more_than_it_is_is_refused(tmp_path, make, monkeypatch):
    path = tmp_path / "weights.pth"
    make(path)
    monkeypatch.setattr(torch, "load", lambda *args, **kwargs: pytest.fail("it was opened"))
    with pytest.raises(
        ValueError, match=r"damaged or a zip bomb: its [\d,]+ bytes claim to hold [\d,]+"
    ):
        reader.read(path)


def test_paths_that_lead_out_of_an_archive_are_not_followed(tmp_path):
    """In a zip archive, and in the tar archives of the oldest torch."""
    inside = tmp_path / "inside"
    inside.mkdir()
    torch.save(TENSORS, inside / "weights.pth")
    with zipfile.ZipFile(inside / "weights.pth", "a") as archive:
        archive.writestr("../trace", b"evil")
    with pytest.raises(ValueError, match="is damaged"):
        reader.read(inside / "weights.pth")
    with tarfile.open(inside / "old.pth", "w") as archive:
        for name in ("../trace", "sys_info", "pickle"):
            file = tarfile.TarInfo(name)
            file.size = 4
            archive.addfile(file, io.BytesIO(b"evil"))
    with pytest.raises(ValueError, match="is damaged"):
        reader.read(inside / "old.pth")
    assert not (tmp_path / "trace").exists()
    assert {path.name for path in inside.iterdir()} == {"weights.pth", "old.pth"}


def header(**tensors):
    """Return a safetensors file of a header, and eight bytes."""
    text = json.dumps(tensors).encode()
    return struct.pack("<Q", len(text)) + text + bytes(8)


SAFE = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
ABSURD = {
    "a header of 2^63 bytes": struct.pack("<Q", 1 << 63) + b"{}",
    "a header of 2^64 - 1 bytes": struct.pack("<Q", (1 << 64) - 1) + b"{}",
    "a header longer than the file": struct.pack("<Q", 1 << 20) + b"{}",
    "more than the file holds": header(a=SAFE | {"shape": [1 << 50], "data_offsets": [0, 1 << 52]}),
    "a shape that overflows": header(a=SAFE | {"shape": [1 << 62, 1 << 62]}),
    "a shape unlike its bytes": header(a=SAFE | {"shape": [1 << 40]}),
    "offsets that run backwards": header(a=SAFE | {"data_offsets": [8, 0]}),
    "negative offsets": header(a=SAFE | {"data_offsets": [-8, 0]}),
    "tensors that overlap": header(a=SAFE, b=SAFE),
    "a hole": header(a=SAFE | {"shape": [1], "data_offsets": [4, 8]}),
    "an unknown kind": header(a=SAFE | {"dtype": "PICKLE"}),
    "no JSON": struct.pack("<Q", 4) + b"evil",
    "deep JSON": struct.pack("<Q", 100_000) + b"[" * 100_000,
    "nothing": b"",
}


@pytest.mark.parametrize("kind", ABSURD)
def test_an_absurd_header_is_refused(tmp_path, kind):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(ABSURD[kind])
    with pytest.raises(ValueError, match="is damaged or not a safetensors file"):
        reader.read(path)
    path.write_bytes(header(a=SAFE))
    assert reader.read(path).tensors["a"].tolist() == [0, 0]


def test_a_pickle_under_another_name_runs_nothing(tmp_path):
    for name in ("weights.safetensors", "weights.th", "weights"):
        hostile_pickle(tmp_path / name, tmp_path / "trace")
        with pytest.raises(ValueError, match="is damaged"):
            reader.read(tmp_path / name)
    assert not (tmp_path / "trace").exists()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"file '.*none\.pth' does not exist"):
        reader.read(tmp_path / "none.pth")


def test_an_old_torch_opens_nothing(tmp_path, monkeypatch):
    path = tmp_path / "weights.pth"
    torch.save(TENSORS, path)
    monkeypatch.setattr(torch, "__version__", "2.9.1+cpu")
    monkeypatch.setattr(torch, "load", lambda *args, **kwargs: pytest.fail("it was opened"))
    with pytest.raises(
        ValueError, match=r"torch 2\.9\.1\+cpu is not safe for reading weights; install 2\.10 or"
    ):
        reader.read(path)
