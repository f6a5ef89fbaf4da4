"""Find the largest number of images that fits a device, in few compilations."""

import math
from collections.abc import Callable

MOST = 8  # compilations
NEAR = 16  # stop when the bounds differ by less than a sixteenth
SMALL = 1 / 4  # share of the memory up to which a second, quick compilation gives a better line
BELOW = 1 / 20  # of a line's end: tried first, so that a sixteenth more is beyond the end


def largest(
    measure: Callable[[int], dict | None], count: int, first: dict, multiple: int = 1
) -> dict:
    """Return the largest size that fits, the smallest that does not, and the compilations used.

    Memory grows linearly with the number of images, until little is left and the compiler saves
    some. A line through two numbers that fit gives a guess. If it fits, the next guesses
    are one sixteenth larger, then two, four and so on. Once the line proved wrong, and a number
    that does not fit is known, the next guess is the geometric mean of the bounds.

    Args:
      measure: number of images -> measurements, as from `compilation.compiled`; None if compiling
        takes too long, as it does near the limit: it is then unknown whether that number fits.
      count: a number that has been compiled already.
      first: its measurements.
      multiple: divides every number tried, such as the groups of a norm.

    Returns:
      `images` (0 if none was found to fit), `too_many` and `unknown` (the smallest numbers that do
      not fit, and that took too long; None if there is none), `compilations`, and `tried`: for each
      compilation, the first one included, `images`, `fits` and `peak_bytes` (None if unknown).
    """
    tried, shown = [], first
    while True:
        answers = {"fits": None, "peak_bytes": None} if shown is None else shown
        tried.append({"images": count, **{key: answers[key] for key in ("fits", "peak_bytes")}})
        fits = max(_with(tried, True), default=0)
        beyond = min(_with(tried, False, None), default=math.inf)
        near = max(multiple, fits // NEAR)
        if beyond - fits <= near or len(tried) > MOST:
            break
        guess = _next(tried, fits, beyond, near, first["hbm_bytes"])
        count = max(fits + multiple, guess // multiple * multiple)
        shown = measure(count)
    return {
        "images": fits,
        "too_many": min(_with(tried, False), default=None),
        "unknown": min(_with(tried, None), default=None),
        "compilations": len(tried) - 1,
        "tried": tried,
    }


def _with(tried: list[dict], *answers: bool | None) -> list[int]:
    return [one["images"] for one in tried if one["fits"] in answers]


def _next(tried: list[dict], fits: int, beyond: float, near: int, memory: int) -> int:
    """Return the number of images to try."""
    if not fits:
        first = tried[0]
        meets = first["images"] * memory / max(first["peak_bytes"], 1)
        return int(meets * (1 - BELOW)) if len(tried) == 1 else beyond // 2
    fitting = sorted((one["images"], one["peak_bytes"]) for one in tried if one["fits"])
    target = _by_line(fitting, memory)
    if target <= fits + near:
        target = fits + near * 2 ** max(0, len(fitting) - 3)
    if beyond == math.inf or (target < beyond and len(fitting) <= 3):
        return target
    return math.isqrt(fits * beyond)


def _by_line(fitting: list[tuple[int, int]], memory: int) -> int:
    """Return a number just below the end of the line through the two largest (number, bytes)."""
    many, most = fitting[-1]
    if len(fitting) == 1:
        if most < memory * SMALL:
            return int(many * memory * SMALL / max(most, 1))
        return int(many * memory / most * (1 - BELOW))
    few, least = fitting[-2]
    each = (most - least) / (many - few)
    return int((many + (memory - most) / each) * (1 - BELOW)) if each > 0 else 2 * many
