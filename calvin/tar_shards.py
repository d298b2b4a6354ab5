"""CALVIN's npz frames in tar shards, as webdataset writes them; the small files lie in training/ and validation/."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from calvin.dataset import CalvinSplit, check_folder, open_dataset, survey
from calvin.frames import FrameFiles, has_frames
from calvin.npz import MOST_ARCHIVE_BYTES
from calvin.split import TRAINING, VALIDATION
from errors import DatasetError
from settings.faults import need_fact
from settings.regular import open_regular
from settings.shown import cut, shown

_BLOCK = 512
#: Of a header's own text: a long name, or entries of pax.
_MOST_NAME_BYTES = 64 << 10
_MOST_FRAMES = 10_000_000
_FRAME = re.compile(r"(?:(training|validation)_)?episode_([0-9]{1,12})\.npz")
_REGULAR, _LONG_NAME, _PAX, _PAX_ALL = b"0\0", b"L", b"x", b"g"


class Member(NamedTuple):
    """Where a frame's bytes are. split: what its name or its folder says."""

    shard: Path
    offset: int
    size: int
    split: str | None
    frame: int
    digits: int


@dataclass(frozen=True)
class ShardedFrames(FrameFiles):
    """Frames that are parts of tar files, by their numbers."""

    members: Mapping[int, Member] = field(default_factory=dict)

    def has(self, frame: int) -> bool:
        return frame in self.members

    def on_disk(self) -> np.ndarray:
        return np.array(sorted(self.members), dtype=np.int64)

    def size_bytes(self, frame: int) -> int:
        return self._member(frame).size

    def content(self, frame: int) -> bytes:
        """Raises DatasetError naming the shard where it ends before the frame does."""
        member = self._member(frame)
        if member.size > MOST_ARCHIVE_BYTES:
            raise DatasetError(f"{member.shard}: frame {frame} would take {member.size} bytes.")
        try:
            with open_regular(member.shard) as stream:
                stream.seek(member.offset)
                found = stream.read(member.size)
        except OSError as error:
            need_fact(error)
            raise DatasetError(f"{member.shard} cannot be read: {error.strerror}.") from None
        if len(found) < member.size:
            raise DatasetError(f"{member.shard} is cut short within frame {frame}.")
        return found

    def _member(self, frame: int) -> Member:
        if frame not in self.members:
            raise DatasetError(f"{self.path(frame)} is in no shard: there is a gap at frame {frame}.")
        return self.members[frame]


class TarShards:
    """A root or its training/ and validation/ with *.tar, and no frame outside of them."""

    def is_at(self, root: Path) -> bool:
        folders = [root / name for name in (TRAINING, VALIDATION)]
        return any(_shards(root)) and not any(map(has_frames, folders))

    def check_place(self, root: Path, name: str) -> None:
        check_folder(root, name)

    def open(self, root: Path, name: str) -> CalvinSplit:
        return open_dataset(root, name, lambda folder, _: _find(folder, name))

    def survey(self, root: Path, name: str) -> tuple[CalvinSplit, tuple[DatasetError, ...]]:
        return survey(root, name, find=lambda folder, _: _find(folder, name))


def _find(folder: Path, split: str) -> ShardedFrames:
    """Raises DatasetError for a shard that is damaged, a frame in two shards, and where there is none."""
    members: dict[int, Member] = {}
    for shard in _shards(folder.parent):
        about = shard.stat()
        for member in _members(shard, about.st_size, about.st_mtime_ns):
            beside = shard.parent.name if shard.parent.name in (TRAINING, VALIDATION) else None
            if (member.split or beside) != split:
                continue
            if member.frame in members:
                other = members[member.frame].shard
                raise DatasetError(f"{shard}: frame {member.frame} is in {other.name} too.")
            members[member.frame] = member
    if not members:
        raise DatasetError(f"{folder} has no frame: no shard holds {split}_episode_*.npz.")
    digits = next(iter(members.values())).digits
    return ShardedFrames(folder, digits, members)


def _shards(root: Path) -> Iterator[Path]:
    for folder in (root, root / TRAINING, root / VALIDATION):
        if folder.is_dir():
            yield from sorted(folder.glob("*.tar"))


@lru_cache(maxsize=4096)
def _members(shard: Path, size: int, changed: int) -> tuple[Member, ...]:
    """The frames of a shard. size, changed: of the file, so that another is looked at anew."""
    found = []
    try:
        with open_regular(shard) as stream:
            descriptor = stream.fileno()
            place, name = 0, None
            while place + _BLOCK <= size:
                header = os.pread(descriptor, _BLOCK, place)
                if not header.strip(b"\0"):
                    break
                kind, length = header[156:157], _length(header, shard)
                begin = place + _BLOCK
                place = begin + -(-length // _BLOCK) * _BLOCK
                if begin + length > size:
                    raise DatasetError(f"{shard} is cut short.")
                if kind in (_LONG_NAME, _PAX, _PAX_ALL):
                    if length > _MOST_NAME_BYTES:
                        raise DatasetError(f"{shard} has a header of {length} bytes.")
                    said = _name_in(os.pread(descriptor, length, begin), kind)
                    name = said or name
                    continue
                member = _member(shard, name or _name(header), begin, length)
                if member is not None and kind in _REGULAR:
                    found.append(member)
                name = None
                if len(found) > _MOST_FRAMES:
                    raise DatasetError(f"{shard} has more than {_MOST_FRAMES} frames.")
            if place > size:
                raise DatasetError(f"{shard} is cut short.")
    except OSError as error:
        need_fact(error)
        raise DatasetError(f"{shard} cannot be read: {error.strerror}.") from None
    return tuple(found)


def _member(shard: Path, name: str, begin: int, length: int) -> Member | None:
    path = PurePosixPath(name)
    match = _FRAME.fullmatch(path.name)
    if match is None:
        return None
    folder = path.parent.name if path.parent.name in (TRAINING, VALIDATION) else None
    return Member(shard, begin, length, match[1] or folder, int(match[2]), len(match[2]))


def _length(header: bytes, shard: Path) -> int:
    text = header[124:136].strip(b"\0 ")
    if header[257:262] != b"ustar" or not re.fullmatch(rb"[0-7]{1,12}", text):
        raise DatasetError(f"{shard} is no tar file, or damaged: a header says {shown(text)}.")
    return int(text, 8)


def _name(header: bytes) -> str:
    name, before = (header[start:end].split(b"\0")[0].decode("utf-8", "replace") for start, end in _NAMES)
    return f"{before}/{name}" if before else name


_NAMES = ((0, 100), (345, 500))


def _name_in(content: bytes, kind: bytes) -> str | None:
    """The name of the next member, where an extra header says it."""
    if kind == _LONG_NAME:
        return cut(content.split(b"\0")[0].decode("utf-8", "replace"), 4096)
    found = re.search(rb"(?:^|\n)[0-9]{1,6} path=([^\n]*)\n", content) if kind == _PAX else None
    return None if found is None else found[1].decode("utf-8", "replace")
