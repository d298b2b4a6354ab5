"""CALVIN's own layout as the target of a conversion: one archive a frame; each split's small files at the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from calvin.conversion.target import Before, Facts, Piece
from calvin.frames import FrameFiles
from calvin.split import Covered, Record
from calvin.split_summary import Summary, check_facts, facts_of
from calvin.writer import arrays_of, write_frame, write_small_files
from errors import DatasetError


class CalvinTarget:
    """digits: to how many frame numbers are written. extras: names of those that are kept."""

    def __init__(
        self,
        digits: int,
        extras: Sequence[str],
        records: Mapping[str, Record],
        instructions: Mapping[str, Mapping[str, str]],
    ) -> None:
        self._digits, self._extras, self._records, self._instructions = (
            digits,
            tuple(extras),
            records,
            instructions,
        )
        self._written: dict[str, list[tuple[int, int]]] = {}

    @property
    def identity(self) -> dict[str, Any]:
        return {"to": "calvin", "digits": self._digits, "extras": list(self._extras)}

    def files(self, number: int, facts: Sequence[Facts]) -> Iterator[str]:
        for one in facts:
            frames = FrameFiles(Path(one["split"]), self._digits)
            yield from (
                frames.path(frame).as_posix() for frame in range(one["start"], one["start"] + one["length"])
            )

    def check(self, one: Facts, before: Before) -> None:
        check_facts(one)
        if one["end"] - one["start"] + 1 != one["length"]:
            raise ValueError("its frames are not as many as it says")

    def keep(self, facts: Sequence[Facts]) -> None:
        for one in facts:
            self._written.setdefault(one["split"], []).append((one["start"], one["end"]))

    def write(self, root: Path, number: int, pieces: Iterable[Piece]) -> list[Facts]:
        """A frame that an earlier demonstration has, too, must be the same: it is compared, and not written again."""
        found = []
        written = {split: list(stretches) for split, stretches in self._written.items()}
        for piece in pieces:
            episode = piece.episode
            facts = facts_of(episode)
            folder = root / episode.split
            folder.mkdir(exist_ok=True)
            frames, before = FrameFiles(folder, self._digits), written.setdefault(episode.split, [])
            covered = Covered(before)
            for position, frame in enumerate(range(episode.start, episode.end + 1)):
                arrays = arrays_of(episode, position)
                if covered.demonstration_with(frame) is not None:
                    _need_same(frames, frame, arrays)
                else:
                    extras = {name: piece.extras[name][position] for name in self._extras}
                    write_frame(frames.path(frame), {**arrays, **extras})
            before.append((episode.start, episode.end))
            found.append({**facts, "split": episode.split, "length": len(episode)})
        return found

    def finish(self, root: Path, parts: Iterable[Sequence[Facts]]) -> None:
        summaries: dict[str, Summary] = {}
        for facts in (one for part in parts for one in part):
            summaries.setdefault(facts["split"], Summary(shares_frames=True)).add(facts)
        for split, summary in summaries.items():
            record, phrases = self._records.get(split), self._instructions.get(split)
            said = record if record is not None and record.says_anything else None
            write_small_files(root / split, summary, self._digits, said, phrases or None)


def _need_same(frames: FrameFiles, frame: int, arrays: Mapping[str, np.ndarray]) -> None:
    there = frames.read(frame)
    for name, array in arrays.items():
        if not np.array_equal(there[name], array):
            raise DatasetError(
                f"frame {frame} has two {name}, in two of its demonstrations: CALVIN's layout has one picture a frame."
            )
