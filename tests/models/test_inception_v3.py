import json

import jax
import numpy as np
import pytest

from cnn_history import layers, models
from tests.models.traced import parameters, trace
from tests.shared import SHARED, needs_shared

SIZE = (299, 299, 3)


@pytest.mark.parametrize(("aux_heads", "count"), [(False, 23_834_568), (True, 27_161_264)])
def test_parameters(aux_heads, count):
    variables, _ = trace(models.create("inception_v3", aux_heads=aux_heads), SIZE)
    assert parameters(variables) == count


@needs_shared
def test_layers():
    facts = json.loads((SHARED / "facts/networks.json").read_text())
    _, rows = trace(models.create("inception_v3"), SIZE)
    ours = [(r.operation, r.output, r.weights, r.biases) for r in rows]
    theirs = [
        (layer["op"], tuple(layer["out"]), layer["weights"], layer["biases"])
        for layer in facts["layers"]["inception_v3"]
    ]
    assert ours == theirs
    totals = facts["networks"]["inception_v3"]
    assert sum(r.macs for r in rows) == totals["macs"]
    activations = np.prod(SIZE) + sum(np.prod(r.output) for r in rows)
    assert activations == totals["activations_incl_input"]


def test_sizes_of_table_1():
    model = models.create("inception_v3")
    variables, _ = trace(model, SIZE)

    def run(variables):
        images = np.zeros((1, *SIZE), np.float32)
        return model.apply(
            variables, images, train=False, capture_intermediates=True, mutable=["intermediates"]
        )[1]["intermediates"]

    found = jax.eval_shape(run, variables)
    outputs = {
        "Conv2d_1a_3x3": (149, 149, 32),
        "Conv2d_2a_3x3": (147, 147, 32),
        "Conv2d_2b_3x3": (147, 147, 64),
        "MaxPool_3a_3x3": (73, 73, 64),
        "Conv2d_4a_3x3": (71, 71, 192),
        "MaxPool_5a_3x3": (35, 35, 192),
        "Mixed_5b": (35, 35, 256),
        "Mixed_5d": (35, 35, 288),
        "Mixed_6a": (17, 17, 768),
        "Mixed_6e": (17, 17, 768),
        "Mixed_7a": (8, 8, 1280),
        "Mixed_7c": (8, 8, 2048),
        "pool": (2048,),
    }
    assert {name: found[name]["__call__"][0].shape[1:] for name in outputs} == outputs


def test_head_is_for_training_alone():
    model = models.create("inception_v3", num_classes=5, aux_heads=True)
    variables, rows = trace(model, SIZE)
    assert [r.name for r in rows if r.name.startswith("aux_6e")] == [
        f"aux_6e/{name}" for name in ("pool", "conv1", "conv2", "global_pool", "fc")
    ]

    def run(variables, train):
        images = np.zeros((1, *SIZE), np.float32)
        return model.apply(
            variables,
            images,
            train=train,
            rngs={"dropout": jax.random.key(0)},
            mutable=["batch_stats"],
        )[0]

    logits, (aux,) = jax.eval_shape(lambda v: run(v, train=True), variables)
    assert logits.shape == aux.shape == (1, 5)
    assert jax.eval_shape(lambda v: run(v, train=False), variables).shape == (1, 5)


@pytest.mark.parametrize("norm", [None, layers.BatchNorm])
def test_convolutions_have_a_bias_where_no_norm_follows(norm):
    variables, rows = trace(models.create("inception_v3", aux_heads=True, norm=norm), SIZE)
    convolutions = [r for r in rows if r.operation == "conv"]
    assert {r.biases > 0 for r in convolutions} == {norm is None}
    norms = len(jax.tree.leaves(variables.get("batch_stats", {}))) // 2
    assert norms == (0 if norm is None else len(convolutions))
