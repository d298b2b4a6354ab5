"""Mutated image files and films: their chunks and boxes are lost, doubled, moved, or have other contents."""

from __future__ import annotations

import random
import struct
import zlib

from trials.fuzzing.mutations import changed_bytes

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
#: Chunks that pictures of CALVIN have none of, and that PNG knows.
_OTHER_CHUNKS = (b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"PLTE", b"tRNS", b"acTL", b"fcTL", b"fdAT", b"eXIf", b"gAMA",
                 b"pHYs", b"sBIT", b"IEND", b"IHDR", b"\0\0\0\0")  # fmt: skip
#: Boxes of mp4 that hold others.
_HOLDERS = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"dinf", b"udta"})
_OTHER_BOXES = (b"free", b"moof", b"mdat", b"stts", b"stsz", b"stco", b"co64", b"ctts", b"stss", b"elst", b"cmov",
                b"dref", b"meta", b"uuid", b"stsd", b"sidx", b"\0\0\0\0")  # fmt: skip

Boxes = list[tuple[bytes, "bytes | Boxes"]]


def changed_png(draw: random.Random, data: bytes) -> bytes:
    """Checksums of chunks are right, as a forger would have them, except where bytes were changed afterwards."""
    chunks, at = [], len(_SIGNATURE)
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    for _ in range(draw.randint(1, 3)):
        at, how = draw.randrange(len(chunks)), draw.randrange(6)
        name, content = chunks[at]
        if how == 0 and len(chunks) > 1:
            del chunks[at]
        elif how == 1:
            chunks.insert(draw.randrange(len(chunks) + 1), chunks[at])
        elif how == 2:
            chunks.insert(draw.randrange(len(chunks) + 1), (draw.choice(_OTHER_CHUNKS), content[:900]))
        elif how == 3:
            chunks[at] = draw.choice(_OTHER_CHUNKS), content
        else:
            chunks[at] = name, changed_bytes(draw, content)
    parts = [
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks
    ]
    made = _SIGNATURE + b"".join(parts)
    return made if draw.random() < 0.8 else changed_bytes(draw, made, near=(0,))


def changed_film(draw: random.Random, data: bytes) -> bytes:
    """An mp4 with other boxes, whose sizes are right; or with other bytes, most of them where boxes begin."""
    boxes = _boxes(data)
    if draw.random() < 0.3:
        return changed_bytes(draw, data, near=tuple(_starts(data)))
    for _ in range(draw.randint(1, 3)):
        holder = draw.choice(_all_of(boxes))
        if not holder:
            continue
        at, how = draw.randrange(len(holder)), draw.randrange(7)
        name, content = holder[at]
        if how == 0:
            del holder[at]
        elif how == 1:
            holder.insert(draw.randrange(len(holder) + 1), holder[at])
        elif how == 2:
            holder[at] = draw.choice(_OTHER_BOXES), content
        elif how == 3:
            draw.choice(_all_of(boxes)).append((name, _joined(content)))
        elif isinstance(content, bytes):
            holder[at] = name, changed_bytes(draw, content, near=(0,))
    return _joined(boxes)


def _boxes(data: bytes) -> Boxes:
    found: Boxes = []
    for begin, end in zip(_places(data, 0, len(data)), [*_places(data, 0, len(data))[1:], len(data)]):
        name, content = data[begin + 4 : begin + 8], data[begin + 8 : end]
        found.append((name, _boxes(content) if name in _HOLDERS else content))
    return found


def _places(data: bytes, at: int, end: int) -> list[int]:
    found = []
    while at + 8 <= end:
        found.append(at)
        at += max(8, struct.unpack_from(">I", data, at)[0])
    return found


def _starts(data: bytes, at: int = 0) -> list[int]:
    """Where boxes begin, inner ones too."""
    found = []
    for begin in _places(data, 0, len(data)):
        found.append(at + begin)
        (size,) = struct.unpack_from(">I", data, begin)
        if data[begin + 4 : begin + 8] in _HOLDERS:
            found += _starts(data[begin + 8 : begin + size], at + begin + 8)
    return found


def _all_of(boxes: Boxes) -> list[Boxes]:
    found, todo = [], [boxes]
    while todo:
        holder = todo.pop()
        found.append(holder)
        todo += [content for _, content in holder if isinstance(content, list)]
    return found


def _joined(content: bytes | Boxes) -> bytes:
    if isinstance(content, bytes):
        return content
    parts = [(name, _joined(inner)) for name, inner in content]
    return b"".join(struct.pack(">I", 8 + len(inner)) + name + inner for name, inner in parts)
