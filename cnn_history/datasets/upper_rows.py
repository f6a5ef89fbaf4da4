"""The upper rows of a JPEG file, without decoding what lies below.

A decoder ends after as many rows as the header names. Where the header names fewer than there are,
the decoder leaves bytes over, and warns of them once all its rows are done: its first warning, if
nothing else is wrong. The rows are those of the whole decode, to the bit.
"""

import numpy as np

CONTEXT = 2  # rows below, which the enlarging of colours looks at
WORTH_IT = 32  # rows to leave out, at least
LEFT_OVER = "extraneous bytes before marker 0xd9"  # which is that of the file's end

FRAME, OTHER_FRAMES = (
    (0xC0, 0xC1),
    (0xC2, 0xC3, *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)),
)
RESTARTS, SCAN = 0xDD, 0xDA


def decode(
    data: bytes, rows: int, shape: tuple[int, int], channels: int, kind: str, divisor: int
) -> np.ndarray | None:
    """Return the file's first rows, uint8 [rows / divisor or more, width / divisor, channels].

    None where that is not possible, or not worth it. Raises simplejpeg's ValueError.

    Args:
      data: the file.
      rows: of the file, that are needed.
      shape: (h, w) of the file.
      channels: of the result.
      kind: of the result, as simplejpeg names it.
      divisor: of both sides.
    """
    import simplejpeg

    height, width = shape
    rows = (-(-rows // divisor) + CONTEXT) * divisor
    place = _height_field(data) if rows + WORTH_IT <= height else None
    if place is None:
        return None
    shortened = b"".join((data[:place], rows.to_bytes(2, "big"), data[place + 2 :]))
    pixels = np.empty((rows // divisor, -(-width // divisor), channels), np.uint8)
    least = pixels.shape[:2]
    try:
        simplejpeg.decode_jpeg(shortened, kind, False, False, *least, buffer=pixels)
    except ValueError as error:
        if LEFT_OVER not in str(error):
            raise
    return pixels


def _height_field(data: bytes) -> int | None:
    """Return where the header names the height; None where rows are not stored once and in order.

    So it is in progressive files, and in those with a scan for each colour. Where there are restart
    markers, the next of them, not the file's end, follows the bytes left over.

    Source: ITU-T T.81, annex B.
    """
    at, frame = 2, None
    while len(data) >= at + 10 and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in FRAME:
            frame = at
        elif marker == SCAN:
            together = frame is not None and data[at + 4] == data[frame + 9]
            return frame + 5 if together else None
        elif marker in OTHER_FRAMES or marker == RESTARTS or marker == 0xFF:
            return None
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None
