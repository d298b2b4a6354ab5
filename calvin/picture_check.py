"""Whether the frames of a split show anything: pictures of one colour, of shares made bytes, one for all frames.

A policy learns nothing from such pictures, and nothing else tells: their shape and type are right.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark.observations import POSE
from calvin.episode import IMAGE_FIELDS

#: Fewest frames that show a system; all of them where there are fewer.
_FEW = 3
#: Brightest value of pictures that were shares of 0 to 1 when they were made bytes.
_BRIGHTEST_SHARE = 1


@dataclass(frozen=True)
class PictureFindings:
    """One sentence each. systematic: more than half of the frames, which ruins a training; notes: fewer, which a hand
    that is close to something may show.
    """

    systematic: tuple[str, ...]
    notes: tuple[str, ...]


class PictureTable:
    """What pictures hold, as frames are read. `add` in the order of frames."""

    def __init__(self) -> None:
        self._count = 0
        self._empty: dict[tuple[str, str], list[int]] = {}  # (field, what it shows) -> frames
        self._pictures: dict[str, Counter[int]] = {field: Counter() for field in IMAGE_FIELDS}
        self._first: dict[tuple[str, int], int] = {}
        self._poses: dict[tuple[str, int], set[bytes]] = {}  # of the robot, by picture; a few each

    def add(self, frame: int, arrays: Mapping[str, np.ndarray]) -> None:
        """arrays: the frame's `rgb_static`, `rgb_gripper` (H, W, 3) uint8 and `robot_obs`."""
        self._count += 1
        for field in IMAGE_FIELDS:
            picture = arrays[field]
            content = zlib.crc32(np.ascontiguousarray(picture).data)
            self._pictures[field][content] += 1
            self._first.setdefault((field, content), frame)
            poses = self._poses.setdefault((field, content), set())
            if len(poses) < _FEW:
                poses.add(arrays["robot_obs"][POSE].tobytes())
            if (picture == picture[0, 0]).all():
                self._empty.setdefault((field, "shows one colour"), []).append(frame)
            elif picture.max() <= _BRIGHTEST_SHARE:
                what = f"has values of 0 to {_BRIGHTEST_SHARE}; pictures are bytes of 0 to 255"
                self._empty.setdefault((field, what), []).append(frame)

    def findings(self, folder: Path) -> PictureFindings:
        """What is wrong with the pictures of a split's `folder`."""
        systematic, notes = [], []
        for (field, what), frames in self._empty.items():
            sentence = self._sentence(folder, field, len(frames), frames[0], what)
            if self._many(len(frames)):
                systematic.append(sentence)
            else:
                notes.append(sentence.removesuffix("."))
        told = {field for field, _ in self._empty}
        for field in (field for field in IMAGE_FIELDS if field not in told and self._pictures[field]):
            (content, count), *_ = self._pictures[field].most_common(1)
            if self._many(count) and len(self._poses[field, content]) >= _FEW:
                what = "is one and the same picture, while the robot moves"
                systematic.append(self._sentence(folder, field, count, self._first[field, content], what))
        return PictureFindings(tuple(systematic), tuple(notes))

    def _many(self, count: int) -> bool:
        return count >= min(_FEW, self._count) and count > self._count / 2

    def _sentence(self, folder: Path, field: str, count: int, first: int, what: str) -> str:
        return f"{folder}: {field} of {count} of {self._count} frames (first: {first}) {what}."
