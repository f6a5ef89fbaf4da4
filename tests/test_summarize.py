"""The verb `summarize`."""

import json
import subprocess

import pytest

from cnn_history import accounting, models
from cnn_history.reporting import accounts
from tests.training import runs

JSON = "--format=json"
TWO = ({"num_classes": 10}, {"num_classes": 7})  # numbers of classes


def call(*arguments):
    status, out, err = runs.run("summarize", *arguments)
    return subprocess.CompletedProcess("summarize", status, out, err)


def test_json_is_one_document_with_the_options_applied():
    done = call(
        "--model=resnet34", "--shortcut=A", "--num_classes=10", "--image_size=64", "--format=json"
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["input"] == [64, 64, 3]
    # The reference's 21,623,848 of option A, less 990 of 1,000 classes.
    assert found["parameters"] == 21_623_848 - 990 * 513
    assert found["layers"][-1]["output"] == [1, 1, 10]


def test_small_images_by_a_fitted_classifier():
    """VGG16 on CIFAR-10: by hand, 14,714,688 parameters of the convolutions, and fc6 to fc8."""
    done = call("--model=vgg16", "--image_size=32", "--num_classes=10", "--fit_classifier", JSON)
    assert done.returncode == 0, done.stderr
    fully_connected = 513 * 4096 + 4097 * 4096 + 4097 * 10
    assert json.loads(done.stdout)["parameters"] == 14_714_688 + fully_connected


def test_receptive_fields_of_a_pool_that_rounds_up_are_numbers():
    account = accounting.account("bn_inception", 256)
    assert json.loads(accounts.as_json(account))["layers"][-1]["receptive_field"] > 256


@pytest.mark.slow
@pytest.mark.parametrize("name", models.names())
def test_every_account_is_one_document(name):
    own = models.info(name).input[0]
    for size in (own, own + 32, 2 * own):
        for classes in ({},) if name == "lenet5_1998" else TWO:
            found = json.loads(accounts.as_json(accounting.account(name, size, **classes)))
            assert found["input"][:2] == [size, size]
            assert found["parameters"] == sum(layer["parameters"] for layer in found["layers"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model=vgg_16"], "did you mean 'vgg16'?"),
        (["--model=resnet18", "--image_size=16"], "the smallest is 32x32"),
        (
            ["--model=vgg16", "--image_size=32"],
            "the smallest is 224x224 (32x32 with fit_classifier=true)",
        ),
        (["--model=vgg16", "--shortcut=A"], "vgg16 has no option 'shortcut'"),
        (["--model=resnet18", "--num_classes=0"], "--num_classes: expected a whole number from 1"),
        (
            ["--model=resnet18", "--num_classes=ten"],
            "--num_classes: expected a whole number from 1",
        ),
        (
            ["--model=resnet18", "--norm=batchnorm"],
            "unknown normalization 'batchnorm'; did you mean",
        ),
        (
            ["--model=vgg16", "--dropout=1"],
            "--dropout: expected a number from 0 up, below 1, got 1",
        ),
        ([], "--model"),
    ],
)
def test_a_wrong_flag_is_one_line_and_status_2(arguments, message):
    done = call(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
