"""Parquet files of others: what they say of their sizes is looked at before any of it is read.

pyarrow is imported on use: a set in another format needs none of it.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from calvin.lerobot_format.footer import Leaf, leaves_of
from errors import DatasetError
from settings.faults import need_fact
from settings.regular import open_regular
from settings.shown import cut

if TYPE_CHECKING:
    import pyarrow.parquet as pq

_MAGIC = b"PAR1"
_MOST_FOOTER_BYTES = 64 << 20
_MOST_COLUMNS, _MOST_STRUCTURE = 20_000, 10_000_000
#: Of one value in a column of numbers, and what pages and dictionaries take beside them.
_VALUE_BYTES, _BESIDE_BYTES = 16, 1 << 20
#: Of all pictures of one row group; lerobot writes an episode, or files of 100 MB.
_MOST_GROUP_BYTES = 4 << 30
_ASKED = re.compile(r"size (\d+)")
#: Rows that are made into Python's values at a time.
_ROWS_AT_ONCE = 32


@dataclass(frozen=True)
class Table:
    """An opened file. size: in bytes. footer: as it stands there. names: of its columns. paths: of the leaves that
    those are made of, in their order.
    """

    path: Path
    size: int
    footer: bytes
    file: pq.ParquetFile
    names: frozenset[str]
    paths: tuple[str, ...]

    @property
    def rows(self) -> int:
        return int(self.file.metadata.num_rows)

    def groups(self) -> list[tuple[int, int]]:
        """First row of each row group, and the one behind its last."""
        bounds, first = [], 0
        for number in range(self.file.metadata.num_row_groups):
            last = first + int(self.file.metadata.row_group(number).num_rows)
            bounds.append((first, last))
            first = last
        return bounds

    def is_text(self, name: str) -> bool:
        """Whether there is such a column, and its rows are texts."""
        import pyarrow as pa

        if name not in self.names:
            return False
        kind = self.file.schema_arrow.field(name).type
        return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))

    def numbers(self, name: str, width: int, first: int = 0, last: int | None = None) -> np.ndarray:
        """Rows `first` to `last` - 1 of a column of numbers: (n, width), or (n,) where width is 0.

        Raises DatasetError naming file and column for another type, another width, or rows without a value.
        """
        last = self.rows if last is None else last
        self._need(name)
        wanted, before = [], 0
        for number, (begin, end) in enumerate(self.groups()):
            if begin >= last or end <= first:
                before = end if end <= first else before
                continue
            self._check_size(
                name, number, (end - begin) * (max(width, 1) * _VALUE_BYTES + 64) + _BESIDE_BYTES
            )
            wanted.append(number)
        if not wanted:
            if first < last:
                raise self._too_few(name)
            return np.empty((0, width) if width else 0)
        parts = [self._array(part, name, width) for part in self._read(name, wanted)]
        found = (parts[0] if len(parts) == 1 else np.concatenate(parts))[first - before : last - before]
        if len(found) != last - first:
            raise self._too_few(name)
        return found

    def values(self, name: str, first: int = 0, last: int | None = None) -> Iterator[Any]:
        """Rows of any other column as Python's values, a few in memory at a time. Raises DatasetError as `numbers`."""
        last = self.rows if last is None else last
        self._need(name)
        count = 0
        for number, (begin, end) in enumerate(self.groups()):
            if begin >= last or end <= first:
                continue
            self._check_size(name, number, _MOST_GROUP_BYTES)
            for value in self._group_values(name, number, max(first - begin, 0), min(last, end) - begin):
                count += 1
                yield value
        if count < last - first:
            raise self._too_few(name)

    def chunks(self, name: str, group: int) -> list[tuple[int, int]]:
        """Where a column's bytes of one row group are: offset and length of each of its parts, within the file."""
        found = []
        for leaf in self._leaves(name, group):
            if not 0 <= leaf.begin <= leaf.begin + leaf.compressed <= self.size:
                raise DatasetError(f"{self.path}: {cut(name)} of row group {group} has no place in the file.")
            found.append((leaf.begin, leaf.compressed))
        return found

    def _leaves(self, name: str, group: int) -> list[Leaf]:
        return [leaf for path, leaf in zip(self.paths, self.leaves[group]) if _is_of(path, name)]

    @cached_property
    def leaves(self) -> list[list[Leaf]]:
        """The columns of each row group. Raises DatasetError where the footer does not tell of all of them."""
        with _told(self.path):
            found = leaves_of(self.footer)
        if [len(group) for group in found] != [len(self.paths)] * int(self.file.metadata.num_row_groups):
            raise DatasetError(f"{self.path} is damaged: a row group has other columns than the schema.")
        return found

    def _group_values(self, name: str, group: int, first: int, last: int) -> Iterator[Any]:
        batches = self.file.iter_batches(_ROWS_AT_ONCE, [group], [name], use_threads=False)
        place = 0
        while True:
            with _told(self.path, name):
                batch = next(batches, None)
            if batch is None or place >= last:
                return
            begin, end = max(first - place, 0), min(last - place, batch.num_rows)
            if begin < end:
                with _told(self.path, name):  # not every date or time of a table is one of Python's
                    values = batch.column(0).slice(begin, end - begin).to_pylist()
                yield from values
            place += batch.num_rows

    def _too_few(self, name: str) -> DatasetError:
        return DatasetError(f"{self.path} is damaged: {cut(name)} has fewer rows than its footer says.")

    def _need(self, name: str) -> None:
        if name not in self.names:
            raise DatasetError(f"{self.path} has no column {cut(name)}.")

    def _check_size(self, name: str, group: int, most: int) -> None:
        sizes = [leaf.uncompressed for leaf in self._leaves(name, group)]
        if sum(sizes) > most or any(size < 0 for size in sizes):
            rows = self.file.metadata.row_group(group).num_rows
            raise DatasetError(
                f"{self.path}: {cut(name)} of row group {group} would take {sum(sizes)} bytes for {rows} rows."
            )

    def _read(self, name: str, groups: list[int]) -> list[Any]:
        """The column's arrays, one at least."""
        import pyarrow as pa

        with _told(self.path, name):
            column = self.file.read_row_groups(groups, [name], use_threads=False).column(0)
            return column.chunks or [pa.array([], column.type)]

    def _array(self, column: Any, name: str, width: int) -> np.ndarray:
        import pyarrow as pa

        place, kind = f"{self.path}: {cut(name)}", column.type
        if column.null_count:
            raise DatasetError(f"{place} has {column.null_count} rows without a value.")
        is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
        if is_list:
            each = max(
                width, 1
            )  # a single number may be written as a list of it: info.json gives both one shape
            lengths = np.from_dlpack(column.value_lengths())  # `to_numpy` would import pandas
            if len(lengths) and not (lengths == each).all():
                found = int(lengths[lengths != each][0])
                raise DatasetError(f"{place} has {found} numbers in a row, not {each}.")
            inner = column.flatten()
        elif width > 1:
            raise DatasetError(f"{place} is {cut(str(kind))}, not {width or 'single'} numbers.")
        else:
            inner = column
        if not (pa.types.is_floating(inner.type) or pa.types.is_integer(inner.type)):
            raise DatasetError(f"{place} is {cut(str(kind))}, not numbers.")
        if inner.null_count:
            raise DatasetError(f"{place} has {inner.null_count} missing numbers.")
        array = np.from_dlpack(inner)
        return array.reshape(-1, width) if width else array


def _is_of(path_in_schema: str, name: str) -> bool:
    return path_in_schema == name or path_in_schema.startswith(name + ".")


@contextmanager
def open_table(path: Path, most_rows: int) -> Iterator[Table]:
    """Raises DatasetError naming the file: missing, no regular one, cut off, or with more rows than are read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        stream = open_regular(path)
    except FileNotFoundError:
        raise DatasetError(f"{path} is missing.") from None
    except OSError as error:
        need_fact(error)
        raise DatasetError(f"{path} cannot be read: {error.strerror}.") from None
    with stream:
        size, footer = _check_ends(path, stream)
        with _told(path):
            opened = pq.ParquetFile(
                pa.PythonFile(stream, mode="r"),
                pre_buffer=False,
                thrift_string_size_limit=_MOST_FOOTER_BYTES,
                thrift_container_size_limit=_MOST_STRUCTURE,
            )
            names = frozenset(opened.schema_arrow.names)
            schema = opened.metadata.schema
            paths = tuple(schema.column(place).path for place in range(len(schema)))
        about = opened.metadata
        if about.num_columns > _MOST_COLUMNS or not 0 <= about.num_rows <= most_rows:
            raise DatasetError(
                f"{path} has {about.num_rows} rows and {about.num_columns} columns; at most {most_rows} rows are read."
            )
        yield Table(path, size, footer, opened, names, paths)


def _check_ends(path: Path, stream: Any) -> tuple[int, bytes]:
    """The file's bytes, and its footer, whose size is looked at first. Raises DatasetError where it has none."""
    size = int(stream.seek(0, 2))
    stream.seek(max(size - 8, 0))
    end = stream.read(8)
    stream.seek(0)
    if size < 12 or stream.read(4) != _MAGIC or end[4:] != _MAGIC:
        raise DatasetError(
            f"{path} has no footer: its writing was not finished (finalize), its download broke off, or it is no "
            "parquet file."
        )
    (length,) = struct.unpack("<I", end[:4])
    if length > min(size - 12, _MOST_FOOTER_BYTES):
        raise DatasetError(f"{path} has a footer of {length} bytes, which does not fit.")
    stream.seek(size - 8 - length)
    footer = stream.read(length)
    stream.seek(0)
    return size, footer


@contextmanager
def _told(path: Path, name: str | None = None) -> Iterator[None]:
    """What pyarrow raises, in one sentence that names the file."""
    import pyarrow as pa

    try:
        yield
    except pa.ArrowMemoryError as error:
        asked = _ASKED.search(str(error))
        if asked is None or int(asked[1]) <= _MOST_GROUP_BYTES:  # as much as a sound file may take
            raise
        raise DatasetError(f"{path} is damaged: it asks for {asked[1]} bytes at once.") from None
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        need_fact(error)
        at = f"{path}: {cut(name)}" if name else str(path)
        raise DatasetError(f"{at} is damaged: {cut(' '.join(str(error).split()), 160)}.") from None


def whole_numbers(array: np.ndarray, place: str) -> np.ndarray:
    """As int64. Raises DatasetError beginning with `place`."""
    if array.dtype.kind not in "iu":
        raise DatasetError(f"{place} is {array.dtype}, not whole numbers.")
    return array.astype(np.int64)


def text_list(value: Any) -> list[str] | None:
    is_list: bool = isinstance(value, Sequence) and not isinstance(value, str)
    return list(value) if is_list and all(isinstance(item, str) for item in value) else None
