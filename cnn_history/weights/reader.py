"""Tensors out of PyTorch's files. Pickles are code: only torch's weights-only loader opens them."""

import pathlib
import re
import warnings
import zipfile
from collections.abc import Mapping

import numpy as np

SAFETENSORS = ".safetensors"
# In torch's words: what a pickle would call, and what else is wrong with it.
CALLED = re.compile(r"\bGLOBAL ([\w.]*\w)")
REASON = re.compile(r"WeightsUnpickler error:\s*(.*?)(?: by default|\n|$)")
ADVICE = "weights_only"
ZIP = b"PK\x03\x04"  # how an archive begins
OLDEST_TORCH = (2, 10)  # earlier weights-only loaders have known holes
NESTED = ("state_dict", "model")  # where training scripts keep the weights among other things
DISTRIBUTED = "module."  # what torch's DataParallel puts before each name


def read(path: str | pathlib.Path) -> dict[str, np.ndarray]:
    """Return the tensors of a `.safetensors` file or of one that `torch.save` wrote, by name.

    A prefix `module.` of every name is taken off. Nothing that the file says is executed.
    Raises ValueError for a file that is not there, damaged, or holds anything but tensors, and
    where torch or safetensors is missing or too old (extra `torch`).
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise ValueError(f"there is no file '{path}'.")
    tensors = _safetensors(path) if path.suffix == SAFETENSORS else _pickled(path)
    arrays = {name: _array(name, tensor) for name, tensor in tensors.items()}
    if all(name.startswith(DISTRIBUTED) for name in arrays):
        return {name.removeprefix(DISTRIBUTED): array for name, array in arrays.items()}
    return arrays


def _import_torch():
    try:
        import torch
    except ImportError:
        raise ValueError("PyTorch files need the extra torch: EXTRAS=torch ./launch.sh") from None
    version = tuple(int(part) for part in torch.__version__.split(".")[:2])
    if version < OLDEST_TORCH:
        wanted = ".".join(map(str, OLDEST_TORCH))
        raise ValueError(f"torch {torch.__version__} is too old to be safe; {wanted} or later is.")
    return torch


def _safetensors(path: pathlib.Path) -> Mapping:
    _import_torch()
    import safetensors.torch

    try:
        return safetensors.torch.load_file(path)
    except Exception as error:
        raise ValueError(f"'{path}' is damaged or no safetensors file: {error}") from error


def _pickled(path: pathlib.Path) -> Mapping:
    torch = _import_torch()
    _check_archive(path)
    try:
        with warnings.catch_warnings():  # of odd pickles, which are refused, or read, all the same
            warnings.simplefilter("ignore")
            found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a hostile file makes the loader raise
        raise ValueError(
            f"'{path}' is damaged or holds more than weights: {_why(error)}"
        ) from error
    for key in NESTED:
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
    if not isinstance(found, Mapping) or not found:
        raise ValueError(f"'{path}' holds no tensors by name, but a {type(found).__name__}.")
    return found


def _why(error: Exception) -> str:
    """Return torch's reason, without its advice to load the file by running what it holds."""
    text = str(error)
    if called := CALLED.search(text):
        return f"it asks for {called[1]}"
    found = REASON.search(text)
    line = (found[1] if found else text).partition("\n")[0]
    return type(error).__name__ if ADVICE in line else line


def _check_archive(path: pathlib.Path) -> None:
    """Raise ValueError for a zip archive that holds more than its own size: a bomb.

    torch packs nothing that it saves, so that no true file is refused.
    """
    with open(path, "rb") as file:
        if file.read(len(ZIP)) != ZIP:
            return
    try:
        with zipfile.ZipFile(path) as archive:
            holds = sum(member.file_size for member in archive.infolist())
    except Exception as error:
        raise ValueError(f"'{path}' is damaged: {error}") from error
    if holds > path.stat().st_size:
        raise ValueError(
            f"'{path}' is damaged or a bomb: in {path.stat().st_size:,} bytes it claims {holds:,}."
        )


def _array(name: str, tensor) -> np.ndarray:
    import torch

    if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
        raise ValueError(f"'{name}' is no tensor, but a {type(tensor).__name__}.")
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.device.type != "cpu":
        raise ValueError(f"'{name}' is no plain tensor, but {tensor.layout} {tensor.dtype}.")
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise ValueError(f"'{name}' claims {list(tensor.shape)}, more than the file holds.")
    if tensor.dtype == torch.bfloat16:  # NumPy has none
        tensor = tensor.float()
    return tensor.detach().numpy()
