import jax
import numpy as np
import pytest

from cnn_history import models
from cnn_history.models.bn_inception import FIGURE_5
from tests.models import checks, drawn

SIZE = (224, 224, 3)


@pytest.mark.parametrize(
    ("channels", "at_4d", "at_4e"), [("figure", 576, 1024), ("release", 608, 1056)]
)
def test_depths(channels, at_4d, at_4e):
    # Fig. 5, column "output size", which gives a module of stride 2 the size of its input.
    depths = {"3a": 256, "3b": 320, "3c": 576, "4a": 576, "4b": 576, "4c": at_4d, "4d": at_4d}
    depths |= {"4e": at_4e, "5a": 1024, "5b": 1024}
    sizes = {"3a": 28, "3b": 28, "3c": 14, "4e": 7, "5a": 7, "5b": 7}
    model = models.create("bn_inception", channels=channels)
    variables = checks.of_size(model, SIZE)

    def run(variables):
        images = np.zeros((1, *SIZE), np.float32)
        return model.apply(
            variables, images, train=False, capture_intermediates=True, mutable=["intermediates"]
        )[1]["intermediates"]

    found = jax.eval_shape(run, variables)
    for block, depth in depths.items():
        size = sizes.get(block, 14)
        shape = found[f"inception_{block}"]["__call__"][0].shape
        assert shape == (1, size, size, depth), block


def test_unknown_channels():
    with pytest.raises(ValueError, match="figure, release"):
        checks.of_size(models.create("bn_inception", channels="caffe"), SIZE)


def _torch_bn_inception(params, images):
    """Fig. 5 in torch's operations, normalized by the batch: logits."""
    import torch
    import torch.nn.functional as F

    def tensor(x, *order):
        return torch.from_numpy(np.asarray(x).transpose(*order).copy())

    def unit(x, p, name, stride=1):
        kernel, norm = tensor(p[name]["kernel"], 3, 2, 0, 1), p[f"{name}_norm"]
        x = F.conv2d(x, kernel, None, stride, kernel.shape[-1] // 2)
        scale, shift = tensor(norm["scale"], 0), tensor(norm["bias"], 0)
        return torch.relu(F.batch_norm(x, None, None, scale, shift, training=True, eps=1e-5))

    def inception(x, p, pool):
        stride = 1 if "1x1" in p else 2
        branches = [unit(x, p, "1x1")] if stride == 1 else []
        branches.append(unit(unit(x, p, "3x3_reduce"), p, "3x3", stride))
        y = unit(unit(x, p, "double_3x3_reduce"), p, "double_3x3_1")
        branches.append(unit(y, p, "double_3x3_2", stride))
        if stride == 2:
            branches.append(F.max_pool2d(x, 3, 2, ceil_mode=True))
        else:
            y = F.avg_pool2d(x, 3, 1, 1) if pool == "avg" else F.max_pool2d(x, 3, 1, 1)
            branches.append(unit(y, p, "pool_proj"))
        return torch.cat(branches, 1)

    x = F.max_pool2d(unit(tensor(images, 0, 3, 1, 2), params, "conv1", 2), 3, 2, ceil_mode=True)
    x = unit(unit(x, params, "conv2_reduce"), params, "conv2")
    x = F.max_pool2d(x, 3, 2, ceil_mode=True)
    for block in ("3a", "3b", "3c", "4a", "4b", "4c", "4d", "4e", "5a", "5b"):
        x = inception(x, params[f"inception_{block}"], "max" if block == "5b" else "avg")
    fc = params["fc"]
    return (x.mean((2, 3)) @ tensor(fc["kernel"], 0, 1) + tensor(fc["bias"], 0)).numpy()


def test_parity_with_torch():
    pytest.importorskip("torch")
    model = models.create("bn_inception", num_classes=5)
    images = drawn.images(3, 96, 64, 3)
    variables = drawn.draw(checks.of_size(model, images.shape[1:]))
    expected = _torch_bn_inception(variables["params"], images)
    run = jax.jit(lambda v, x: model.apply(v, x, train=True, mutable=["batch_stats"])[0])
    logits = run(variables, images)
    assert np.ptp(expected, axis=0).max() > 0.05 * np.max(np.abs(expected))  # images tell apart
    # normalization by few values, 18 at the end, magnifies the rounding of float32
    assert np.max(np.abs(logits - expected)) <= 1e-4 * np.max(np.abs(expected))


def test_figure_5_pools_by_maximum_in_the_last_module_alone():
    pools = {name: row.pool for name, row in FIGURE_5.items() if row.conv1x1 is not None}
    assert [name for name, pool in pools.items() if pool == "max"] == ["inception_5b"]


@pytest.mark.parametrize("size", [(7, 7), (31, 33), (90, 75), (299, 299)])
def test_odd_maps_pass_through(size):
    variables = checks.of_size(models.create("bn_inception"), (*size, 3))
    assert checks.parameters(variables) == 11_194_984
