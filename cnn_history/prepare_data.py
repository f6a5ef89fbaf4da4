"""Download a TensorFlow Datasets image set and prepare it as array_record, once.

    EXTRAS=tf ./launch.sh prepare_data --dataset=cifar10 --data_dir=~/tensorflow_datasets

Preparation needs TensorFlow (the extra `tf`); training and evaluation read the result without it.
"""

import importlib.util
import pathlib

from absl import flags

from cnn_history import commands, errors
from cnn_history.datasets import OWN, tfds_images
from cnn_history.errors import UserError

DATASET = flags.DEFINE_string("dataset", None, "Name in TensorFlow Datasets, such as cifar10.")
DATA_DIR = flags.DEFINE_string("data_dir", "", "Folder to prepare it in; default $TFDS_DATA_DIR.")
flags.mark_flag_as_required("dataset")


def main(argv: list[str]) -> None:
    name, root = DATASET.value, tfds_images.folder(DATA_DIR.value)
    if name in OWN:
        raise UserError(f"--dataset: {name} needs no preparation.")
    with errors.blame("--dataset"):
        tfds_images.check_known(name)
    try:
        print(f"{name} is prepared in {tfds_images.prepared(name, DATA_DIR.value)}.")
        return
    except ValueError:
        pass  # not prepared yet
    if importlib.util.find_spec("tensorflow") is None:
        raise UserError(
            "preparation needs TensorFlow, once: EXTRAS=tf ./launch.sh prepare_data "
            f"--dataset={name} --data_dir={root}"
        )
    commands.announce(f"downloading {name} and preparing it in {root}; bars show the time left")
    print(f"{name} is prepared in {prepare(name, root)}.")


def prepare(name: str, root: pathlib.Path) -> pathlib.Path:
    """Download and prepare a data set under `root`; return the folder of the version.

    Raises UserError if it cannot be downloaded or written.
    """
    import tensorflow_datasets as tfds

    builder = tfds.builder(name, data_dir=root, file_format="array_record")
    # Archives of different data sets share file names (mnist, fashion_mnist). Each gets its own
    # folder; otherwise, the second would use the first one's images.
    config = tfds.download.DownloadConfig(extract_dir=root / "downloads" / f"extracted_{name}")
    # AssertionError: archives that must be fetched by hand, such as ImageNet's, are missing.
    failures = OSError, AssertionError, tfds.download.DownloadError
    with errors.blame(f"{name} could not be prepared in {root}", failures):
        builder.download_and_prepare(download_config=config)
    return pathlib.Path(builder.data_dir)


if __name__ == "__main__":
    commands.run(main)
