"""The papers and their printed numbers."""

import json

import pytest

from cnn_history import models, papers
from cnn_history.papers import PUBLISHED, beside, reported
from experiments import (
    lenet5_1998_mnist,
    lenet5_mnist,
    resnet_cifar10,
    resnet_imagenet,
    resnet_large_batch_imagenet,
    vgg_imagenet,
    zfnet_imagenet,
)
from tests.shared import SHARED, needs_shared

DATASETS = {"imagenet2012": "ImageNet (ILSVRC-2012)", "cifar10": "CIFAR-10+", "mnist": "MNIST"}


def test_networks_are_ours():
    assert {row.network for row in PUBLISHED if row.network} <= set(models.names())
    assert len(set(PUBLISHED)) == len(PUBLISHED)


def test_a_paper_is_cited_by_its_authors_and_year():
    assert str(papers.KRIZHEVSKY_2014) == "Krizhevsky 2014"
    assert str(papers.ZEILER_2013) == "Zeiler & Fergus 2013"
    assert papers.HE_2015.source == "He et al. 2015, arXiv:1512.03385"
    assert str(papers.HE_2015.at("table 1")) == "He et al. 2015, table 1"
    assert str(papers.HE_2015.at("(v1.5)")) == "He et al. 2015 (v1.5)"
    assert str(papers.HE_2015.at()) == "He et al. 2015"


@needs_shared
def test_every_number_stands_in_the_reference_list():
    facts = json.loads((SHARED / "facts" / "published_accuracy.json").read_text())["published"]
    known = {(f["dataset"], f["split"].split()[0], f["top1_err"], f["top5_err"]) for f in facts}
    (lectures,) = [f["where"] for f in facts if f["model"] == "Inception-v3, 4 models"]
    for row in PUBLISHED:
        if row.where == "abstract":
            assert f"{row.top1 or row.top5} {row.split}" in lectures  # "17.3 val top-1, ..."
        elif row.paper is not papers.GOYAL_2017:  # which the list leaves out
            assert (DATASETS[row.dataset], row.split, row.top1, row.top5) in known, row


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


@pytest.mark.parametrize(
    ("experiment", "arg", "error"),
    [
        (lenet5_mnist, None, 0.95),
        (lenet5_1998_mnist, "sdlm", 0.95),
        (zfnet_imagenet, None, 38.4),
        (resnet_cifar10, "depth=56", 6.97),
        (resnet_cifar10, "depth=56,plain", None),  # fig. 6 only
        (resnet_cifar10, "depth=56,split=45k", None),
        (resnet_cifar10, "depth=56,dataset=mnist", None),
        (resnet_cifar10, "depth=56,smoke", None),
        (resnet_imagenet, "depth=34,shortcut=A", 25.03),
        (resnet_imagenet, "depth=34", 24.52),
        (resnet_imagenet, "depth=34,shortcut=C", 24.19),
        (resnet_imagenet, "depth=18", None),  # B, where the paper has A
        (resnet_imagenet, "depth=18,plain", 27.94),
        (resnet_large_batch_imagenet, "batch=256", 23.60),
        (resnet_large_batch_imagenet, "batch=8192", 23.74),
        (resnet_large_batch_imagenet, "batch=512", None),
        (vgg_imagenet, "net=vgg16", 27.0),
        (vgg_imagenet, "net=vgg16,jitter", None),
    ],
)
def test_a_run_stands_beside_its_papers_number(experiment, arg, error):
    config = experiment.get_config(arg)
    for recipe in (config, json.loads(config.to_json())):
        row = reported(recipe)
        assert (row and row.top1) == error


def test_a_number_is_that_of_a_whole_test_set():
    recipe = lenet5_mnist.get_config().to_dict()
    for split in ("train", "test[:1000]"):
        assert reported({**recipe, "test_split": split}) is None
    del recipe["train_split"]  # of imported weights
    assert reported(recipe) is None
