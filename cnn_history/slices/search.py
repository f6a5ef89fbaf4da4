"""Find the largest number of images that fits a device, in few compilations."""

from collections.abc import Callable

MOST = 8  # compilations
NEAR = 16  # stop when the bounds differ by less than a sixteenth


def largest(measure: Callable[[int], dict], count: int, first: dict, multiple: int = 1) -> dict:
    """Return the largest size found to fit, the smallest found not to, and the compilations used.

    Memory is nearly linear in the number of images. The next number to try is where a line through
    the last measurement meets the chip's memory; once both bounds are known, it is their middle.

    Args:
      measure: number of images -> measurements, as from `compilation.compiled`.
      count: a number that has been compiled already.
      first: its measurements.
      multiple: divides every number tried, such as the groups of a norm.

    Returns:
      `images` (0 if none was found to fit), `too_many` (None if all tried fit), and `compilations`.
    """
    fits, too_many, shown, made = 0, None, first, 0
    while True:
        if shown["fits"]:
            fits = count
        else:
            too_many = count
        done = too_many is not None and too_many - fits <= max(multiple, fits // NEAR)
        if done or made == MOST:
            return {"images": fits, "too_many": too_many, "compilations": made}
        scale = shown["hbm_bytes"] / max(shown["peak_bytes"], 1)
        guess = int(count * scale) // multiple * multiple
        if fits and too_many is not None:
            if not fits < guess < too_many:
                guess = (fits + too_many) // 2 // multiple * multiple
        elif fits:
            guess = max(guess, fits + max(multiple, fits // NEAR))
        else:
            guess = max(min(guess, too_many - multiple), 0)
        if guess in (0, fits, too_many):
            return {"images": fits, "too_many": too_many, "compilations": made}
        count, made = guess, made + 1
        shown = measure(count)
