"""The same networks in plain PyTorch, as one would write them there; torch is an extra.

Written from the papers, with nothing of ours in them, and torchvision's where it has the network.
Modules that are written here have the names of our layers, by which tests copy weights.
"""

import functools

import torch
from torch import nn
from torch.nn import functional

from cnn_history.benchmarks import torchvision_networks


class LeNet5(nn.Module):
    """The lecture's LeNet-5."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5), nn.Conv2d(6, 16, 5)
        self.fc3, self.fc4, self.fc5 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        """[n, 1, 32, 32] -> logits [n, 10]."""
        x = functional.avg_pool2d(_scaled_tanh(self.conv1(x)), 2)
        x = functional.avg_pool2d(_scaled_tanh(self.conv2(x)), 2)
        x = _scaled_tanh(self.fc3(x.flatten(1)))
        return self.fc5(_scaled_tanh(self.fc4(x)))


def _scaled_tanh(x):
    return 1.7159 * torch.tanh(2 / 3 * x)


class Block(nn.Module):
    """Two 3x3 convolutions and shortcut A."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.stride, self.missing = stride, outputs - inputs

    def forward(self, x):
        """[n, inputs, h, w] -> [n, outputs, h / stride, w / stride]."""
        y = functional.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        if self.missing:
            half = self.missing // 2
            x = functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, half, half))
        return functional.relu(y + x)


class CifarResNet(nn.Module):
    """The residual networks of He et al. 2015, sec. 4.2: 6 `blocks` + 2 layers."""

    def __init__(self, blocks: int):
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
        """[n, 3, 32, 32] -> logits [n, 10]."""
        x = functional.relu(self.norm1(self.conv1(x)))
        for block in self.blocks.values():
            x = block(x)
        return self.fc(x.mean((2, 3)))


def _lrn():
    """Krizhevsky et al. 2012, sec. 3.3; torch divides alpha by the number of maps."""
    return nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)


class AlexNet(nn.Module):
    """Krizhevsky et al. 2012, both GPUs on one."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 96, 11, 4)
        self.conv2 = nn.Conv2d(96, 256, 5, padding=2, groups=2)
        self.conv3 = nn.Conv2d(256, 384, 3, padding=1)
        self.conv4 = nn.Conv2d(384, 384, 3, padding=1, groups=2)
        self.conv5 = nn.Conv2d(384, 256, 3, padding=1, groups=2)
        self.fc6, self.fc7 = nn.Linear(9216, 4096), nn.Linear(4096, 4096)
        self.fc8 = nn.Linear(4096, 1000)
        self.norm, self.pool, self.drop = _lrn(), nn.MaxPool2d(3, 2), nn.Dropout(0.5)

    def forward(self, x):
        """[n, 3, 227, 227] -> logits [n, 1000]."""
        x = self.pool(self.norm(functional.relu(self.conv1(x))))
        x = self.pool(self.norm(functional.relu(self.conv2(x))))
        x = functional.relu(self.conv4(functional.relu(self.conv3(x))))
        x = self.pool(functional.relu(self.conv5(x))).flatten(1)
        x = self.drop(functional.relu(self.fc6(x)))
        return self.fc8(self.drop(functional.relu(self.fc7(x))))


# Szegedy et al. 2014, table 1: 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool proj.
INCEPTIONS = {
    "inception_3a": (192, 64, 96, 128, 16, 32, 32),
    "inception_3b": (256, 128, 128, 192, 32, 96, 64),
    "inception_4a": (480, 192, 96, 208, 16, 48, 64),
    "inception_4b": (512, 160, 112, 224, 24, 64, 64),
    "inception_4c": (512, 128, 128, 256, 24, 64, 64),
    "inception_4d": (512, 112, 144, 288, 32, 64, 64),
    "inception_4e": (528, 256, 160, 320, 32, 128, 128),
    "inception_5a": (832, 256, 160, 320, 32, 128, 128),
    "inception_5b": (832, 384, 192, 384, 48, 128, 128),
}


class Inception(nn.ModuleDict):
    """1x1, 3x3, 5x5 and pooling side by side."""

    def __init__(self, inputs, one, reduce3, three, reduce5, five, proj):
        super().__init__({
            "1x1": nn.Conv2d(inputs, one, 1),
            "3x3_reduce": nn.Conv2d(inputs, reduce3, 1),
            "3x3": nn.Conv2d(reduce3, three, 3, padding=1),
            "5x5_reduce": nn.Conv2d(inputs, reduce5, 1),
            "5x5": nn.Conv2d(reduce5, five, 5, padding=2),
            "pool_proj": nn.Conv2d(inputs, proj, 1),
        })  # fmt: skip

    def forward(self, x):
        """[n, inputs, h, w] -> [n, sum of the branches, h, w]."""
        relu = functional.relu
        one = relu(self["1x1"](x))
        three = relu(self["3x3"](relu(self["3x3_reduce"](x))))
        five = relu(self["5x5"](relu(self["5x5_reduce"](x))))
        pool = relu(self["pool_proj"](functional.max_pool2d(x, 3, 1, 1)))
        return torch.cat([one, three, five, pool], 1)


class GoogLeNet(nn.Module):
    """Szegedy et al. 2014, table 1, without auxiliary classifiers."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3)
        self.conv2_reduce, self.conv2 = nn.Conv2d(64, 64, 1), nn.Conv2d(64, 192, 3, padding=1)
        self.blocks = nn.ModuleDict({name: Inception(*row) for name, row in INCEPTIONS.items()})
        self.fc = nn.Linear(1024, 1000)
        self.norm, self.pool = _lrn(), nn.MaxPool2d(3, 2, ceil_mode=True)
        self.drop = nn.Dropout(0.4)

    def forward(self, x):
        """[n, 3, 224, 224] -> logits [n, 1000]."""
        x = self.norm(self.pool(functional.relu(self.conv1(x))))
        x = functional.relu(self.conv2(functional.relu(self.conv2_reduce(x))))
        x = self.pool(self.norm(x))
        for name, block in self.blocks.items():
            x = block(x)
            if name in ("inception_3b", "inception_4e"):
                x = self.pool(x)
        return self.fc(self.drop(x.mean((2, 3))))


NETWORKS = {
    "lenet5": LeNet5,
    "resnet20": functools.partial(CifarResNet, 3),
    "resnet110": functools.partial(CifarResNet, 18),
    "alexnet_2012": AlexNet,
    "googlenet": GoogLeNet,
    **torchvision_networks.NETWORKS,
}
