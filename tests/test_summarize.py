"""The verb as it is called."""

import json
import subprocess

import pytest

from tests.training import runs


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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model=vgg_16"], "did you mean 'vgg16'?"),
        (["--model=resnet18", "--image_size=16"], "the smallest is 32x32"),
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
