"""The largest number of images that fits a device, by few compilations."""

from collections.abc import Callable

MOST = 8  # compilations
NEAR = 16  # done when what does not fit is within a sixteenth of what fits


def largest(measure: Callable[[int], dict], count: int, first: dict, multiple: int = 1) -> dict:
    """Return what fits, what does not, and the compilations that it took.

    Memory is nearly linear in the number of images, so that the next number to try is where a line
    through the last one meets the chip's memory; between one that fits and one that does not, it is
    the middle.

    Args:
      measure: number of images -> what compiling for them shows, as `compilation.compiled`.
      count: the number that has been compiled already.
      first: what that showed.
      multiple: of which numbers are, such as the groups of a norm.

    Returns:
      `images` (0 if none was found to fit), `too_many` (None if none was found not to), and
      `compilations`.
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
