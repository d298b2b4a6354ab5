"""Whether a conversion fits on the disk, before anything is written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from calvin.conversion.source import Source
from calvin.conversion.target import Piece
from calvin.episode import IMAGE_FIELDS
from calvin.lerobot_writer.tables import png_bytes
from errors import EnvironmentLacks
from settings.disks import free_at
from settings.faults import need_fact
from settings.files import aside_of
from settings.shown import size_told

#: Bytes of a frame's pictures for each byte that they take as PNG: AV1 took 0.10 to 0.14 on `calvin_mini`, npz 1.05.
_SHARES = {"png": 1.0, "film": 0.25, "npz": 1.25}
#: Of a frame beside its pictures: numbers, boxes, its share of lists and file systems.
_BESIDE = 4096
#: Of a demonstration and its frames where nobody knows them yet: those of `playtable`.
_FRAMES, _PNG_BYTES = 65, 60_000
_SAMPLED = 4


def bytes_guessed(frames: int, form: str) -> int:
    """Of so many frames of which none was seen yet. form: as for `bytes_needed`."""
    return int(frames * (_PNG_BYTES * _SHARES[form] + _BESIDE))


def bytes_needed(source: Source, form: str) -> int:
    """An upper bound, from some frames. form: `png`, `film` or `npz`."""
    frames = sum(item.frames or _FRAMES for item in source.items)
    known = [item for item in source.items if item.frames is not None]
    sampled = [item.read(0) for item in known[:: len(known) // _SAMPLED + 1]]
    pictures = [len(png_bytes(picture)) for piece in sampled for picture in _pictures(piece)]
    png = sum(pictures) / (len(pictures) / len(IMAGE_FIELDS)) if pictures else _PNG_BYTES
    extras = sum(np.dtype(one.dtype).itemsize * int(np.prod(one.shape)) for one in source.extras.values())
    return int(frames * (png * _SHARES[form] + extras + _BESIDE))


def need_room(needed: int, dst: Path) -> tuple[int, int]:
    """Bytes that are needed at most beside what is written already, and those that are free.

    Raises EnvironmentLacks where they are not there.
    """
    target = Path(os.path.realpath(dst))
    written = sum(_sizes(aside_of(target)))
    free = free_at(target)
    more = max(needed - written, 0)
    if more > free:
        raise EnvironmentLacks(
            f"{dst} needs up to {size_told(more)}, and {size_told(free)} are free there; make room, or name a "
            "folder on another disk"
        )
    return more, free


def _pictures(piece: Piece) -> Iterator[np.ndarray]:
    for field in IMAGE_FIELDS:
        yield getattr(piece.episode, field)[0]


def _sizes(folder: Path) -> Iterator[int]:
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                size = Path(place, name).lstat().st_size
            except OSError as error:
                need_fact(error)
                continue  # another command gave it its name meanwhile
            yield size
