"""What the numbers of a set are, by a look at all episodes of most sets, and at those of some files of the largest.

What is found out there is looked at again in all episodes before work on them begins, and by `data check`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from calvin.lerobot_format.actions import Track, check_states, decide
from calvin.lerobot_format.columns import Columns
from calvin.lerobot_format.description import Description
from calvin.lerobot_format.episodes import Contents, Entry
from calvin.lerobot_format.rows import Vectors, by_file, read_vectors
from settings.shown import cut

#: Of a set with more, some files are looked at: as many as hold so many frames, and two at least. CALVIN's validation
#: has as many as the second.
_ALL_FRAMES, _SOME_FRAMES, _MOST_FILES, _FEWEST_FILES = 150_000, 60_000, 250, 2


@dataclass(frozen=True, eq=False)
class Look:
    """At the numbers of some episodes, or all. columns: those that are relative and absolute actions. reasons, notes:
    one sentence each.
    """

    question: Question
    vectors: Vectors
    columns: tuple[str | None, str | None]
    reasons: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def told(self) -> str:
        """The columns of actions, a part of a sentence."""
        named = zip(("relative", "absolute"), self.columns)
        return " and ".join(f"{cut(column)} ({kind})" for kind, column in named if column is not None)


@dataclass(frozen=True, eq=False)
class Question:
    """What numbers are to be looked at. state, scene: columns. tabled: of pictures. said: by a user, by array."""

    state: str
    scene: str | None
    tabled: tuple[str, ...]
    columns: Columns
    said: Mapping[str, str]

    def asked(self, about: Description, contents: Contents, entries: Sequence[Entry]) -> Look:
        """Raises DatasetError as `read_vectors`, `check_states` and `decide`."""
        vectors = read_vectors(entries, contents, self.state, self.columns.actions, self.scene, self.tabled)
        check_states(vectors.states, vectors.entries, f"{about.file}: {self.state}")
        track = Track(vectors.states, vectors.entries)
        decision = decide(track, vectors.actions, self.said, about.file)
        return Look(
            self,
            vectors,
            (decision.relative, decision.absolute),
            (*(one.told for one in self.columns.chosen), *decision.reasons),
            decision.notes,
        )


def looked_at(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """In their order: all of some files, evenly spaced."""
    frames = sum(entry.length for entry in entries)
    files = list(by_file(entries))
    count = min(_MOST_FILES, max(_FEWEST_FILES, _SOME_FRAMES * len(files) // frames))
    if frames <= _ALL_FRAMES or count >= len(files):
        return tuple(entries)
    places = {round(place) for place in np.linspace(0, len(files) - 1, count)}
    chosen = [entry for place in sorted(places) for entry in files[place][1]]
    return tuple(sorted(chosen, key=lambda entry: entry.index))
