"""Arrays in an .npz file: known ones only, and no byte more than their shapes take, whatever the archive says."""

from __future__ import annotations

import io
import lzma
import math
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from calvin.npy import LONGEST_HEADER_BYTES, npy_array, npy_header
from errors import DatasetError
from settings.faults import need_fact
from settings.regular import open_regular
from settings.shown import cut

#: Of an archive, whose list of names is read whole. A frame with all that CALVIN records takes a twentieth.
MOST_ARCHIVE_BYTES = 16 << 20

#: Of the widest numbers that numpy has.
_ITEM_BYTES = 16
_ENDING = ".npy"
#: How numpy writes: `savez` and `savez_compressed`.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_IS_ENCRYPTED = 0x1
_LONGEST_REASON = 160

#: What `zipfile` raises for an archive that is damaged, or that it cannot read (RuntimeError).
_DAMAGE = (
    EOFError, ValueError, RuntimeError, OverflowError, LookupError, struct.error, zlib.error, lzma.LZMAError,
    zipfile.BadZipFile,
)  # fmt: skip


def read_arrays(
    path: Path,
    shapes: Mapping[str, tuple[int, ...]],
    most: int = MOST_ARCHIVE_BYTES,
    content: bytes | None = None,
) -> dict[str, np.ndarray]:
    """The arrays with these names, not to be written to; their types and shapes are whatever the file has.

    shapes: what is expected, which bounds the memory. content: of the file, where it lies in another one. Raises
    DatasetError naming the file, and the array at fault.
    """
    with _opened(path, most, content) as archive:
        members = {name: archive.NameToInfo.get(name + _ENDING) for name in shapes}
        missing = [name for name, member in members.items() if member is None]
        if missing:
            raise DatasetError(f"{path} has no {', '.join(missing)}.")
        return {
            name: _array(archive, member, f"{path}: {name}", _most_bytes(shapes[name]))
            for name, member in members.items()
            if member is not None
        }


def checksums(
    path: Path, most: int = MOST_ARCHIVE_BYTES, content: bytes | None = None
) -> list[tuple[str, int]]:
    """Name and CRC-32 of each array in the file, from the archive's directory at its end. Raises DatasetError."""
    with _opened(path, most, content) as archive:
        return sorted((member.filename, member.CRC) for member in archive.infolist())


def _most_bytes(shape: tuple[int, ...]) -> int:
    return LONGEST_HEADER_BYTES + math.prod(shape) * _ITEM_BYTES


@contextmanager
def _opened(path: Path, most: int, content: bytes | None) -> Iterator[zipfile.ZipFile]:
    try:
        opened = open_regular(path, most) if content is None else io.BytesIO(content)
        with opened as file, zipfile.ZipFile(file) as archive:
            _need_each_once(path, archive)
            yield archive
    except FileNotFoundError:
        raise
    except (OSError, *_DAMAGE) as error:
        need_fact(error)
        told = str(error) or type(error).__name__
        raise DatasetError(f"{path} is damaged: {cut(told, _LONGEST_REASON)}.") from None


def _need_each_once(path: Path, archive: zipfile.ZipFile) -> None:
    """Which of two is meant cannot be told: numpy takes the last, other readers the first."""
    names: set[str] = set()
    for member in archive.infolist():
        if member.filename in names:
            raise DatasetError(f"{path} holds {cut(member.filename.removesuffix(_ENDING))} twice.")
        names.add(member.filename)


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, place: str, most: int) -> np.ndarray:
    if member.flag_bits & _IS_ENCRYPTED:
        raise DatasetError(f"{place} is encrypted.")
    if member.compress_type not in _METHODS:
        raise DatasetError(
            f"{place} is packed by the zip method {member.compress_type}, which numpy does not write."
        )
    if member.file_size > most:
        raise DatasetError(f"{place} would take {member.file_size} bytes.")
    with archive.open(member) as stream:
        content = stream.read(member.file_size)
    header = npy_header(content, place)
    if header.dtype.hasobject:
        raise DatasetError(f"{place} is an array of objects.")
    return npy_array(content, header, place)
