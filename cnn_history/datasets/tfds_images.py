"""Image-classification data sets of TensorFlow Datasets, prepared as array_record.

`as_data_source` gives random access without TensorFlow. The reader checks each record's checksum,
so damage is found and named.
"""

import itertools
import json
import os
import pathlib
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cnn_history.datasets import images
from cnn_history.datasets.source import Encoded, Source
from cnn_history.lookup import nearest

DEFAULT_DIR = "~/tensorflow_datasets"
NAME = re.compile(r"\w+(/\w[\w.-]*)*")  # including the variant's name, as TFDS writes it
FEATURES = "tensorflow_datasets.core.features."  # modules that a data set's features.json may name


def folder(data_dir: str) -> pathlib.Path:
    """Return the folder of prepared data sets: `data_dir`, $TFDS_DATA_DIR or the default."""
    chosen = data_dir or os.environ.get("TFDS_DATA_DIR") or DEFAULT_DIR
    return pathlib.Path(os.path.expanduser(chosen))


def prepared(name: str, data_dir: str) -> pathlib.Path:
    """Return the folder of the newest prepared version of a data set.

    Raises ValueError, with the command that prepares it, if there is none or it is not
    array_record.
    """
    if not NAME.fullmatch(name):  # a path or a pattern could point elsewhere
        check_known(name)
    root = folder(data_dir)
    found = {p.parent: _json(p) for p in root.glob(f"{name}/**/dataset_info.json")}
    usable = [path for path, info in found.items() if info.get("fileFormat") == "array_record"]
    if len(variants := sorted({_variant(path, root, name) for path in usable})) > 1:
        raise ValueError(
            f"{name} is in {root} in several variants; name one of {', '.join(variants)}."
        )
    if usable:
        return max(usable, key=_version)
    command = f"EXTRAS=tf ./launch.sh prepare_data --dataset={name} --data_dir={root}"
    if found:
        kind = next(iter(found.values())).get("fileFormat", "tfrecord")
        raise ValueError(f"{name} is in {root} as {kind}, not as array_record; run: {command}")
    check_known(name)
    raise ValueError(
        f"{name} is not in {root} (data_dir or TFDS_DATA_DIR names another folder); "
        f"to download and prepare it there, once: {command}"
    )


def _version(path: pathlib.Path) -> list[int]:
    return [int(n) for n in path.name.split(".") if n.isdigit()]


def _variant(path: pathlib.Path, root: pathlib.Path, name: str) -> str:
    """Return a prepared data set's name, with its variant."""
    whole = path.relative_to(root)
    return name if whole.as_posix() == name else whole.parent.as_posix()


def check_known(name: str) -> None:
    """Raise ValueError with the closest name if TensorFlow Datasets has no such data set."""
    import tensorflow_datasets as tfds

    known = tfds.list_builders(with_community_datasets=False)
    if name not in known:
        raise ValueError(
            f"unknown data set '{name}'; {nearest(name, ['digits', 'folder', *known])}"
        )


def source(name: str, split: str, data_dir: str) -> Source:
    """Return a split of a prepared data set.

    Raises ValueError if it is not prepared, has no such split, or has no uint8 images with labels.
    """
    path = prepared(name, data_dir)
    import tensorflow_datasets as tfds

    _check_features(path / "features.json")
    try:
        builder = tfds.builder_from_directory(path)
    except Exception as error:  # its readers can raise anything on damaged files
        raise ValueError(f"'{path}' is damaged: {_line(error)}") from error
    if split not in builder.info.splits:
        raise ValueError(f"{name} has no split '{split}'; {nearest(split, builder.info.splits)}")
    features = builder.info.features
    wanted = {"image": tfds.features.Image, "label": tfds.features.ClassLabel}
    if any(k not in features or not isinstance(features[k], cls) for k, cls in wanted.items()):
        raise ValueError(f"{name} is not an image-classification data set: no image or no label.")
    shape, dtype = features["image"].shape, features["image"].np_dtype
    if len(shape) != 3 or shape[-1] not in images.COLOURS or dtype != np.uint8:
        raise ValueError(
            f"the images of {name} are {dtype} {list(shape)}; only uint8 [h, w, 1] or [h, w, 3] "
            f"can be read."
        )
    classes = tuple(features["label"].names)
    try:
        files = builder.as_data_source(split, decoders={"image": tfds.decode.SkipDecoding()})
        size = len(files)
    except Exception as error:
        raise ValueError(f"'{path}' is damaged: {_line(error)}") from error
    place, info = _places(builder.info.splits[split]), builder.info.splits[split]

    def checked(index: int, example: dict[str, Any]) -> Encoded:
        label = int(example["label"])
        name_of = example.get("file_name", f"{name}/{split}[{index}]".encode()).decode()
        if not 0 <= label < len(classes):
            raise images.Unreadable(
                f"{place(index)}: the label of {name_of} is {label}; they go from 0 to "
                f"{len(classes) - 1}."
            )
        return Encoded(example["image"], label, name_of)

    def encoded(index: int) -> Encoded:
        try:
            example = files[index]
        except Exception as error:
            raise images.Lost(f"{place(index)} is damaged: {_line(error)}") from error
        return checked(index, example)

    def read(indices: Sequence[int]) -> tuple[list[np.ndarray], list[int]]:
        try:
            examples = files.__getitems__(list(indices))  # one call for many is faster
        except Exception:
            examples = None  # one is damaged: read one by one to name it
        found = map(encoded, indices) if examples is None else map(checked, indices, examples)
        pixels, labels = images.decode_all(found, shape[-1])
        for index, image in zip(indices, pixels, strict=True):
            if any(side not in (None, n) for side, n in zip(shape, image.shape, strict=True)):
                raise images.Unreadable(
                    f"{place(index)}: its image is {list(image.shape)}, and those of {name} are "
                    f"{list(shape)}."
                )
        return pixels, labels

    return Source(
        name=name,
        split=split,
        classes=classes,
        shape=shape,
        size=size,
        read=read,
        encoded=encoded,
        version=str(builder.version),
        variant=builder.builder_config.name if builder.builder_config else "",
        name_of=(lambda index: encoded(index).name) if "file_name" in features else None,
        stamps=lambda start, stop: map(_stamp, info.filepaths, info.shard_lengths),
    )


def _stamp(shard: os.PathLike, length: int) -> str:
    path = pathlib.Path(shard)
    return f"{path.name} {path.stat().st_size} {length}"


def _places(split: Any) -> Callable[[int], str]:
    """Return index -> file and record number, for messages about a TFDS split."""
    ends = list(itertools.accumulate(split.shard_lengths))

    def place(index: int) -> str:
        shard = next(i for i, end in enumerate(ends) if index < end)
        first = ends[shard] - split.shard_lengths[shard]
        return f"'{split.filepaths[shard]}': record {index - first}"

    return place


def _check_features(path: pathlib.Path) -> None:
    """Raise ValueError if features.json names a foreign class: loading it would run its module."""

    def look(node):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            if key == "pythonClassName" and not str(value).startswith(FEATURES):
                raise ValueError(f"'{path}' names {value}, which is not a TFDS feature.")
            if isinstance(value, dict | list):
                look(value)

    look(_json(path))


def _json(path: pathlib.Path) -> dict:
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, OSError, RecursionError) as error:
        raise ValueError(f"'{path}' is damaged: {_line(error)}") from error
    if not isinstance(found, dict):
        raise ValueError(f"'{path}' is damaged: it is not a JSON object.")
    return found


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0]
