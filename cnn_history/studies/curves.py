"""Means and curves of the losses of training runs."""

import numpy as np


def end(losses: np.ndarray, share: float) -> np.ndarray:
    """[..., steps] -> the mean over the last `share` of the steps; infinity if a run diverged."""
    last = losses[..., -max(1, round(share * losses.shape[-1])) :].astype(np.float64).mean(-1)
    return np.where(np.isfinite(last), last, np.inf)


def smooth(losses: np.ndarray, parts: int) -> tuple[np.ndarray, np.ndarray]:
    """[seeds, steps] -> (steps, means over the seeds and over windows of steps / parts)."""
    width = max(1, losses.shape[1] // parts)
    mean = np.convolve(losses.mean(0), np.ones(width) / width, "valid")
    return np.arange(len(mean)) + width, mean
