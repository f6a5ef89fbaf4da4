"""Reader of weight files. The content, not the name, determines the format.

Pickles can run code, so only torch's weights-only loader opens them.
"""

import pathlib
import re
import warnings
import zipfile
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from cnn_history.weights import caffe_file

SAFETENSORS, CAFFEMODEL, TORCH = ".safetensors", ".caffemodel", "torch"
# First bytes of files.
ZIP, PICKLE = b"PK\x03\x04", b"\x80"
OTHERS = {
    b"\x89HDF\r\n\x1a\n": "an HDF5 file of Keras or Caffe; Keras's weights are not supported; "
    "Caffe writes a .caffemodel with snapshot_format: BINARYPROTO",
    b"\x93NUMPY": "a NumPy array, which has no layer names",
    b"\x1f\x8b": "compressed by gzip; decompress it first",
    b"\x28\xb5\x2f\xfd": "compressed by zstd; decompress it first",
}
# Zip archives, by the ending of a member's name.
ARCHIVES = {
    "/constants.pkl": "a TorchScript program; save only its weights: "
    "torch.save(torch.jit.load(FILE).state_dict(), 'weights.pth')",
    ".weights.h5": "a Keras model, which is not supported",
    ".npy": "a NumPy archive; if its names are PyTorch's, convert it by "
    "safetensors.numpy.save_file(dict(numpy.load(FILE)), 'weights.safetensors')",
}
# Protocol buffers, by (number, kind) of their fields.
VERSION, GRAPH = (1, caffe_file.VARINT), (7, caffe_file.BYTES)
HISTORY, PIXELS = (3, caffe_file.BYTES), (5, caffe_file.BYTES)
LAYERS = {(caffe_file.LAYER, caffe_file.BYTES), (caffe_file.OLD_LAYER, caffe_file.BYTES)}
LOOKED_AT = 10_000  # fields
ONNX = "an ONNX graph, whose weights no longer belong to layers; import the original model"
SOLVER = "a Caffe solver state; the weights are in the .caffemodel next to it"
MEAN_IMAGE = "a Caffe mean image; pass its average as --mean=R,G,B"

# In torch's messages: the function that a pickle would call, or another fault.
CALLED = re.compile(r"\bGLOBAL ([\w.]*\w)")
REASON = re.compile(r"WeightsUnpickler error:\s*(.*?)(?: by default|\n|$)")
ADVICE = "weights_only"
MEND = "; save only the weights: torch.save(model.state_dict(), 'weights.pth')"
OLDEST_TORCH = (2, 10)  # earlier weights-only loaders have known vulnerabilities
# Objects that training scripts save with the weights; each is replaced by an `Other`.
BESIDE = (
    *("argparse.Namespace", "types.SimpleNamespace", "pathlib.PosixPath", "_codecs.encode"),
    *("numpy.dtype", "numpy.ndarray", *(f"numpy.dtypes.Float{bits}DType" for bits in (32, 64))),
    *(
        f"numpy.{core}.multiarray.{f}"
        for core in ("core", "_core")
        for f in ("scalar", "_reconstruct")
    ),
)
NESTED = ("state_dict", "model_state_dict", "model", "net")  # usual keys of weights
AVERAGED = (
    "state_dict_ema",
    "model_ema",
    "ema_state_dict",
    "ema",
)  # usual keys of averaged weights
# Prefixes by DataParallel, Lightning and torch.compile, and a counter of AveragedModel.
PREFIXES = ("module.", "model.", "_orig_mod.")
COUNTER = "n_averaged"

DTYPES = {
    **{"F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": jnp.bfloat16},
    **{"I64": np.int64, "I32": np.int32, "I16": np.int16, "I8": np.int8, "U8": np.uint8},
    "BOOL": np.bool_,
}


class Contents(NamedTuple):
    """The contents of a file.

    Attributes:
      tensors: tensors by name; empty for a Caffe file.
      layers: layers of a Caffe file, otherwise None.
      told: remarks for the user on other weights in the file.
    """

    tensors: dict[str, np.ndarray]
    layers: list[caffe_file.Layer] | None = None
    told: tuple[str, ...] = ()


def read(path: str | pathlib.Path, key: str | None = None) -> Contents:
    """Return the contents of a `.safetensors`, a `.caffemodel` or a file by `torch.save`.

    PREFIXES that all names share are removed. Nothing in the file is executed.
    Raises ValueError for a file that is missing, damaged, of another kind, or has anything but
    tensors, and if torch is missing or too old (extra `torch`).

    Args:
      path: the file; its content determines the format.
      key: name of the weights to read from a torch file with several.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise ValueError(f"file '{path}' does not exist.")
    kind = _kind(path)
    if key is not None and kind != TORCH:
        raise ValueError(f"--key: '{path}' holds only one set of weights.")
    if kind == CAFFEMODEL:
        try:
            return Contents({}, caffe_file.read(path))
        except ValueError as error:
            raise ValueError(f"'{path}' is damaged or not a .caffemodel: {error}.") from error
    tensors, told = _safetensors(path) if kind == SAFETENSORS else _pickled(path, key)
    tensors = {name: _array(name, tensor) for name, tensor in tensors.items() if name != COUNTER}
    while prefix := next((p for p in PREFIXES if all(n.startswith(p) for n in tensors)), None):
        tensors = {name.removeprefix(prefix): array for name, array in tensors.items()}
    return Contents(tensors, told=told)


def _kind(path: pathlib.Path) -> str:
    """Return the format of a file; raise ValueError for a known format without a reader."""
    data = caffe_file.contents(path)
    start = bytes(data[:16])
    if start.startswith(ZIP):
        _check_archive(path)
        return TORCH
    for magic, what in OTHERS.items():
        if start.startswith(magic):
            raise ValueError(f"'{path}' is {what}.")
    if start[8:9] == b"{":
        return SAFETENSORS
    if start.startswith(PICKLE):
        return TORCH
    found = set()
    try:
        for number, kind, _ in caffe_file.fields(data, LOOKED_AT):
            found.add((number, kind))
    except ValueError:  # not a protocol buffer, or an incomplete one
        found &= LAYERS
    if VERSION in found:
        for field, what in {GRAPH: ONNX, HISTORY: SOLVER, PIXELS: MEAN_IMAGE}.items():
            if field in found:
                raise ValueError(f"'{path}' is {what}.")
    if found & LAYERS:
        return CAFFEMODEL
    return path.suffix if path.suffix in (SAFETENSORS, CAFFEMODEL) else TORCH


def _check_archive(path: pathlib.Path) -> None:
    """Raise ValueError for a zip archive that torch did not write for weights.

    This includes zip bombs, which unpack to more than their size: torch saves without compression.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except Exception as error:
        raise ValueError(f"'{path}' is damaged: {error}") from error
    for ending, what in ARCHIVES.items():
        if any(member.filename.endswith(ending) for member in members):
            raise ValueError(f"'{path}' is {what}.")
    size, holds = path.stat().st_size, sum(member.file_size for member in members)
    if holds > size:
        raise ValueError(
            f"'{path}' is damaged or a zip bomb: its {size:,} bytes claim to hold {holds:,}."
        )


def _safetensors(path: pathlib.Path) -> tuple[Mapping, tuple[str, ...]]:
    import safetensors

    try:
        found = safetensors.deserialize(path.read_bytes())
        tensors = {
            name: np.frombuffer(held["data"], DTYPES[held["dtype"]]).reshape(held["shape"])
            for name, held in found
        }
    except Exception as error:
        raise ValueError(f"'{path}' is damaged or not a safetensors file: {error}") from error
    return tensors, ()


class Other:
    """Placeholder for an object saved with the weights: accepts any state and keeps nothing."""

    def __new__(cls, *arguments: Any, **options: Any):
        """Accept any arguments."""
        return super().__new__(cls)

    def __init__(self, *arguments: Any, **options: Any):
        pass

    def __setstate__(self, state: Any):
        """Ignore the state."""


def _import_torch():
    try:
        import torch
    except ImportError:
        raise ValueError("PyTorch files need the extra torch: EXTRAS=torch ./launch.sh") from None
    version = tuple(int(part) for part in torch.__version__.split(".")[:2])
    if version < OLDEST_TORCH:
        wanted = ".".join(map(str, OLDEST_TORCH))
        raise ValueError(
            f"torch {torch.__version__} is not safe for reading weights; install {wanted} or later."
        )
    return torch


def _pickled(path: pathlib.Path, key: str | None) -> tuple[Mapping, tuple[str, ...]]:
    torch = _import_torch()
    try:
        # Warnings concern unusual pickles, which are refused or read in any case.
        with (
            warnings.catch_warnings(),
            torch.serialization.safe_globals([(Other, name) for name in BESIDE]),
            open(path, "rb") as file,  # given a path, torch would trust its suffix
        ):
            warnings.simplefilter("ignore")
            found = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a hostile file can make the loader raise anything
        raise ValueError(
            f"'{path}' is damaged or holds more than weights: {_why(error)}"
        ) from error
    return _chosen(path, found, key)


def _chosen(path: pathlib.Path, found: Any, key: str | None) -> tuple[Mapping, tuple[str, ...]]:
    """Return the weights in a training script's file, and remarks on other weights there."""
    told, there = (), {}
    if isinstance(found, Mapping):
        there = {str(name): held for name, held in found.items() if isinstance(held, Mapping)}
    if key is not None:
        if key not in there:
            raise ValueError(f"--key: the keys in '{path}' are {', '.join(there) or 'none'}.")
        found = there[key]
    else:
        told = tuple(
            f"the file also holds averaged weights: --key={name}"
            for name in AVERAGED
            if name in there
        )
    while isinstance(found, Mapping):
        inside = next((k for k in NESTED if isinstance(found.get(k), Mapping)), None)
        if inside is None:
            break
        found = found[inside]
    if not isinstance(found, Mapping) or not found:
        raise ValueError(f"'{path}': expected tensors by name, got a {type(found).__name__}.")
    if all(isinstance(held, Mapping) for held in found.values()):
        raise ValueError(f"'{path}' holds {', '.join(map(str, found))}; choose one by --key=NAME.")
    return found, told


def _why(error: Exception) -> str:
    """Return torch's reason, without its advice to load the file unsafely."""
    text = str(error)
    if called := CALLED.search(text):
        return f"it would call {called[1]}{MEND}"
    found = REASON.search(text)
    line = (found[1] if found else text).partition("\n")[0]
    return type(error).__name__ if ADVICE in line else line


def _array(name: str, tensor: Any) -> np.ndarray:
    if isinstance(tensor, np.ndarray) and isinstance(name, str):
        return tensor.astype(np.float32) if tensor.dtype == jnp.bfloat16 else tensor
    torch = _import_torch()
    if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
        raise ValueError(f"'{name}': expected a tensor, got a {type(tensor).__name__}.")
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.device.type != "cpu":
        raise ValueError(f"'{name}': expected a plain tensor, got {tensor.layout} {tensor.dtype}.")
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise ValueError(
            f"'{name}' claims the shape {list(tensor.shape)}, which is more than the file holds."
        )
    if tensor.dtype == torch.bfloat16:  # NumPy has no such type
        tensor = tensor.float()
    return tensor.detach().numpy()
