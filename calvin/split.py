"""The door to recorded demonstrations: what any format of them offers, and how a split of one is opened.

To add a format, write a module with a `Format`, and its line in `FORMATS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from errors import DatasetError

if TYPE_CHECKING:
    from calvin.episode import Episode, FrameBoxes

TRAINING, VALIDATION = "training", "validation"

#: Whose scenes pictures show.
BATON, CALVIN = "baton", "calvin"


@dataclass(frozen=True)
class Demonstration:
    """One annotated stretch of frames, `start` to `end` inclusive; stretches may overlap.

    `index` is its place in its split. `scene` is "A".."D", or "unknown" where the data do not say.
    """

    index: int
    task: str
    instruction: str
    start: int
    end: int
    scene: str


@dataclass(frozen=True)
class Recording:
    """What drew a split's pictures: `egl`, `tiny`, or None where nothing but an editable file tells.

    basis: what that rests on, a part of a sentence. scenes: `baton` or `calvin`, None where it is not known.
    """

    renderer: str | None
    basis: str
    scenes: str | None = None


@dataclass(frozen=True)
class Findings:
    """`problems` make a dataset unsound; `notes` are worth knowing. One sentence each."""

    problems: tuple[str, ...]
    notes: tuple[str, ...]


class Split(Protocol):
    """The demonstrations of one split. Frames are read only when asked for.

    Whatever reads files raises DatasetError, in one sentence that names the file and what is wrong with it.
    """

    @property
    def split(self) -> str:
        """`training` or `validation`."""

    @property
    def folder(self) -> Path:
        """Where the data lie; sentences begin with it."""

    @property
    def boxes_file(self) -> Path:
        """Where true boxes are, if there are any."""

    @property
    def frame_digits(self) -> int:
        """To how many digits frame numbers are written."""

    @property
    def demonstrations(self) -> tuple[Demonstration, ...]:
        """In their order: a demonstration's `index` is its place."""

    @property
    def validation_instructions(self) -> Mapping[str, str]:
        """The evaluation instruction by task; empty where there are none."""

    def read(self, demonstration: Demonstration) -> Episode:
        """All frames of a demonstration, in CALVIN's units and shapes."""

    def read_frame(self, frame: int) -> Mapping[str, np.ndarray]:
        """One frame's arrays, of the shapes in `calvin.episode.FRAME_SHAPES`."""

    def content_of(self, frame: int) -> Sequence[tuple[str, int]]:
        """What is equal for frames of equal content only, known without reading their arrays."""

    def fingerprint(self, demonstration: Demonstration) -> str:
        """SHA-256 in hex that changes when the demonstration's content does; the same in another folder."""

    def boxes_of(self, demonstration: Demonstration) -> tuple[FrameBoxes, ...] | None:
        """True boxes of each frame; None where none are known."""

    def embeddings(self) -> np.ndarray | None:
        """Sentence embeddings by demonstration, (N, 1, width); None where there are none."""

    def recording(self) -> Recording:
        """What drew the pictures, as far as it is known without drawing anything."""

    def examine(self, frames: Iterable[int]) -> Findings:
        """What is wrong with each of `frames`, those of `annotated_frames`, and with the files beside them."""


class Format(Protocol):
    """One way in which splits lie on a disk."""

    def is_at(self, root: Path) -> bool:
        """Whether what lies at `root` is of this format. Looks at names only."""

    def check_place(self, root: Path, name: str) -> None:
        """Raises DatasetError unless there is a split of that name. Looks at names only."""

    def open(self, root: Path, name: str) -> Split:
        """Raises DatasetError where anything that a split's users would meet is missing or damaged."""

    def survey(self, root: Path, name: str) -> tuple[Split, tuple[DatasetError, ...]]:
        """As much of the split as can be opened, and all that cannot. Raises DatasetError where nothing can."""


#: Name -> where its `Format` is. They are asked in this order; what none knows is taken for the last, whose sentences
#: say what is missing.
FORMATS: dict[str, str] = {
    "calvin": "calvin.dataset:CalvinFolders",
}


def open_split(root: Path, name: str) -> Split:
    """Open the split `name` (`training` or `validation`) of what lies at `root`. Raises as `Format.open` does."""
    return _format_at(root).open(root, name)


def survey_split(root: Path, name: str) -> tuple[Split, tuple[DatasetError, ...]]:
    """See `Format.survey`."""
    return _format_at(root).survey(root, name)


def check_place(root: Path, name: str) -> None:
    """See `Format.check_place`."""
    _format_at(root).check_place(root, name)


def splits_at(root: Path) -> tuple[str, ...]:
    """Names of the splits that lie at `root`."""
    found = []
    for name in (TRAINING, VALIDATION):
        with suppress(DatasetError):
            check_place(root, name)
            found.append(name)
    return tuple(found)


def annotated_frames(split: Split) -> list[int]:
    """Ids of the frames that some demonstration covers, each once, in order."""
    return sorted({frame for d in split.demonstrations for frame in range(d.start, d.end + 1)})


def _format_at(root: Path) -> Format:
    formats = [_loaded(place) for place in FORMATS.values()]
    return next((known for known in formats if known.is_at(Path(root))), formats[-1])


def _loaded(place: str) -> Format:
    module, name = place.split(":")
    made: Format = getattr(import_module(module), name)()
    return made
