"""The cited numbers."""

import json

from cnn_history import models
from cnn_history.literature import PUBLISHED, beside, published
from tests.shared import SHARED, needs_shared

DATASETS = {"imagenet2012": "ImageNet (ILSVRC-2012)", "cifar10": "CIFAR-10+", "mnist": "MNIST"}


def test_networks_are_ours():
    assert {row.network for row in PUBLISHED if row.network} <= set(models.names())
    assert len(set(PUBLISHED)) == len(PUBLISHED)


@needs_shared
def test_every_number_stands_in_the_reference_list():
    facts = json.loads((SHARED / "facts" / "published_accuracy.json").read_text())["published"]
    known = {(f["dataset"], f["split"].split()[0], f["top1_err"], f["top5_err"]) for f in facts}
    (lectures,) = [f["where"] for f in facts if f["model"] == "Inception-v3, 4 models"]
    for row in PUBLISHED:
        if row.where == "abstract":
            assert f"{row.top1 or row.top5} {row.split}" in lectures  # "17.3 val top-1, ..."
            continue
        assert (DATASETS[row.dataset], row.split, row.top1, row.top5) in known, row


def test_lookup():
    (row,) = published("googlenet", "imagenet2012", "crops144", models=7)[:1]
    assert row.top5 == 6.67
    assert not published("googlenet", "cifar10", "crops144")


def test_beside_an_error_stand_the_rows_of_the_same():
    alexnet = ("alexnet_2012",)
    (row,) = beside(alexnet, "folder", 1000, "ten_crop")
    assert (row.top1, row.top5) == (40.7, 18.2)
    assert [r.top1 for r in beside(5 * alexnet, "imagenet2012", 1000, "ten_crop")] == [38.1, None]
    for other in (
        (alexnet, "folder", 10, "ten_crop"),
        (alexnet, "imagenette", 10, "ten_crop"),
        (alexnet, "imagenet2012", 1000, "single_crop"),
        (("alexnet_2012", "zfnet"), "imagenet2012", 1000, "ten_crop"),
    ):
        assert not beside(*other)
