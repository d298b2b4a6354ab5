"""The door to recorded demonstrations: what any format of them offers, and how a split of one is opened.

To add a format, write a module with a `Format`, and its line in `FORMATS`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

import numpy as np

from benchmark.cameras import EGL, TINY
from errors import DatasetError, WronglySaid

if TYPE_CHECKING:
    from calvin.episode import Episode, FrameBoxes
    from calvin.overview import Overview

TRAINING: Final = "training"
VALIDATION: Final = "validation"

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

    basis: what that rests on, a part of a sentence. scenes: `baton` or `calvin`, None where it is not known. losses: by
    what pictures lost detail when they were recorded, None where they are as they were drawn.
    """

    renderer: str | None
    basis: str
    scenes: str | None = None
    losses: str | None = None


@dataclass(frozen=True)
class Record:
    """What Baton writes of a split's pictures: see `Recording`."""

    drawn_by: str | None
    scenes: str | None
    losses: str | None = None

    @property
    def document(self) -> dict[str, str | None]:
        """As it is written: `losses` only where there are some, as older records have none."""
        return {key: value for key, value in asdict(self).items() if key != "losses" or value is not None}

    @property
    def says_anything(self) -> bool:
        return self.drawn_by is not None or self.losses is not None

    @property
    def is_known(self) -> bool:
        """Whether it says what can be: what a file says may be anything."""
        drawn = self.drawn_by in (EGL, TINY, None) and self.scenes in (BATON, CALVIN, None)
        return drawn and self.says_anything and (self.losses is None or isinstance(self.losses, str))


@dataclass(frozen=True)
class Reading:
    """What users say of a dataset that does not say it itself.

    columns: (array, column that has it), by CALVIN's names of arrays. validation_episodes: numbers and ranges of
    episodes that nothing is trained on, or `none`. validation_root: another dataset, whose validation demonstrations
    are not trained on where this one has them too. scenes: `D`, or `A=0-5;B=6-8,12` by episodes. episodes: numbers,
    ranges and tasks of those that are used, None for all. is_validation: all demonstrations are validation's where
    nothing tells. is_settled: all of it was found out before (`Settling.settled`), and is not looked at again.
    """

    columns: tuple[tuple[str, str], ...] = ()
    validation_episodes: str | None = None
    validation_root: str | None = None
    scenes: str | None = None
    episodes: str | None = None
    is_validation: bool = False
    is_settled: bool = False


#: Of a dataset that says everything itself.
NOTHING_SAID: Final = Reading()


@dataclass(frozen=True)
class Findings:
    """`problems` make a dataset unsound; `notes` are worth knowing. One sentence each. overview: what all frames that
    can be read are like.
    """

    problems: tuple[str, ...]
    notes: tuple[str, ...]
    overview: Overview | None = None


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


@runtime_checkable
class LeavingOut(Protocol):
    """A split that may have less than its dataset says."""

    @property
    def left_out(self) -> tuple[str, ...]:
        """What of the dataset is no demonstration of this split, and why: a part of a sentence each."""


@runtime_checkable
class Numbering(Protocol):
    """A split of a format whose episodes have numbers, by which settings name them."""

    def number_of(self, demonstration: Demonstration) -> int:
        """Of the whole dataset, and not of this split."""


@runtime_checkable
class Settling(Protocol):
    """A split of a format in which much is found out by looking at the whole."""

    @property
    def settled(self) -> Reading:
        """With which it is the same split without looking again."""


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


@runtime_checkable
class Told(Protocol):
    """A `Format` of datasets that do not say everything themselves."""

    def told(self, reading: Reading) -> Format:
        """The same for a dataset of which users say this."""


#: Name -> where its `Format` is. They are asked in this order; what none knows is taken for the last, whose sentences
#: say what is missing.
FORMATS: dict[str, str] = {
    "lerobot": "calvin.lerobot_format.sets:LeRobotSets",
    "calvin in tar shards": "calvin.tar_shards:TarShards",
    "calvin": "calvin.dataset:CalvinFolders",
}


def open_split(root: Path, name: str, reading: Reading = NOTHING_SAID) -> Split:
    """Open the split `name` (`training` or `validation`) of what lies at `root`. Raises as `Format.open` does, and
    DatasetError where something is said of a dataset that says it itself.
    """
    return _format_at(root, reading).open(root, name)


def survey_split(
    root: Path, name: str, reading: Reading = NOTHING_SAID
) -> tuple[Split, tuple[DatasetError, ...]]:
    """See `Format.survey`."""
    return _format_at(root, reading).survey(root, name)


def settled(split: Split, reading: Reading) -> Reading:
    """How the same split is opened again, in another process, without looking at all of its dataset."""
    return split.settled if isinstance(split, Settling) else reading


def left_out(split: Split) -> tuple[str, ...]:
    """See `LeavingOut.left_out`."""
    return split.left_out if isinstance(split, LeavingOut) else ()


def check_place(root: Path, name: str) -> None:
    """See `Format.check_place`."""
    _format_at(root).check_place(root, name)


def known_format(root: Path) -> str | None:
    """The name in `FORMATS` of what lies at `root`; None where it looks like nothing that is known."""
    return next((name for name, place in FORMATS.items() if _loaded(place).is_at(Path(root))), None)


def splits_at(root: Path) -> tuple[str, ...]:
    """Names of the splits that lie at `root`."""
    found = []
    for name in (TRAINING, VALIDATION):
        with suppress(DatasetError):
            check_place(root, name)
            found.append(name)
    return tuple(found)


class Covered:
    """Which of some stretches of frames has a frame; they may overlap."""

    def __init__(self, stretches: Sequence[tuple[int, int]]) -> None:
        """stretches: first and last frame of each."""
        order = sorted(range(len(stretches)), key=stretches.__getitem__)
        self._order = order
        self._starts = [stretches[place][0] for place in order]
        self._ends = [stretches[place][1] for place in order]
        self._longest = max((end - start for start, end in stretches), default=0)

    def demonstration_with(self, frame: int) -> int | None:
        """The place of one that has it, always the same; None where none has."""
        place = bisect_right(self._starts, frame) - 1
        while place >= 0 and self._starts[place] >= frame - self._longest:
            if self._ends[place] >= frame:
                return self._order[place]
            place -= 1
        return None


def annotated_frames(split: Split) -> list[int]:
    """Ids of the frames that some demonstration covers, each once, in order."""
    return sorted({frame for d in split.demonstrations for frame in range(d.start, d.end + 1)})


def _format_at(root: Path, reading: Reading = NOTHING_SAID) -> Format:
    formats = [_loaded(place) for place in FORMATS.values()]
    found = next((known for known in formats if known.is_at(Path(root))), formats[-1])
    if isinstance(found, Told):
        return found.told(reading)
    if reading.is_validation:  # its validation split is there for all to see
        return found
    for said, setting in (
        (reading.columns, "columns"),
        (reading.validation_episodes, "validation_episodes"),
        (reading.scenes, "scenes"),
        (reading.episodes, "episodes"),
    ):
        if said is not None and said != ():
            raise WronglySaid(f"data.{setting}: {root} says that itself; this is for LeRobot sets.")
    return found


def _loaded(place: str) -> Format:
    module, name = place.split(":")
    made: Format = getattr(import_module(module), name)()
    return made
