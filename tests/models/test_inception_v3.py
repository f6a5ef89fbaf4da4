import jax
import numpy as np
import pytest

from cnn_history import accounting, layers, models
from tests.models import checks

SIZE = (299, 299, 3)


def test_sizes_of_table_1():
    model = models.create("inception_v3")
    variables = checks.of_size(model, SIZE)

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
    variables, (_, rows) = checks.of_size(model, SIZE), accounting.trace(model, SIZE)
    assert [r.name for r in rows if r.name.startswith("aux_6e")] == [
        f"aux_6e/{name}"
        for name in ("pool", "conv1", "conv1_norm", "conv2", "conv2_norm", "global_pool", "fc")
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
    network = models.create("inception_v3", aux_heads=True, norm=norm)
    variables, (_, rows) = checks.of_size(network, SIZE), accounting.trace(network, SIZE)
    convolutions = [r for r in rows if r.operation == "conv"]
    assert {r.parameters > r.weights for r in convolutions} == {norm is None}
    norms = len(jax.tree.leaves(variables.get("batch_stats", {}))) // 2
    assert norms == (0 if norm is None else len(convolutions))
