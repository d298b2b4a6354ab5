"""Rows of a LeRobot set's data files: which are an episode's, and its numbers."""

from __future__ import annotations

import hashlib
import os
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from calvin.episode import EXTRAS
from calvin.lerobot_format.description import MOST_FRAMES
from calvin.lerobot_format.episodes import Contents, Entry
from calvin.lerobot_format.tables import Table, open_table, whole_numbers
from errors import DatasetError
from settings.faults import need_fact
from settings.shown import cut, shown

#: Of each end of a column's pictures, for the fingerprint: PNGs are packed, so that another picture has other bytes.
_SAMPLE_BYTES = 4096


@dataclass(frozen=True)
class Place:
    """An episode's rows in its file. pictures: SHA-256 of samples and sizes of its pictures' bytes there; empty where
    they are elsewhere.
    """

    first: int
    pictures: str


@dataclass(frozen=True)
class Vectors:
    """Of the frames of `entries`, one after the other: states (N, 15) and actions (N, 7) by column, float64. Of each
    episode, by its number: its place, and a digest of each column of numbers. entries: `start` is counted over these.
    """

    entries: tuple[Entry, ...]
    states: np.ndarray
    actions: Mapping[str, np.ndarray]
    places: Mapping[int, Place]
    digests: Mapping[int, Mapping[str, str]]

    def states_of(self, entry: Entry) -> np.ndarray:
        """(T, 15), of an episode that is among them by its number."""
        first = self._firsts[entry.index]
        return self.states[first : first + entry.length]

    @cached_property
    def _firsts(self) -> dict[int, int]:
        return {entry.index: entry.start for entry in self.entries}


def read_vectors(
    entries: Sequence[Entry],
    contents: Contents,
    state: str,
    actions: Sequence[str],
    scene: str | None,
    pictures: Sequence[str],
) -> Vectors:
    """Reads the numbers of episodes, none of their pictures. entries: all that lie in some of the files. The others are
    columns.

    Raises DatasetError naming file and column: missing, damaged, not finite, or at odds with what lists the episodes.
    """
    frames = sum(entry.length for entry in entries)
    counted = _counted(entries)
    first_of = {entry.index: entry.start for entry in counted}
    kept = {state: np.empty((frames, 15))} | {name: np.empty((frames, 7)) for name in actions}
    widths = {state: 15, **dict.fromkeys(actions, 7)} | ({} if scene is None else {scene: 24})
    places: dict[int, Place] = {}
    digests: dict[int, dict[str, str]] = {entry.index: {} for entry in entries}
    for path, together in by_file(entries):
        listed = sum(entry.length for entry in together)
        with open_table(path, MOST_FRAMES) as table:
            if table.rows != listed:
                raise DatasetError(f"{path} has {table.rows} rows, and {contents.file.name} says {listed}.")
            places |= _places(table, together, pictures)
            _check_tasks(table, together, places, contents)
            for name, width in widths.items():
                values = table.numbers(name, width).astype(np.float64)
                for entry in together:
                    first = places[entry.index].first
                    part = values[first : first + entry.length]
                    _need_finite(part, f"{path}: {cut(name)}", entry)
                    digests[entry.index][name] = digest_of(part)
                    if name in kept:
                        begin = first_of[entry.index]
                        kept[name][begin : begin + entry.length] = part
    return Vectors(counted, kept.pop(state), kept, places, digests)


def _counted(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """The same, with `start` counted over them."""
    found, start = [], 0
    for entry in entries:
        found.append(entry if entry.start == start else replace(entry, start=start))
        start += entry.length
    return tuple(found)


def digest_of(values: np.ndarray) -> str:
    """Of an episode's numbers, float64."""
    return hashlib.sha256(np.ascontiguousarray(values).data).hexdigest()


def read_place(entry: Entry, entries: Sequence[Entry], pictures: Sequence[str]) -> Place:
    """Where the rows of one episode are; `entries`: all that lie in its file. Raises as `read_vectors`."""
    with open_table(entry.data, MOST_FRAMES) as table:
        return _places(table, entries, pictures, only=entry)[entry.index]


def read_numbers(entry: Entry, place: Place, widths: Mapping[str, int]) -> dict[str, np.ndarray]:
    """Columns of numbers of one episode, (T, width) each, float64. Raises DatasetError as `read_vectors`."""
    with open_table(entry.data, MOST_FRAMES) as table:
        found = {}
        for name, width in widths.items():
            values = table.numbers(name, width, place.first, place.first + entry.length)
            if len(values) != entry.length:
                raise DatasetError(f"{entry.data} ends within episode {entry.index}.")
            _need_finite(values, f"{entry.data}: {cut(name)}", entry)
            found[name] = values.astype(np.float64)
        return found


def read_extra(entry: Entry, place: Place, name: str) -> np.ndarray:
    """A column of `calvin.episode.EXTRAS` of one episode, (T, ...). Raises DatasetError as `read_vectors`."""
    wanted = EXTRAS[name]
    found = np.empty((entry.length, *wanted.shape), wanted.dtype)
    count = 0
    for value in read_values(entry, place, name, 0, entry.length):
        try:
            found[count] = np.asarray(value, wanted.dtype)
        except (ValueError, TypeError, OverflowError) as error:
            need_fact(error)
            raise DatasetError(
                f"{entry.data}: {name} of frame {count} of episode {entry.index} is not {wanted.dtype} of shape "
                f"{wanted.shape}."
            ) from None
        count += 1
    if count != entry.length:
        raise DatasetError(f"{entry.data} ends within episode {entry.index}.")
    return found


def read_values(entry: Entry, place: Place, name: str, first: int, last: int) -> Iterator[object]:
    """Values of another column, of the frames `first` to `last` - 1 of the episode."""
    with open_table(entry.data, MOST_FRAMES) as table:
        yield from table.values(name, place.first + first, place.first + last)


def by_file(entries: Sequence[Entry]) -> Iterator[tuple[Path, list[Entry]]]:
    files: dict[Path, list[Entry]] = {}
    for entry in entries:
        files.setdefault(entry.data, []).append(entry)
    yield from files.items()


def _places(
    table: Table, entries: Sequence[Entry], pictures: Sequence[str], only: Entry | None = None
) -> dict[int, Place]:
    """By the numbers of the episodes, or of `only` one."""
    path = table.path
    numbers = whole_numbers(table.numbers("episode_index", 0), f"{path}: episode_index")
    steps = whole_numbers(table.numbers("frame_index", 0), f"{path}: frame_index")
    begins = np.flatnonzero(np.r_[True, numbers[1:] != numbers[:-1]]) if len(numbers) else np.empty(0, int)
    firsts = dict(zip(numbers[begins].tolist(), begins.tolist()))
    if len(firsts) != len(begins):
        raise DatasetError(f"{path}: episode_index has rows of one episode in two places.")
    counts = dict(zip(firsts, np.diff(np.r_[begins, len(numbers)]).tolist()))
    groups = table.groups()
    group_ends = [end for _, end in groups]
    marks: dict[int, str] = {}
    found = {}
    for entry in entries if only is None else [only]:
        first = firsts.get(entry.index)
        if first is None:
            raise DatasetError(f"{path} has no rows of episode {entry.index}, which is listed to be there.")
        rows = slice(first, first + entry.length)
        if counts[entry.index] != entry.length:
            raise DatasetError(
                f"{path} has {counts[entry.index]} rows of episode {entry.index}, whose length is {entry.length}."
            )
        if not np.array_equal(steps[rows], np.arange(entry.length)):
            raise DatasetError(
                f"{path}: frame_index of episode {entry.index} does not count from 0 to {entry.length - 1}."
            )
        near: list[int] = []
        if pictures:
            begin = bisect_right(group_ends, first)
            near = [number for number in range(begin, len(groups)) if groups[number][0] < rows.stop]
        for number in near:
            if number not in marks:
                marks[number] = _mark(table, pictures, number)
        found[entry.index] = Place(first, "".join(marks[number] for number in near))
    return found


def _check_tasks(
    table: Table, entries: Sequence[Entry], places: Mapping[int, Place], contents: Contents
) -> None:
    """Raises DatasetError where the tasks of the rows are not those that the episodes are listed with."""
    if "task_index" not in table.names:
        return
    numbers = whole_numbers(table.numbers("task_index", 0), f"{table.path}: task_index")
    for entry in entries:
        first = places[entry.index].first
        for number in np.unique(numbers[first : first + entry.length]).tolist():
            if number not in contents.tasks:
                raise DatasetError(
                    f"{table.path}: task_index {number} of episode {entry.index} is out of range: "
                    f"{contents.tasks_file.name} has {len(contents.tasks)} tasks."
                )
            if contents.tasks[number] not in entry.tasks:
                raise DatasetError(
                    f"{table.path}: task_index {number} of episode {entry.index} is "
                    f"{shown(contents.tasks[number])}, which {contents.file.name} does not list for it."
                )


def _mark(table: Table, pictures: Sequence[str], group: int) -> str:
    digest = hashlib.sha256()
    descriptor = os.open(table.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        for name in pictures:
            for begin, length in table.chunks(name, group):
                digest.update(f"{name} {length} ".encode())
                for place in (begin, max(begin, begin + length - _SAMPLE_BYTES)):
                    digest.update(os.pread(descriptor, min(_SAMPLE_BYTES, length), place))
    finally:
        os.close(descriptor)
    return digest.hexdigest()


def _need_finite(values: np.ndarray, place: str, entry: Entry) -> None:
    finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if not finite.all():
        frame = int(np.argmin(finite))
        raise DatasetError(f"{place} of frame {frame} of episode {entry.index} is not finite.")
