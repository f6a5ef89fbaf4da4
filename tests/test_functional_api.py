"""LeNet-5 under jax's transformations; docs/functional_api.md has all networks."""

import json

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import AbstractMesh, AxisType, PartitionSpec

from cnn_history import models
from tests.functional_api import document, transformations
from tests.functional_api.case import HOLDS
from tests.models import checks, low_precision

CELLS = json.loads(document.CELLS.read_text())
OTHERS = [
    (name, dtype)
    for name in checks.DISTINCT
    for dtype in transformations.DTYPES
    if (name, dtype) != ("lenet5", "float32")
]


@pytest.mark.parametrize("transformation", transformations.TRANSFORMATIONS)
def test_lenet5_is_the_same_under_every_transformation(transformation):
    assert transformations.cell("lenet5", "float32", transformation) == HOLDS


@pytest.mark.slow
@pytest.mark.parametrize(("name", "dtype"), OTHERS)
def test_every_network_is_the_same_under_every_transformation(name, dtype):
    made = {t: transformations.cell(name, dtype, t) for t in transformations.TRANSFORMATIONS}
    assert set(made.values()) == {HOLDS}, made


def test_the_document_shows_what_was_measured():
    text = document.DOCUMENT.read_text()
    assert text == document.written(text, CELLS)
    for name, of_network in CELLS["transformations"].items():
        assert name in models.NETWORKS
        for dtype in transformations.DTYPES:
            assert of_network[dtype].keys() == transformations.TRANSFORMATIONS.keys()
            assert set(of_network[dtype].values()) == {HOLDS}, (name, dtype)
    for name, of_network in CELLS["meshes"].items():
        wrong = {cell: said for cell, said in of_network.items() if said.startswith("error")}
        assert not wrong, name
    for name, row in CELLS["bfloat16"].items():
        assert name in models.NETWORKS
        assert not row["wrong"], name
        assert abs(row["slope"] - 1) < low_precision.SLOPE, name
        assert row["ratio"] <= low_precision.ERROR, name


@pytest.mark.parametrize("name", ["lenet5", "lenet5_1998", "alexnet", "vgg11", "zfnet"])
def test_a_classifier_of_a_size_refuses_a_part_of_an_image(name):
    """Rows that are cut over two devices inside `shard_map`; traced."""
    height, width, channels = models.info(name).input
    images = jax.ShapeDtypeStruct((1, height + height % 2, width, channels), jnp.float32)
    network = models.create(name)
    mesh = AbstractMesh((2,), ("a",), axis_types=(AxisType.Auto,))
    forward = jax.shard_map(
        lambda variables, images: network.apply(variables, images, train=False),
        mesh=mesh,
        in_specs=(PartitionSpec(), PartitionSpec(None, "a")),
        out_specs=PartitionSpec("a"),
    )
    with pytest.raises(ValueError, match="cannot take images of"):
        jax.eval_shape(forward, checks.variables(network, images), images)
