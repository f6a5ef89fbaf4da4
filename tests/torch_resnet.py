"""PyTorch networks with our parameters, and a step of the residual networks' recipe in PyTorch.

The networks are the second implementation for parity tests: `benchmarks.torch_networks`, written
from the papers, without our code.
"""

import numpy as np
import torch
from torch.nn import functional


def parameters(net, names=None):
    """Pair each of the net's parameters with the path of ours; `names` has modules that differ."""
    for name, value in net.named_parameters():
        module, _, leaf = name.removeprefix("blocks.").rpartition(".")
        module = (names or {}).get(module, module.replace(".", "/")).split("/")
        if leaf == "weight":
            leaf = "scale" if "norm" in module[-1] else "kernel"
        yield (*module, leaf), value


def to_torch(array):
    """Turn a kernel of ours into torch's order of axes."""
    array = np.asarray(array)
    order = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}[array.ndim]
    return torch.from_numpy(array.transpose(order).copy())


def load(net, params, names=None):
    """Copy our parameters into the net."""
    for path, value in parameters(net, names):
        ours = params
        for name in path:
            ours = ours[name]
        with torch.no_grad():
            value.copy_(to_torch(ours).reshape(value.shape))  # fully-connected ones are flat there


def gradients(net):
    """Return {our path: gradient} in torch's order of axes."""
    return {path: value.grad for path, value in parameters(net)}


def recipe(net, learning_rate):
    """Return the paper's optimizer; at a constant rate its velocity is Krizhevsky's over -rate."""
    return torch.optim.SGD(net.parameters(), learning_rate, momentum=0.9, weight_decay=1e-4)


def step(net, optimizer, images, labels):
    """Make one step on images [n, h, w, c]; return the loss."""
    net.train()
    optimizer.zero_grad()
    images = torch.from_numpy(np.asarray(images).transpose(0, 3, 1, 2).copy())
    labels = torch.from_numpy(np.asarray(labels).astype(np.int64))
    value = functional.cross_entropy(net(images), labels)
    value.backward()
    optimizer.step()
    return value.item()
