"""PNGs of eight bits a colour and nothing beside them, which nearly all pictures of sets are, in half of the time that
Pillow takes, which looks at all others and says what is wrong with them.

Their pixels are unpacked here (by Intel's ISA-L where it is: in half of zlib's time) and counted. FFmpeg, which would
fill what a stream lacks with the picture before, then gets a whole one that is packed no more, and undoes its rows'
filters.
"""

from __future__ import annotations

import struct
import threading
import zlib
from typing import Any

import numpy as np

unpacker: Any
try:
    from isal import isal_zlib

    unpacker = isal_zlib
except ImportError:  # a machine that it has no wheel for: the same pixels, later
    unpacker = zlib

_SIGNATURE, _DATA, _END = b"\x89PNG\r\n\x1a\n", b"IDAT", b"\0\0\0\0IEND\xaeB`\x82"
#: Eight bits, red, green and blue, not interlaced.
_KIND = (8, 2, 0, 0, 0)
#: A stream of blocks that are not packed, and the most bytes of one.
_STORED, _BLOCK = b"\x78\x01", 65_535
#: Rows are filtered in one of five ways; the first byte of each says which.
_FILTERS = 5


def plain_png(content: bytes, shape: tuple[int, ...]) -> np.ndarray | None:
    """uint8 of `shape` (H, W, 3) of a file's bytes; None where they are no such PNG, or not a whole one."""
    height, width, _ = shape
    head = _SIGNATURE + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, *_KIND))
    packed = _packed(content, len(head)) if content.startswith(head) else None
    rows = None if packed is None else _rows(packed, height, 1 + 3 * width)
    if packed is None or rows is None:
        return None
    return _decoded(b"".join((head, _chunk(_DATA, _stored(rows, packed[-4:])), _END)), shape)


def _packed(content: bytes, at: int) -> bytes | None:
    """The stream of pixels of chunks that begin `at` there, with right checksums, up to the file's end."""
    view, parts = memoryview(content), []
    while content[at + 4 : at + 8] == _DATA:
        (length,) = struct.unpack_from(">I", content, at)
        end = at + 12 + length
        if end > len(content) or unpacker.crc32(view[at + 4 : end - 4]) != _number(content, end - 4):
            return None
        parts.append(view[at + 8 : end - 4])
        at = end
    return b"".join(parts) if content[at:] == _END else None


def _rows(packed: bytes, height: int, width: int) -> bytes | None:
    """What is packed, where it is `height` x `width` bytes exactly, of rows that are filtered as PNG knows it."""
    stream = unpacker.decompressobj()
    try:
        rows: bytes = stream.decompress(packed, height * width + 1)
    except (zlib.error, unpacker.error):
        return None
    is_whole = stream.eof and not stream.unused_data and len(rows) == height * width
    return rows if is_whole and max(rows[::width]) < _FILTERS else None


def _stored(rows: bytes, checksum: bytes) -> bytes:
    """The same as a stream that is not packed. checksum: that of the packed one, which is of what is in it."""
    view = memoryview(rows)
    parts: list[bytes | memoryview] = [_STORED]
    for at in range(0, len(rows), _BLOCK):
        part = view[at : at + _BLOCK]
        is_last = at + _BLOCK >= len(rows)
        parts += [struct.pack("<BHH", is_last, len(part), len(part) ^ 0xFFFF), part]
    return b"".join((*parts, checksum))


def _chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return b"".join((struct.pack(">I", len(data)), body, struct.pack(">I", unpacker.crc32(body))))


def _number(content: bytes, at: int) -> int:
    found: int = struct.unpack_from(">I", content, at)[0]
    return found


_own = threading.local()


def _decoded(content: bytes, shape: tuple[int, ...]) -> np.ndarray | None:
    import av

    if not hasattr(_own, "decoder"):  # one a thread: to make it takes a tenth of a picture's time
        _own.decoder = av.CodecContext.create("png", "r")
        _own.decoder.thread_count = 1
    packet = av.Packet(content)
    packet.is_keyframe = True  # else it is added to the picture before
    try:
        frames = _own.decoder.decode(packet)
    except (av.FFmpegError, ValueError):
        return None
    if len(frames) != 1 or frames[0].format.name != "rgb24":
        return None
    array: np.ndarray = frames[0].to_ndarray()
    return array if array.shape == shape else None
