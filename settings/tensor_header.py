"""The header of a safetensors file: what tensors it says it holds, checked against its size before any is read."""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from settings.documents import parse_json
from settings.regular import open_regular
from settings.shown import cut, shown

#: Bytes of an element, by the header's name of its type.
WIDTHS = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "I64": 8, "I32": 4, "I16": 2, "I8": 1,
    "U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1,
}  # fmt: skip
#: A header of 100,000 tensors takes about as much; a damaged length says more, and a made-up one holds anything.
LONGEST_HEADER_BYTES = 16 << 20
_MOST_DIMENSIONS = 8
#: What can be said of any tensor that a machine holds, and is far below the edge of 64 bits.
_MOST_ELEMENTS = 1 << 48
#: In names of entries that say how often something is made.
_COUNTED = ("layers", "depths", "blocks", "stages", "levels")


@dataclass(frozen=True)
class TensorEntry:
    """One tensor: `begin` to `end` are bytes from the start of the file."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def read_json_header(path: Path, longest: int) -> tuple[dict[str, Any], int, int]:
    """The header as it stands, where the tensors' bytes begin, and the file's size. Raises as `read_header`, but looks
    at no entry.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        try:
            (length,) = struct.unpack("<Q", file.read(8))
        except struct.error:
            raise ValueError("it has no header") from None
        if length > size:
            raise ValueError(f"its header would take {length} bytes")
        if length > longest:
            raise ValueError(
                f"its header would take {length} bytes, and no more than {longest} are read of one"
            )
        header = parse_json(file.read(length))
    if not isinstance(header, dict):
        raise ValueError("its header is no object")
    return header, 8 + length, size


def read_header(path: Path, longest: int = LONGEST_HEADER_BYTES) -> dict[str, TensorEntry]:
    """The tensors of a file by name, none of them read. longest: bytes of a header.

    Raises OSError, or ValueError with what is damaged in a few words: a header that is longer than the file or
    `longest`, and a tensor whose shape, type and place do not go together. What a tensor takes is never more than the
    file's own size.
    """
    return read_header_and_metadata(path, longest)[0]


def read_header_and_metadata(
    path: Path, longest: int = LONGEST_HEADER_BYTES
) -> tuple[dict[str, TensorEntry], Mapping[str, str]]:
    """As `read_header`, and the texts that whoever wrote the file put beside the tensors."""
    header, begin, size = read_json_header(path, longest)
    metadata = header.pop("__metadata__", None)
    if not isinstance(metadata, dict):
        metadata = {}
    entries = {name: _entry(name, entry, begin) for name, entry in header.items()}
    end = _end_of(entries, begin)
    if end != size:
        raise ValueError(f"it should have {shown(end)} bytes and has {size}")
    return entries, {name: text for name, text in metadata.items() if isinstance(text, str)}


def _end_of(entries: Mapping[str, TensorEntry], begin: int) -> int:
    """The byte behind the last tensor. The format knows neither gaps nor tensors that share bytes (ValueError)."""
    previous = "the header"
    for name, tensor in sorted(entries.items(), key=lambda item: (item[1].begin, item[1].end)):
        if tensor.begin != begin:
            what = "shares bytes with" if tensor.begin < begin else "does not follow on"
            raise ValueError(f"{cut(name)} {what} {previous}")
        begin, previous = tensor.end, cut(name)
    return begin


def _entry(name: str, entry: Any, data_begin: int) -> TensorEntry:
    name = cut(name)
    try:
        dtype, given, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"{name} lacks type, shape or place") from None
    if not isinstance(dtype, str) or dtype not in WIDTHS:
        raise ValueError(f"{name} is of type {shown(dtype)}; known are {', '.join(WIDTHS)}")
    if not isinstance(given, list) or not all(type(n) is int and n >= 0 for n in (*given, begin, end)):
        raise ValueError(f"{name} has shape {shown(given)} and place {shown(begin)} to {shown(end)}")
    if len(given) > _MOST_DIMENSIONS or math.prod(side for side in given if side) > _MOST_ELEMENTS:
        raise ValueError(f"{name} has shape {shown(given)}, which no tensor has")
    shape = tuple(given)
    expected = math.prod(shape) * WIDTHS[dtype]
    if end - begin != expected:
        raise ValueError(f"{name} of shape {shape} takes {shown(end - begin)} bytes, not {expected}")
    return TensorEntry(dtype, shape, data_begin + begin, data_begin + end)


def check_sizes(
    place: str,
    values: Mapping[str, Any],
    shapes: Mapping[str, tuple[int, ...]],
    small: int = 4096,
) -> None:
    """Raises ValueError naming the entry of a `config.json` that tells of more than the weights beside it hold.

    For models of a library that makes them before it reads their weights. Numbers of layers, blocks or stages can be no
    more than there are tensors, any other number no more than the longest side of one, but for `small` ones, which need
    none of their own (pixels, positions that are computed).
    """
    longest = max((side for shape in shapes.values() for side in shape), default=0)
    waiting: list[tuple[str, Any]] = [("", values)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, Mapping):
            waiting += [
                (f"{path}.{cut(str(name))}" if path else cut(str(name)), item) for name, item in value.items()
            ]
        elif isinstance(value, list):
            waiting += [(path, item) for item in value]
        elif type(value) in (int, float) and not math.isnan(value):
            counted = any(word in path.rpartition(".")[2] for word in _COUNTED)
            most, what = (
                (len(shapes), "tensors") if counted else (max(longest, small), "the longest side of one")
            )
            if abs(value) > most:
                raise ValueError(
                    f"{place}: {cut(path)} is {shown(value)}, more than its weights have ({what}: {most})"
                )
