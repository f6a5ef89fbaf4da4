"""Find the largest number of images that fits a device, in few compilations."""

import math
from collections.abc import Callable

MOST = 6  # compilations
NEAR = 16  # stop when the bounds differ by less than a sixteenth
SMALL = 1 / 4  # share of the memory at which a second, quick compilation measures a line


def largest(
    measure: Callable[[int], dict | None], count: int, first: dict, multiple: int = 1
) -> dict:
    """Return the largest size that fits, the smallest that does not, and the compilations used.

    Memory is nearly linear in the number of images. Two small numbers give a line. The next number
    to try is a sixteenth below the point where the line meets the chip's memory; then a sixteenth
    more at a time, or the geometric mean of the largest number that fits and the smallest that does
    not.

    Args:
      measure: number of images -> measurements, as from `compilation.compiled`; None if compiling
        takes too long, as it does near the limit: it is then unknown whether that number fits.
      count: a number that has been compiled already.
      first: its measurements.
      multiple: divides every number tried, such as the groups of a norm.

    Returns:
      `images` (0 if none was found to fit), `too_many` and `unknown` (the smallest numbers that do
      not fit, and that took too long; None if there is none), and `compilations`.
    """
    peaks, fits, too_many, unknown = {}, 0, math.inf, math.inf
    made, shown = 0, first
    while True:
        if shown is None:
            unknown = min(unknown, count)
        else:
            peaks[count] = shown["peak_bytes"]
            fits = max(fits, count) if shown["fits"] else fits
            too_many = too_many if shown["fits"] else min(too_many, count)
        beyond = min(too_many, unknown)
        step = max(multiple, fits // NEAR)
        guess = _next(peaks, fits, beyond, step, first["hbm_bytes"]) // multiple * multiple
        done = beyond - fits <= step or guess in (0, fits, beyond)
        if done or made == MOST:
            break
        count, made = guess, made + 1
        shown = measure(count)
    ends = {"too_many": too_many, "unknown": unknown}
    ends = {name: None if end == math.inf else end for name, end in ends.items()}
    return {"images": fits, **ends, "compilations": made}


def _next(peaks: dict[int, int], fits: int, beyond: float, step: int, memory: int) -> int:
    """Return the number of images to try; `peaks` are bytes by number of images."""
    (few, least), *others = sorted(peaks.items())[-2:]
    if others:
        ((many, most),) = others
        each = (most - least) / (many - few)
        meets = few + (memory - least) / each if each > 0 else 0
    else:
        small = memory * SMALL
        if least < small and (target := int(few * small / max(least, 1))) < beyond:
            return target
        meets = few * memory / least if least >= small else 0
    target = int(meets * (1 - 1 / NEAR))
    if fits < target < beyond:
        return target
    if not fits:
        return beyond // 2
    near = fits < meets < fits + 2 * step
    return fits + step if near or beyond == math.inf else math.isqrt(fits * beyond)
