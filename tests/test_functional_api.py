"""Networks under jax's transformations: LeNet-5 here, the others as docs/functional_api.md says."""

import json

import pytest

from cnn_history import models
from tests import functional_api
from tests.models import checks

CELLS = json.loads(functional_api.CELLS.read_text())
OTHERS = [
    (name, dtype)
    for name in checks.DISTINCT
    for dtype in functional_api.DTYPES
    if (name, dtype) != ("lenet5", "float32")
]


@pytest.mark.parametrize("transformation", functional_api.TRANSFORMATIONS)
def test_lenet5_is_the_same_under_every_transformation(transformation):
    assert functional_api.cell("lenet5", "float32", transformation) == functional_api.HOLDS


@pytest.mark.slow
@pytest.mark.parametrize(("name", "dtype"), OTHERS)
def test_every_network_is_the_same_under_every_transformation(name, dtype):
    made = {t: functional_api.cell(name, dtype, t) for t in functional_api.TRANSFORMATIONS}
    assert set(made.values()) == {functional_api.HOLDS}, made


def test_the_document_shows_what_was_measured():
    text = functional_api.DOCUMENT.read_text()
    assert text == functional_api.document(text, CELLS)
    for name, of_network in CELLS["transformations"].items():
        assert name in models.NETWORKS
        for dtype in functional_api.DTYPES:
            assert of_network[dtype].keys() == functional_api.TRANSFORMATIONS.keys()
            assert set(of_network[dtype].values()) == {functional_api.HOLDS}, (name, dtype)
    for name, of_network in CELLS["meshes"].items():
        wrong = {cell: said for cell, said in of_network.items() if said.startswith("error")}
        assert not wrong, name
