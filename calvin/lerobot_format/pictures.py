"""Pictures of a LeRobot set that are files' bytes in its tables, or image files beside them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from calvin.lerobot_format.plain_png import plain_png
from errors import DatasetError
from settings.damaged_pictures import DAMAGED
from settings.faults import need_fact
from settings.regular import read_bytes
from settings.shown import cut, shown

#: Whether a kind of file keeps a picture as it was.
_IS_LOSSLESS = {"PNG": True, "JPEG": False}
#: More than a picture of CALVIN takes that is not packed at all.
_MOST_BYTES = 1 << 20


def picture_bytes(value: Any, root: Path, beside: Path, frame: int, place: str) -> bytes:
    """The bytes of an image file: in the table, or where it says that they are.

    value: a row of the column. beside: the folder where lerobot puts the file of this frame. Raises DatasetError
    beginning with `place`, also for a path that leads out of `root`.
    """
    content, name = value, None
    if isinstance(value, Mapping):
        content, name = value.get("bytes"), value.get("path")
    elif isinstance(value, str):
        content, name = None, value
    if isinstance(content, bytes):
        if len(content) > _MOST_BYTES:
            raise DatasetError(f"{place} has {len(content)} bytes; at most {_MOST_BYTES} are read.")
        return content
    file = beside / f"frame_{frame:06d}.png"
    if isinstance(name, str) and name:
        relative = PurePosixPath(name)
        if relative.is_absolute() or ".." in relative.parts or "\0" in name or len(name) > 1000:
            raise DatasetError(f"{place}: its path {shown(name)} leads out of {root}.")
        if len(relative.parts) > 1 or not beside.is_dir():
            file = root / relative
        else:  # datasets keeps the last part alone
            file = beside / relative.name
    elif content is not None or value is None:
        raise DatasetError(f"{place} is {type(content).__name__}, neither bytes nor a path.")
    try:
        return read_bytes(file, _MOST_BYTES)
    except FileNotFoundError:
        raise DatasetError(f"{file} is missing: {place} is listed to be there.") from None
    except OSError as error:
        need_fact(error)
        raise DatasetError(f"{file} cannot be read: {error.strerror}.") from None


def decoded(content: bytes, shape: tuple[int, ...], place: str) -> np.ndarray:
    """uint8 of `shape` (H, W, 3). Its size is looked at before it is unpacked. Raises DatasetError."""
    if (plain := plain_png(content, shape)) is not None:
        return plain
    with _opened(content, place) as picture:
        if (picture.height, picture.width, 3) != shape:
            raise DatasetError(
                f"{place} is a picture of {picture.width} x {picture.height}, not {shape[1]} x {shape[0]}."
            )
        if picture.mode not in ("RGB", "RGBA"):
            raise DatasetError(f"{place} is a picture of mode {picture.mode}, not of colours.")
        try:
            array = np.asarray(picture.convert("RGB"))
        except DAMAGED as error:
            need_fact(error)
            raise DatasetError(f"{place} is damaged: {cut(str(error), 120)}.") from None
    return array


def is_lossless(content: bytes, place: str) -> bool:
    """Whether the file's kind keeps pictures as they were. Raises DatasetError."""
    with _opened(content, place) as picture:
        return _IS_LOSSLESS[str(picture.format)]


def _opened(content: bytes, place: str) -> Image.Image:
    try:
        return Image.open(io.BytesIO(content), formats=tuple(_IS_LOSSLESS))
    except DAMAGED as error:
        need_fact(error)
        raise DatasetError(f"{place} is no PNG or JPEG.") from None
