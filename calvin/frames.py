"""Frames of a CALVIN split: one `episode_*.npz` each, named by frame id."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calvin import npz
from calvin.episode import EXTRAS, FRAME_SHAPES, IMAGE_FIELDS
from errors import DatasetError
from settings.faults import need_fact
from settings.regular import is_there

_MAX_DIGITS = 12
_PREFIX, _SUFFIX = "episode_", ".npz"


@dataclass(frozen=True)
class FrameFiles:
    """Where the frames of a split are and to how many digits their ids are padded."""

    folder: Path
    digits: int

    @classmethod
    def find(cls, folder: Path, frame: int | None) -> FrameFiles:
        """Learn the padding from the name of `frame`'s file, without listing a folder of millions of files.

        Where that file is missing, or no `frame` is known, the first name that the folder gives will do.
        Raises DatasetError when there is no frame at all.
        """
        if frame is not None:
            for digits in range(len(str(frame)), _MAX_DIGITS + 1):
                files = cls(folder, digits)
                if is_there(files.path(frame)):
                    return files
        for number in _numbers_in(folder):
            return cls(folder, len(number))
        raise DatasetError(f"{folder} has no frame: there is no {_PREFIX}*{_SUFFIX} in it.")

    def path(self, frame: int) -> Path:
        return self.folder / f"{_PREFIX}{frame:0{self.digits}d}{_SUFFIX}"

    def has(self, frame: int) -> bool:
        return is_there(self.path(frame))

    def on_disk(self) -> np.ndarray:
        """Ids of all frames in the folder, int64, sorted. Lists the folder."""
        return np.unique(np.fromiter((int(number) for number in _numbers_in(self.folder)), np.int64))

    def size_bytes(self, frame: int) -> int:
        """Size of the frame's file. Raises DatasetError when it is missing."""
        try:
            return self.path(frame).stat().st_size
        except OSError as error:
            need_fact(error)
            raise self._unreadable(frame, error) from None

    def checksums(self, frame: int) -> list[tuple[str, int]]:
        """Name and CRC-32 of each array in the frame's file, from the archive's directory at its end."""
        try:
            return npz.checksums(self.path(frame), content=self.content(frame))
        except FileNotFoundError as error:
            raise self._unreadable(frame, error) from None

    def content(self, frame: int) -> bytes | None:
        """Of its file, where that is a part of another one; None for one of its own."""
        return None

    def read(self, frame: int) -> dict[str, np.ndarray]:
        """The frame's six arrays by CALVIN's keys; vectors as float64 whatever precision they were saved in.

        Raises DatasetError naming the file, and the field where one is missing or has a wrong shape or type.
        """
        try:
            arrays = npz.read_arrays(self.path(frame), FRAME_SHAPES, content=self.content(frame))
        except FileNotFoundError as error:
            raise self._unreadable(frame, error) from None
        return {field: self._checked(frame, field, array) for field, array in arrays.items()}

    def extras(self, frame: int) -> list[str]:
        """Names of the arrays in the frame's file beside CALVIN's six. Raises DatasetError as `checksums`."""
        names = [name.removesuffix(".npy") for name, _ in self.checksums(frame)]
        return [name for name in names if name not in FRAME_SHAPES]

    def read_extras(self, frame: int, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Some of `EXTRAS`, as they were saved. Raises DatasetError as `read`."""
        shapes = {name: EXTRAS[name].shape for name in names}
        try:
            arrays = npz.read_arrays(self.path(frame), shapes, content=self.content(frame))
        except FileNotFoundError as error:
            raise self._unreadable(frame, error) from None
        for name, array in arrays.items():
            wanted = EXTRAS[name]
            if array.shape != wanted.shape or array.dtype != wanted.dtype:
                raise DatasetError(
                    f"{self.path(frame)}: {name} is {array.dtype} of shape {array.shape}, not {wanted.dtype} of shape "
                    f"{wanted.shape}."
                )
        return arrays

    def _checked(self, frame: int, field: str, array: np.ndarray) -> np.ndarray:
        if array.shape != FRAME_SHAPES[field]:
            raise DatasetError(
                f"{self.path(frame)}: {field} has shape {array.shape}, not {FRAME_SHAPES[field]}."
            )
        if field in IMAGE_FIELDS:
            if array.dtype != np.uint8:
                raise DatasetError(f"{self.path(frame)}: {field} is {array.dtype}, not uint8.")
            return array
        if array.dtype.kind != "f":
            raise DatasetError(f"{self.path(frame)}: {field} is {array.dtype}, not floating point.")
        with np.errstate(over="ignore"):  # wider numbers than float64 has are seen below
            numbers = array.astype(np.float64)
        if not np.isfinite(numbers).all():
            raise DatasetError(f"{self.path(frame)}: {field} is not finite.")
        return numbers

    def _unreadable(self, frame: int, error: Exception) -> DatasetError:
        if isinstance(error, FileNotFoundError):
            return DatasetError(f"{self.path(frame)} is missing: there is a gap at frame {frame}.")
        return DatasetError(f"{self.path(frame)} is damaged: {error}.")


def has_frames(folder: Path) -> bool:
    """Whether any frame lies in the folder as a file of its own."""
    return folder.is_dir() and next(_numbers_in(folder), None) is not None


def _numbers_in(folder: Path) -> Iterator[str]:
    """The numbers in the names of a folder's frames, as they are written and in no order."""
    with os.scandir(folder) as entries:
        for entry in entries:
            number = entry.name.removeprefix(_PREFIX).removesuffix(_SUFFIX)
            whole = len(_PREFIX + number + _SUFFIX) == len(entry.name)
            if whole and number.isascii() and number.isdecimal() and len(number) <= _MAX_DIGITS:
                yield number
