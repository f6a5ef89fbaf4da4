"""The CIFAR-10 residual network of He et al. 2015, sec. 4.2, in plain PyTorch.

The second implementation that ours is held against: written from the paper, with nothing of ours
in it but `load`, which copies our parameters.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.stride, self.missing = stride, outputs - inputs

    def forward(self, x):
        y = functional.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        if self.missing:
            half = self.missing // 2
            x = functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, half, half))
        return functional.relu(y + x)


class ResNet(nn.Module):
    def __init__(self, blocks):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(16)
        self.blocks, inputs = nn.ModuleDict(), 16
        for stage, outputs in enumerate((16, 32, 64)):
            for i in range(blocks):
                stride = 2 if stage and i == 0 else 1
                self.blocks[f"conv{stage + 2}_{i + 1}"] = Block(inputs, outputs, stride)
                inputs = outputs
        self.fc = nn.Linear(64, 10)

    def forward(self, x):
        x = functional.relu(self.norm1(self.conv1(x)))
        for block in self.blocks.values():
            x = block(x)
        return self.fc(x.mean((2, 3)))


def parameters(net):
    """Pair each of the net's parameters with the path of ours."""
    for name, value in net.named_parameters():
        *module, leaf = name.removeprefix("blocks.").split(".")
        if leaf == "weight":
            leaf = "scale" if "norm" in module[-1] else "kernel"
        yield (*module, leaf), value


def to_torch(array):
    """Turn a kernel of ours into torch's order of axes."""
    array = np.asarray(array)
    order = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}[array.ndim]
    return torch.from_numpy(array.transpose(order).copy())


def load(net, params):
    """Copy our parameters into the net."""
    for path, value in parameters(net):
        ours = params
        for name in path:
            ours = ours[name]
        with torch.no_grad():
            value.copy_(to_torch(ours))


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
