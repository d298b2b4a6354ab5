"""Demonstrations that the scripted expert is yet to make, as the source of a conversion."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial

from benchmark.cameras import TINY
from calvin.conversion.source import Item, Source
from calvin.conversion.target import Piece
from calvin.episode import FRAME_SHAPES
from calvin.split import BATON, Record
from simulators.playtable.env import PlayTable
from tasks.data.ingest import make_demonstration, the_made
from tasks.specs import Demonstration, SplitName


def made_source(
    entries: Mapping[SplitName, Sequence[Demonstration]], instructions: Mapping[str, str]
) -> Source:
    """entries: number, scene, task, seed by split; those of a scene adjoin. instructions: by task.

    Reading an item raises SimulatorError when the expert keeps missing a task.
    """
    table = _Table()
    items = [
        Item(split, partial(_identity, entry, split), partial(table.make, entry, split), None)
        for split, of in entries.items()
        for entry in of
    ]
    return Source(
        tuple(items),
        dict.fromkeys(entries, Record(TINY, BATON)),  # `PlayTable` draws with nothing else here
        dict.fromkeys(entries, instructions),
        tuple(FRAME_SHAPES),
        extras={},
        has_boxes=True,
        digits=7,
    )


class _Table:
    """The table of the scene that was asked for last: demonstrations of a scene adjoin."""

    def __init__(self) -> None:
        self._table: PlayTable | None = None
        self._scene: str | None = None

    def make(self, entry: Demonstration, split: str, before: int) -> Piece:
        scene = the_made(entry.scene)
        if self._table is None or scene != self._scene:
            self._table, self._scene = PlayTable(scene), scene
        episode, _ = make_demonstration(self._table, entry, split)
        return Piece(replace(episode, start=before, end=before + len(episode) - 1))


def _identity(entry: Demonstration, split: str) -> str:
    about = [split, asdict(entry)]
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
