"""Decode the upper rows of a JPEG file without the rows below.

A decoder stops after the number of rows in the header. If the header states fewer rows than the
file holds, the decoder warns of surplus bytes once its rows are done; in a sound file this is its
first warning. The rows equal those of a full decode, bit for bit.
"""

import numpy as np

CONTEXT = 2  # rows below that chroma upsampling reads
WORTH_IT = 32  # fewest rows worth leaving out
LEFT_OVER = "extraneous bytes before marker 0xd9"  # 0xd9 marks the end of the file

FRAME, OTHER_FRAMES = (
    (0xC0, 0xC1),
    (0xC2, 0xC3, *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)),
)
RESTARTS, SCAN = 0xDD, 0xDA


def decode(
    data: bytes, rows: int, shape: tuple[int, int], channels: int, kind: str, divisor: int
) -> np.ndarray | None:
    """Return the file's first rows, uint8 [rows / divisor or more, width / divisor, channels].

    None if that is impossible or saves too little. Raises simplejpeg's ValueError.

    Args:
      data: the file's bytes.
      rows: number of the file's rows that are needed.
      shape: (h, w) of the file.
      channels: of the result.
      kind: colour space of the result, as simplejpeg names it.
      divisor: divides both sides.
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
    """Return the height's position in the header; None if rows are not stored once, in order.

    Progressive files and files with one scan per colour store them otherwise. In files with restart
    markers, the surplus bytes end at the next such marker, not at the end of the file.

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
