"""The same networks in idiomatic PyTorch; torch is an extra.

They are torchvision's, or written from the papers without using our code. Modules written here have
the names of our layers, by which tests copy weights.
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
    """The residual networks of He et al. 2015, sec. 4.2, with 6 * blocks + 2 layers."""

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
    """Krizhevsky et al. 2012, sec. 3.3; torch divides alpha by the window of 5 maps."""
    return nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)


class AlexNet(nn.Module):
    """Krizhevsky et al. 2012, with both GPUs' groups in one network."""

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


class Unit(nn.Sequential):
    """A convolution with bias and ReLU; torchvision's has a normalization instead of the bias."""

    def __init__(self, inputs: int, outputs: int, **options):
        super().__init__()
        self.conv, self.relu = nn.Conv2d(inputs, outputs, **options), nn.ReLU()


def _inception(*widths: int) -> nn.Module:
    """Return torchvision's module with 5x5 convolutions, which torchvision replaced by 3x3."""
    from torchvision.models.googlenet import Inception

    made = Inception(*widths, conv_block=Unit)
    made.branch3[1] = Unit(*widths[4:6], kernel_size=5, padding=2)
    return made


def googlenet() -> nn.Module:
    """Return torchvision's GoogLeNet, changed to Szegedy et al. 2014, table 1."""
    blocks = [Unit, _inception, nn.Module]  # the last is for auxiliary classifiers, left out
    options = {"aux_logits": False, "init_weights": False, "dropout": 0.4}
    network = torchvision_networks.create("googlenet", blocks=blocks, **options)
    network.maxpool1 = nn.Sequential(network.maxpool1, _lrn())
    network.maxpool2 = nn.Sequential(_lrn(), network.maxpool2)
    network.maxpool4 = network.maxpool3
    return network


NETWORKS = {
    "lenet5": LeNet5,
    "resnet20": functools.partial(CifarResNet, 3),
    "resnet110": functools.partial(CifarResNet, 18),
    "alexnet_2012": AlexNet,
    "googlenet": googlenet,
    **torchvision_networks.NETWORKS,
}
