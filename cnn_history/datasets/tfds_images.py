"""Image-classification data sets of TensorFlow Datasets, prepared as array_record.

Read by `as_data_source`: random access, without TensorFlow.
"""

import json
import os
import pathlib

from cnn_history.datasets.source import Encoded, Source
from cnn_history.lookup import nearest

DEFAULT_DIR = "~/tensorflow_datasets"


def folder(data_dir: str) -> pathlib.Path:
    """Return the folder of prepared data sets: `data_dir`, $TFDS_DATA_DIR or the default."""
    return pathlib.Path(data_dir or os.environ.get("TFDS_DATA_DIR") or DEFAULT_DIR).expanduser()


def prepared(name: str, data_dir: str) -> pathlib.Path:
    """Return the folder of the newest prepared version of a data set.

    Raises ValueError if there is none, or not as array_record, with the command that prepares it.
    """
    root = folder(data_dir)
    found = {p.parent: json.loads(p.read_text()) for p in root.glob(f"{name}/**/dataset_info.json")}
    usable = [path for path, info in found.items() if info.get("fileFormat") == "array_record"]
    if usable:
        return max(usable, key=lambda path: [int(n) for n in path.name.split(".") if n.isdigit()])
    command = f"EXTRAS=tf ./launch.sh prepare_data --dataset={name} --data_dir={root}"
    if found:
        kind = next(iter(found.values())).get("fileFormat", "tfrecord")
        raise ValueError(f"{name} stands in {root} as {kind}, not as array_record; run: {command}")
    check_known(name)
    raise ValueError(
        f"{name} is not in {root} (data_dir or TFDS_DATA_DIR names another folder); "
        f"to download and prepare it there, once: {command}"
    )


def check_known(name: str) -> None:
    """Raise ValueError, with the nearest name, if TensorFlow Datasets has no such data set."""
    import tensorflow_datasets as tfds

    known = tfds.list_builders(with_community_datasets=False)
    if name not in known:
        raise ValueError(
            f"unknown data set '{name}'; {nearest(name, ['digits', 'folder', *known])}"
        )


def source(name: str, split: str, data_dir: str) -> Source:
    """Return a split of a prepared data set.

    Raises ValueError if it is not prepared, has no such split, or no images with labels.
    """
    path = prepared(name, data_dir)
    import tensorflow_datasets as tfds

    builder = tfds.builder_from_directory(path)
    if split not in builder.info.splits:
        raise ValueError(f"{name} has no split '{split}'; {nearest(split, builder.info.splits)}")
    features = builder.info.features
    wanted = {"image": tfds.features.Image, "label": tfds.features.ClassLabel}
    if any(k not in features or not isinstance(features[k], cls) for k, cls in wanted.items()):
        raise ValueError(f"{name} is no image-classification data set: it lacks image or label.")
    records = builder.as_data_source(split)
    files = builder.as_data_source(split, decoders={"image": tfds.decode.SkipDecoding()})

    def read(indices):
        examples = records.__getitems__(list(indices))
        return [e["image"] for e in examples], [e["label"] for e in examples]

    def encoded(index):
        example = files[index]
        name_of = example.get("file_name", f"{name}/{split}[{index}]".encode()).decode()
        return Encoded(example["image"], int(example["label"]), name_of)

    return Source(
        name=name,
        split=split,
        classes=tuple(features["label"].names),
        shape=features["image"].shape,
        size=len(records),
        read=read,
        encoded=encoded,
    )
