"""PyTorch's DataLoader with Pillow, with a worker process for each processor."""

import io
import os
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import torch
from PIL import Image, ImageOps

from cnn_history.datasets import Source, crops

WORKERS = len(os.sched_getaffinity(0))
PADDING = 4


def _loaded(example: Callable[[int], torch.Tensor], batch: int, count: int) -> Iterator:
    # The workers are forks of a process with jax's threads, but do not use jax.
    warnings.filterwarnings("ignore", r"os\.fork\(\) was called", RuntimeWarning)

    def collate(indices: list[int]) -> torch.Tensor:
        return torch.utils.data.default_collate([example(i) for i in indices])

    options = {"shuffle": True, "num_workers": WORKERS, "collate_fn": collate}
    yield from torch.utils.data.DataLoader(range(count * batch), batch, **options)


def photos(source: Source, crop: crops.CropFunction, size: int, batch: int, count: int) -> Iterator:
    """Yield batches of photos, decoded, cropped, resized, mirrored, uint8 [n, size, size, 3]."""

    def example(i):
        with Image.open(io.BytesIO(source.encoded(i % len(source)).image)) as file:
            image = file.convert("RGB")
        part = crop(crops.draws(0, 0, i), image.height, image.width, size)
        box = (part.left, part.top, part.left + part.width, part.top + part.height)
        image = image.resize((size, size), Image.Resampling.BILINEAR, box)
        if part.mirrored:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return torch.from_numpy(np.array(image))

    return _loaded(example, batch, count)


def in_memory(images: np.ndarray, batch: int) -> Callable[[int], Iterator]:
    """Return a loader of batches [batch, c, h, w]: padded, cropped, mirrored, scaled."""
    _, h, w, _ = images.shape
    mean = torch.from_numpy(images.mean(0, dtype=np.float64).astype(np.float32) / 255)

    def example(i):
        image = ImageOps.expand(Image.fromarray(images[i % len(images)]), PADDING)
        x, y, mirrored = torch.randint(2 * PADDING + 1, (3,)).tolist()
        image = image.crop((x, y, x + w, y + h))
        if mirrored % 2:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return (torch.from_numpy(np.array(image)) / 255 - mean).permute(2, 0, 1)

    return lambda count: _loaded(example, batch, count)
