"""Printed accounts, and the lecture's slide on VGG16."""

import json
import re

import pytest

from cnn_history import accounting
from cnn_history.reporting import accounts
from tests.shared import SHARED, needs_shared

# The slide, as the lecture prints it: "memory" and "params" of each row.
SLIDE = """
INPUT: [224x224x3] memory: 224*224*3=150K params: 0
CONV3-64: [224x224x64] memory: 224*224*64=3.2M params: (3*3*3)*64 = 1,728
CONV3-64: [224x224x64] memory: 224*224*64=3.2M params: (3*3*64)*64 = 36,864
POOL2: [112x112x64] memory: 112*112*64=800K params: 0
CONV3-128: [112x112x128] memory: 112*112*128=1.6M params: (3*3*64)*128 = 73,728
CONV3-128: [112x112x128] memory: 112*112*128=1.6M params: (3*3*128)*128 = 147,456
POOL2: [56x56x128] memory: 56*56*128=400K params: 0
CONV3-256: [56x56x256] memory: 56*56*256=800K params: (3*3*128)*256 = 294,912
CONV3-256: [56x56x256] memory: 56*56*256=800K params: (3*3*256)*256 = 589,824
CONV3-256: [56x56x256] memory: 56*56*256=800K params: (3*3*256)*256 = 589,824
POOL2: [28x28x256] memory: 28*28*256=200K params: 0
CONV3-512: [28x28x512] memory: 28*28*512=400K params: (3*3*256)*512 = 1,179,648
CONV3-512: [28x28x512] memory: 28*28*512=400K params: (3*3*512)*512 = 2,359,296
CONV3-512: [28x28x512] memory: 28*28*512=400K params: (3*3*512)*512 = 2,359,296
POOL2: [14x14x512] memory: 14*14*512=100K params: 0
CONV3-512: [14x14x512] memory: 14*14*512=100K params: (3*3*512)*512 = 2,359,296
CONV3-512: [14x14x512] memory: 14*14*512=100K params: (3*3*512)*512 = 2,359,296
CONV3-512: [14x14x512] memory: 14*14*512=100K params: (3*3*512)*512 = 2,359,296
POOL2: [7x7x512] memory: 7*7*512=25K params: 0
FC: [1x1x4096] memory: 4096 params: 7*7*512*4096 = 102,760,448
FC: [1x1x4096] memory: 4096 params: 4096*4096 = 16,777,216
FC: [1x1x1000] memory: 1000 params: 4096*1000 = 4,096,000
"""


@pytest.fixture(scope="module")
def vgg16():
    return accounting.account("vgg16")


def test_the_slide_is_printed_row_by_row_with_the_true_total(vgg16):
    *rows, memory, weights = [re.sub(r"\s+", " ", line) for line in accounts.listing(vgg16)]
    assert rows == SLIDE.split("\n")[1:-1]
    assert memory.startswith("TOTAL memory: 15.2M * 4 bytes = 61MB / image")
    assert "24M * 4 bytes ~= 96MB" in memory
    assert weights.startswith("TOTAL params: 138M")


@needs_shared
def test_its_rows_are_the_checked_claims(vgg16):
    claims = json.loads((SHARED / "facts/lecture_claims.json").read_text())["claims"]
    listed = [c for c in claims if c["slide"] == "VGG16 listing" and "memory, params" in c["quote"]]
    assert len(listed) == len(vgg16.layers) == 21
    for claim, layer in zip(listed, vgg16.layers, strict=True):
        assert claim["quote"].split()[0] == layer.name
        expected = f"memory {layer.activations:,} params {layer.weights:,}"
        assert claim["computed"] == expected


def test_json_has_the_agreed_names(vgg16):
    found = json.loads(accounts.as_json(vgg16))
    totals = {"parameters": 138_357_544, "macs": 15_470_264_320, "activations": 15_237_608}
    assert {name: found[name] for name in totals} == totals
    assert (found["model"], found["input"], found["depth"]) == ("vgg16", [224, 224, 3], 16)
    assert "Simonyan" in found["paper"]
    names = {"name", "operation", "kernel", "stride", "output", "parameters", "macs"}
    assert names | {"activations", "receptive_field"} <= set(found["layers"][0])
    pool5 = next(row for row in found["layers"] if row["name"] == "pool5")
    assert (pool5["kernel"], pool5["stride"], pool5["output"]) == ([2, 2], 2, [7, 7, 512])


def test_markdown_has_a_row_for_every_layer_and_the_slide(vgg16):
    text = accounts.markdown(vgg16)
    rows = [line for line in text.split("\n") if line.startswith("|")]
    assert len(rows) == 2 + 1 + 21 + 1
    assert len({row.count("|") for row in rows}) == 1
    row = next(row for row in rows if row.startswith("| fc6 "))
    assert "| 102,764,544 | 102,760,448 | 4,096 | 404 |" in row
    assert "(the lecture: 24M" not in text.split("```")[0]
    assert "the lecture: 24M" in text.split("```")[1]


def test_the_table_is_never_cut(capsys):
    accounts.table(accounting.account("lenet5_1998"))
    printed = capsys.readouterr().out
    for cell in ("c3 ", "subsampling", "14x14x6", "150,000", "60,000", "328,096", "9,118"):
        assert cell in printed
    assert "…" not in printed
    assert "lecture:" not in printed
