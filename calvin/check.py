"""Reads every annotated frame of a split and says what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable

from calvin.dataset import CalvinSplit
from errors import DatasetError


def annotated_frames(split: CalvinSplit) -> list[int]:
    """Ids of the frames that some demonstration covers, each once, in order."""
    return sorted({frame for d in split.demonstrations for frame in range(d.start, d.end + 1)})


def problems(split: CalvinSplit, frames: Iterable[int]) -> list[str]:
    """One sentence per unreadable frame of `frames`, then one per demonstration that is otherwise at fault."""
    found = []
    unreadable = set()
    for frame in frames:
        try:
            split.frames.read(frame)
        except DatasetError as error:
            unreadable.add(frame)
            found.append(str(error))
    for demonstration in split.demonstrations:
        if unreadable.isdisjoint(range(demonstration.start, demonstration.end + 1)):
            try:
                split.fingerprint(demonstration)
            except DatasetError as error:
                found.append(str(error))
    return found
