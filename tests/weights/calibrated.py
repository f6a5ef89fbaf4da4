"""torchvision's networks with normalizations that fit the given images."""

import contextlib

import numpy as np

from tests import torchvision_models


def images(n, h, w, seed=0):
    """Return images [n, h, w, 3] of noise, each of its own colour and contrast."""
    rng = np.random.default_rng(seed)
    colour, contrast = rng.normal(size=(n, 1, 1, 3)), rng.uniform(0.2, 2, (n, 1, 1, 1))
    return (rng.normal(size=(n, h, w, 3)) * contrast + 2 * colour).astype(np.float32)


def to_torch(x):
    """Return images [n, h, w, c] as torch's [n, c, h, w]."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))


def create(name, x, **options):
    """Return torchvision's network, its statistics drawn around those of the images `x`.

    With statistics that have nothing to do with the signal, a deep network's logits are those of
    its last biases, whatever the image: parity would say little of the layers before.
    """
    return fit(torchvision_models.create(name, **options), x)


def fit(net, x):
    """Return a torch network with statistics drawn around those of the images `x`."""
    import torch

    generator = torch.Generator().manual_seed(1)
    norms = [module for module in net.modules() if isinstance(module, torch.nn.BatchNorm2d)]

    def uniform(low, high, like):
        return low + (high - low) * torch.rand(like.shape, generator=generator)

    with torch.no_grad(), contextlib.ExitStack() as stack:
        for norm in norms:
            stack.callback(setattr, norm, "momentum", norm.momentum)
            norm.momentum = 1.0  # the statistics become those of the batch
        net.train()(to_torch(x))
        for norm in norms:
            mean, var = norm.running_mean, norm.running_var
            mean += uniform(-0.2, 0.2, mean) * var.sqrt()
            var *= uniform(0.7, 1.4, var)
    return net.eval()


def relative_difference(ours, theirs):
    """Return the largest difference between logits over the largest of them."""
    assert np.shape(ours) == theirs.shape
    size = np.max(np.abs(theirs))
    assert np.ptp(theirs, axis=0).max() > 0.1 * size  # the network tells the images apart
    return np.max(np.abs(np.asarray(ours) - theirs)) / size
