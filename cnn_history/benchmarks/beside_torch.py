"""The other side: PyTorch at its best on the same device, with as many threads."""

import functools
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch.nn import functional

from cnn_history.benchmarks import ours, torch_networks
from cnn_history.benchmarks.cases import DECAY, LEARNING_RATE, WEIGHT_DECAY, Case

# Ways to run a network; which of them is the fastest depends on the network, so all are measured.
WAYS = {
    "cpu": {
        "NCHW": {},
        "channels_last": {"memory_format": torch.channels_last},
    },
    "cuda": {
        "channels_last, AMP, torch.compile": {
            "memory_format": torch.channels_last,
            "compiled": "default",
        },
        "channels_last, AMP, torch.compile with CUDA graphs": {
            "memory_format": torch.channels_last,
            "compiled": "reduce-overhead",
        },
    },
}


def make(case: Case, way: str, device: str) -> tuple[Callable[[int], None], int]:
    """Return what makes that many steps of a case, done when it returns, and its parameters."""
    options = dict(WAYS[device][way])
    mode, layout = options.pop("compiled", None), options
    network = torch_networks.NETWORKS[case.network]().to(device, **layout)
    parameters = sum(p.numel() for p in network.parameters())
    network.train(case.mode == "train")
    called = torch.compile(network, mode=mode) if mode else network
    reduced = device == "cuda" and case.dtype == "bfloat16"
    cast = functools.partial(torch.autocast, device, torch.bfloat16, enabled=reduced)
    batches = _batches(case, layout, device)

    if case.mode == "inference":

        @torch.inference_mode()
        def predict():
            images, _ = next(batches)
            with cast():
                called(images)

        return _finished(predict, device), parameters

    optimizer = torch.optim.SGD(
        network.parameters(),
        LEARNING_RATE,
        momentum=DECAY,
        weight_decay=WEIGHT_DECAY,
        fused=True,
    )

    def step():
        images, labels = next(batches)
        optimizer.zero_grad(set_to_none=True)
        with cast():
            loss = functional.cross_entropy(called(images), labels)
        loss.backward()
        optimizer.step()

    return _finished(step, device), parameters


def _finished(step: Callable[[], None], device: str) -> Callable[[int], None]:
    def run(count: int) -> None:
        for _ in range(count):
            step()
        if device == "cuda":
            torch.cuda.synchronize()

    return run


def _batches(case: Case, layout: dict, device: str) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield images and labels: one batch for ever, or drawn from a data set on the device."""
    make = ours.resident if case.data == "resident" else ours.one_batch
    images, labels = make(case)
    images = torch.from_numpy(images.transpose(0, 3, 1, 2).copy()).to(device, **layout)
    labels = torch.from_numpy(labels.astype(np.int64)).to(device)
    if case.data != "resident":
        while True:
            yield images, labels
    mean = (images / 255).mean(0)
    while True:
        for chosen in torch.randperm(len(labels), device=device).split(case.batch)[:-1]:
            drawn = images[chosen] / 255 - mean
            yield _augmented(drawn).contiguous(**layout), labels[chosen]


def _augmented(images: torch.Tensor) -> torch.Tensor:
    """[n, c, h, w] -> the same, padded by 4, cut at random and mirrored at random."""
    n, _, h, w = images.shape
    device = images.device
    padded = functional.pad(images, (4, 4, 4, 4))
    rows = torch.randint(9, (n, 1), device=device) + torch.arange(h, device=device)
    columns = torch.randint(9, (n, 1), device=device) + torch.arange(w, device=device)
    mirrored = torch.rand(n, 1, device=device) < 0.5
    columns = torch.where(mirrored, columns.flip(1), columns)
    which = torch.arange(n, device=device)[:, None, None]
    return padded[which, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
