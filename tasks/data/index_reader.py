"""Rows of a training index with their pictures, read and composed when they are asked for.

Nothing is loaded ahead: items are parsed from a memory-mapped file, a line each; frames are memory-mapped in the
episode files that the ingest job wrote, and an episode's bytes are verified when it is first opened. What was
composed stays in memory up to a bound, so that small data sets are composed once a worker.
"""

from __future__ import annotations

import hashlib
import json
import math
import mmap
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Generic, TypeAlias, TypeVar, overload

import numpy as np

from calvin.episode import Episode
from calvin.episode_file import load_episode
from calvin.training_index import IndexItem
from detectors.crops import crop_region
from errors import ArtifactDamaged, BatonError
from models.images import (
    CANVAS,
    STATIC_ROWS,
    Picture,
    compose,
    narrowed,
    stacked,
    through_jpeg,
    to_model_size,
)
from tasks.context import FRAMES, InputFile, one_input
from tasks.memory import Memory, kept

ITEMS = "index.json"

#: Composed pictures kept in memory, in bytes for each of the two kinds; episodes kept open.
_KEPT_BYTES = 512 << 20
_OPEN_EPISODES = 512
_SCAN_BYTES = 64 << 20
_NEWLINE = ord("\n")

_Rows: TypeAlias = "slice[int | None, int | None, int | None]"

#: A picture of every row, or of some.
P = TypeVar("P", Picture, "Picture | None")


class Items(Sequence[IndexItem]):
    """The items of an index file, which has one a line."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._text = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        ends = np.concatenate(
            [
                np.flatnonzero(np.frombuffer(self._text[start : start + _SCAN_BYTES], np.uint8) == _NEWLINE)
                + start
                for start in range(0, len(self._text), _SCAN_BYTES)
            ]
        )
        # The first line is "[" and the last "]".
        self._starts, self._ends = ends[:-2] + 1, ends[1:-1]

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, row: int) -> IndexItem: ...

    @overload
    def __getitem__(self, row: _Rows) -> list[IndexItem]: ...

    def __getitem__(self, row: int | _Rows) -> IndexItem | list[IndexItem]:
        if isinstance(row, slice):
            return [self[place] for place in range(*row.indices(len(self)))]
        line = self._text[int(self._starts[row]) : int(self._ends[row])]
        item: IndexItem = json.loads(line.rstrip(b","))
        return item


class Frames:
    """Camera pictures by demonstration and frame id."""

    def __init__(self, files: Mapping[int, InputFile]) -> None:
        self._files = files
        self._open: OrderedDict[int, Episode] = OrderedDict()
        self._verified: set[int] = set()
        self._lock = threading.Lock()

    def read(self, demonstration: int, frame: int) -> tuple[Picture, Picture]:
        """`rgb_static` and `rgb_gripper`, mapped. Raises ArtifactDamaged for an episode whose bytes are wrong."""
        episode = self._episode(demonstration)
        return episode.rgb_static[frame - episode.start], episode.rgb_gripper[frame - episode.start]

    def _episode(self, demonstration: int) -> Episode:
        with self._lock:
            if demonstration in self._open:
                self._open.move_to_end(demonstration)
                return self._open[demonstration]
            if demonstration not in self._files:
                raise BatonError(
                    f"the index speaks of demonstration {demonstration}, whose frames are not here"
                )
            file = self._files[demonstration]
            if demonstration not in self._verified:
                (file.verify or partial(_verify, file))()
                self._verified.add(demonstration)
            self._open[demonstration] = load_episode(file.path)
            if len(self._open) > _OPEN_EPISODES:
                self._open.popitem(last=False)
            return self._open[demonstration]


class Pictures(Generic[P]):
    """Pictures by row, from `make`; what was made is kept until `kept_bytes` are full.

    shape: of every picture. They are kept in one block: many small arrays that stay, made between the large ones
    that come and go with each step, would scatter over the heap until nothing large fits between them.
    """

    def __init__(
        self,
        make: Callable[[int], P],
        rows: int,
        shape: tuple[int, ...],
        kept_bytes: int = _KEPT_BYTES,
    ) -> None:
        self._make: Callable[[int], P] = make
        self._block = np.empty((min(rows, kept_bytes // math.prod(shape)), *shape), dtype=np.uint8)
        self._kept: dict[int, P] = {}
        self._used = 0
        self._lock = threading.Lock()

    def __getitem__(self, row: int) -> P:
        """uint8 of `shape`, or None where the row has no such picture."""
        row = int(row)
        if row in self._kept:
            return self._kept[row]
        picture = self._make(row)
        with self._lock:
            if row in self._kept:
                return self._kept[row]
            if not isinstance(picture, np.ndarray):  # none
                self._kept[row] = picture
            elif self._used < len(self._block):
                place = self._block[self._used]
                self._used += 1
                place[...] = picture
                place.flags.writeable = False
                self._kept[row] = picture = place
        return picture


class Index:
    """What training reads.

    items[row] is an item of `calvin.training_index`; images[row] the model's input picture, (S, S, 3) uint8;
    targets[row] the reconstruction target, None where there is no gaze region. jpeg: both with the losses of the
    files that the official builder writes.
    """

    def __init__(
        self, items: Items, frames: Frames, image_size: int, jpeg: bool = False, resample: str = "bicubic"
    ) -> None:
        self.items = items
        shape = (image_size, image_size, 3)
        self.images = Pictures(self._image, len(items), shape)
        self.targets = Pictures(self._target, len(items), shape)
        self._frames = frames
        self._image_size = image_size
        self._jpeg = jpeg
        self._resample = resample
        self._lower = threading.local()  # (row, view): picture and target of a row are asked for together

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[IndexItem]:
        return iter(self.items)

    def _image(self, row: int) -> Picture:
        static, gripper = self._views(self.items[row])
        return self._composed(row, static, gripper)

    def _target(self, row: int) -> Picture | None:
        item = self.items[row]
        box = item["gaze"]["box"]
        if box is None:
            return None
        static, gripper = self._views(item)
        x0, y0, x1, y1 = box
        return self._composed(row, crop_region(static, (x0, y0, x1, y1)), gripper)

    def _composed(self, row: int, upper: Picture, lower: Picture) -> Picture:
        size, resample = self._image_size, self._resample
        if self._jpeg:
            return to_model_size(through_jpeg(compose(upper, lower)), size, resample)
        last: tuple[int, Picture] | None = getattr(self._lower, "last", None)
        if last is None or last[0] != row:
            last = row, narrowed(lower, CANVAS - STATIC_ROWS, size, resample)
            self._lower.last = last
        return stacked(narrowed(upper, STATIC_ROWS, size, resample), last[1], resample)

    def _views(self, item: IndexItem) -> tuple[Picture, Picture]:
        static, gripper = self._frames.read(item["demonstration"], item["frame"])
        return np.asarray(static), np.asarray(gripper)


def load_index(
    files: Sequence[InputFile],
    image_size: int,
    role: str = "index",
    memory: Memory | None = None,
    jpeg: bool = False,
    resample: str = "bicubic",
) -> Index:
    """The index among a job's inputs, with the episodes in the role of its frames.

    memory: a worker's own, where the index stays open for later jobs on the same data. jpeg: see `Index`. resample:
    how pictures are brought to `image_size`, as `models.images.to_model_size` takes it.
    """
    file = one_input(files, role, ITEMS)
    key = f"index {file.sha256} {image_size} {jpeg} {resample}"
    if memory is not None and (held := kept(memory, key, Index)) is not None:
        return held
    episodes = {
        int(frames.name.removeprefix("task_")): frames
        for frames in files
        if frames.role in (role, role + FRAMES) and frames.name.startswith("task_")
    }
    index = Index(Items(file.path), Frames(episodes), image_size, jpeg, resample)
    if memory is not None:
        memory[key] = index
    return index


def _verify(file: InputFile) -> None:
    digest = hashlib.sha256()
    try:
        with file.path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    except FileNotFoundError:
        raise ArtifactDamaged(f"artifact {file.reference} is missing", file.reference) from None
    if digest.hexdigest() != file.sha256:
        found = digest.hexdigest()[:12]
        raise ArtifactDamaged(
            f"artifact {file.reference} is damaged: its bytes hash to {found}…", file.reference
        )
