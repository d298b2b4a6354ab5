"""Demonstrations by the scripted expert, one after another, as the episodes of one split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from calvin.episode import Episode
from simulators.playtable.env import PlayTable
from tasks.data.ingest import make_demonstration, the_made
from tasks.specs import Demonstration


def generate(entries: Sequence[Demonstration], split: str) -> Iterator[Episode]:
    """Episodes with consecutive frame ids from 0. entries: number, scene, task, seed; those of a scene adjoin.

    Raises SimulatorError when the expert keeps missing a task.
    """
    table: PlayTable | None = None
    scene: str | None = None
    start = 0
    for entry in entries:
        if table is None or entry.scene != scene:
            scene = the_made(entry.scene)
            table = PlayTable(scene)
        episode, _ = make_demonstration(table, entry, split)
        frames = len(episode.rgb_static)
        yield replace(episode, start=start, end=start + frames - 1)
        start += frames
