"""What a conversion writes into: a format that takes episodes part by part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from calvin.episode import Episode

#: What is known of an episode that was written, as JSON: `split`, `length`, `task`, and what its target needs to
#: finish.
Facts = dict[str, Any]


@dataclass(frozen=True)
class Piece:
    """An episode, and those of `calvin.episode.EXTRAS` that are kept, (T, ...) each."""

    episode: Episode
    extras: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Before:
    """What all parts before an episode hold, of whichever split, and those before it in its own."""

    episodes: int
    frames: int

    def and_then(self, facts: Sequence[Facts]) -> Before:
        return Before(self.episodes + len(facts), self.frames + sum(one["length"] for one in facts))


class Target(Protocol):
    """Parts are written in their order; the same ones give the same bytes, whoever wrote those before."""

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the bytes beside the episodes, as JSON: a conversion goes on only with the same."""

    def write(self, root: Path, number: int, pieces: Iterable[Piece]) -> list[Facts]:
        """Write the files of part `number` and return what is to be kept of it. What another process has left of them
        is replaced. Raises OSError, and DatasetError for an episode that the format cannot hold.
        """

    def files(self, number: int, facts: Sequence[Facts]) -> Iterable[str]:
        """Paths below the root of the files that hold the frames of part `number`, always in the same order."""

    def check(self, one: Facts, before: Before) -> None:
        """Raises ValueError, or InvalidInput, where a file says of an episode what `write` would not have returned
        behind those before it. The other methods are given nothing else."""

    def keep(self, facts: Sequence[Facts]) -> None:
        """That these were written, by this process or another: called once a part, in order."""

    def finish(self, root: Path, parts: Iterable[Sequence[Facts]]) -> None:
        """Write what stands beside the parts. parts: all that was kept, once more."""
