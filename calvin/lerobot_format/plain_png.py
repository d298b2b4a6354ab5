"""PNGs of eight bits a colour and nothing beside them, which nearly all pictures of sets are, by OpenCV: in half the
time that Pillow takes, which looks at all others and says what is wrong with them."""

from __future__ import annotations

import struct
import zlib

import numpy as np

_SIGNATURE, _HEAD, _DATA, _END = b"\x89PNG\r\n\x1a\n", b"IHDR", b"IDAT", b"IEND"
#: Eight bits, red, green and blue, not interlaced.
_KIND = (8, 2, 0, 0, 0)


def plain_png(content: bytes, shape: tuple[int, ...]) -> np.ndarray | None:
    """uint8 of `shape` (H, W, 3) of a file's bytes; None where they are no such PNG, or damaged: libpng, unlike FFmpeg,
    gives nothing back of one whose pixels end too soon."""
    begin = _SIGNATURE + struct.pack(">I4sIIBBBBB", 13, _HEAD, shape[1], shape[0], *_KIND)
    if not content.startswith(begin) or not _is_whole(content):
        return None
    import cv2

    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    if picture is None or picture.shape != shape:
        return None
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))


def _is_whole(content: bytes) -> bool:
    """Whether it is a row of chunks of pixels with right checksums, up to its end."""
    view, at = memoryview(content), len(_SIGNATURE)
    while len(content) - at >= 12:
        (length,) = struct.unpack_from(">I", content, at)
        kind, end = content[at + 4 : at + 8], at + 12 + length
        if end > len(content) or kind not in (_HEAD, _DATA, _END):
            return False
        if zlib.crc32(view[at + 4 : end - 4]) != struct.unpack_from(">I", content, end - 4)[0]:
            return False
        if kind == _END:
            return end == len(content)
        at = end
    return False
