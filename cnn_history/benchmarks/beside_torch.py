"""PyTorch, in its fastest configuration, on the same device with as many threads."""

import os
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional

from cnn_history.benchmarks import ours, torch_networks
from cnn_history.benchmarks.cases import DECAY, LEARNING_RATE, WEIGHT_DECAY, Case


class Way(NamedTuple):
    """A configuration of PyTorch: memory format, and torch.compile's mode or None."""

    layout: torch.memory_format
    compiled: str | None = None


# The fastest way depends on the network, so all are measured.
WAYS = {
    "cpu": {"NCHW": Way(torch.contiguous_format), "channels_last": Way(torch.channels_last)},
    "cuda": {
        "channels_last, AMP, torch.compile": Way(torch.channels_last, "default"),
        "channels_last, AMP, torch.compile, CUDA graphs": Way(
            torch.channels_last, "reduce-overhead"
        ),
    },
}


def make(case: Case, way: str, device: str) -> tuple[Callable[[int], None], int]:
    """Return a function that runs a given number of steps to the end, and the parameter count."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))  # as many as XLA uses
    layout, mode = WAYS[device][way]
    network = torch_networks.NETWORKS[case.network]().to(device, memory_format=layout)
    parameters = sum(p.numel() for p in network.parameters())
    training, reduced = case.mode == "train", case.dtype == "bfloat16"
    network.train(training)
    if reduced and not training:
        network.to(torch.bfloat16)  # once; autocast would convert in every step
    called = torch.compile(network, mode=mode) if mode else network
    batches = _batches(case, layout, device)
    options = {"momentum": DECAY, "weight_decay": WEIGHT_DECAY, "fused": True}
    optimizer = torch.optim.SGD(network.parameters(), LEARNING_RATE, **options)

    def train(images: torch.Tensor, labels: torch.Tensor) -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device, torch.bfloat16, enabled=reduced):
            loss = functional.cross_entropy(called(images), labels)
        loss.backward()
        optimizer.step()

    @torch.inference_mode()
    def predict(images: torch.Tensor, labels: torch.Tensor) -> None:
        with torch.autocast(device, torch.bfloat16, enabled=reduced):
            called(images)

    step = train if training else predict

    def run(count: int) -> None:
        for _ in range(count):
            step(*next(batches))
        if device == "cuda":
            torch.cuda.synchronize()

    return run, parameters


def _batches(
    case: Case, layout: torch.memory_format, device: str
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield images and labels: always the same batch, or batches of a data set on the device."""
    images, labels = ours.at_random(case)
    images = torch.from_numpy(images.transpose(0, 3, 1, 2).copy()).to(device, memory_format=layout)
    labels = torch.from_numpy(labels.astype(np.int64)).to(device)
    if case.data != "resident":
        while True:
            yield images, labels
    mean = (images / 255).mean(0)
    while True:
        for chosen in torch.randperm(len(labels), device=device).split(case.batch)[:-1]:
            drawn = images[chosen] / 255 - mean
            yield _augmented(drawn).contiguous(memory_format=layout), labels[chosen]


def _augmented(images: torch.Tensor) -> torch.Tensor:
    """[n, c, h, w] -> the same shape, padded by 4, cropped at random and mirrored at random."""
    n, _, h, w = images.shape
    device = images.device
    padded = functional.pad(images, (4, 4, 4, 4))
    rows = torch.randint(9, (n, 1), device=device) + torch.arange(h, device=device)
    columns = torch.randint(9, (n, 1), device=device) + torch.arange(w, device=device)
    mirrored = torch.rand(n, 1, device=device) < 0.5
    columns = torch.where(mirrored, columns.flip(1), columns)
    which = torch.arange(n, device=device)[:, None, None]
    return padded[which, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
