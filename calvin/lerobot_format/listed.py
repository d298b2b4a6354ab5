"""What a LeRobot set's lists tell of a split by themselves, before any of its frames is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from calvin.lerobot_format.chosen import SETTING, chosen_episodes
from calvin.lerobot_format.description import Description, read_description
from calvin.lerobot_format.episodes import Contents, read_contents
from calvin.lerobot_format.held_out import Parts, parted
from calvin.lerobot_format.tasks import Told, told_of
from calvin.split import TRAINING, VALIDATION, Reading
from errors import DatasetError
from settings.shown import cut


@dataclass(frozen=True)
class Listed:
    """A split by the lists of its set. parts: without what a validation set's states may tell besides. told: what each
    of the entries shows. asked_for: numbers of the episodes that `data.episodes` names.
    """

    name: str
    reading: Reading
    about: Description
    contents: Contents
    parts: Parts
    told: tuple[Told | None, ...]
    asked_for: frozenset[int]

    @cached_property
    def every(self) -> frozenset[int]:
        return frozenset(entry.index for entry in self.contents.entries)

    @property
    def wanted(self) -> frozenset[int]:
        """Numbers of the episodes that the split has, of whatever task."""
        return self._of_split & self.asked_for

    @cached_property
    def used(self) -> frozenset[int]:
        """Numbers of the episodes whose files are read where it is opened: those of a known task that are asked for,
        of both splits, so that both are read in the same way; with another set that is judged on, the training's alone.
        """
        used = self.asked_for & self._known
        if self.reading.is_settled:
            return used
        if self.reading.is_validation:
            return used & self.parts.validation
        if self.reading.validation_root is not None and self.name == TRAINING:
            return used & self.parts.training
        return used

    @property
    def demonstrations(self) -> frozenset[int]:
        """Numbers of the episodes that are its demonstrations."""
        return self.wanted & self._known

    @property
    def told_unused(self) -> tuple[str, ...]:
        """How many of the split `data.episodes` leaves out; nothing where that is none."""
        count = len(self._of_split - self.asked_for)
        if not count:
            return ()
        what = "demonstration is" if count == 1 else "demonstrations are"
        return (f"{count} {what} not among {SETTING} ({cut(str(self.reading.episodes))})",)

    @cached_property
    def _known(self) -> frozenset[int]:
        return frozenset(e.index for e, one in zip(self.contents.entries, self.told) if one is not None)

    @property
    def _of_split(self) -> frozenset[int]:
        if self.name == TRAINING:
            return self.parts.training
        says_none = self.reading.validation_episodes is not None and not self.parts.validation
        if (
            says_none and not self.reading.is_settled
        ):  # nothing is held out: it is judged on what it was trained on
            return self.every
        return self.parts.validation


def read_listed(root: Path, name: str, reading: Reading) -> Listed:
    """Raises DatasetError naming file and field, or the setting."""
    about = read_description(Path(root))
    return listed_of(about, read_contents(about), name, reading)


def listed_of(about: Description, contents: Contents, name: str, reading: Reading) -> Listed:
    """A split by lists that were read already. Raises as `read_listed`."""
    told = told_of(entry.tasks for entry in contents.entries)
    parts = parted(about, contents.entries, told, reading.validation_episodes)
    if reading.is_validation and not reading.is_settled and (parts.basis is None or not parts.validation):
        every = frozenset(entry.index for entry in contents.entries)
        parts = Parts(frozenset(), parts.validation or every, "it was named as a validation set")
    asked_for = chosen_episodes(reading.episodes, contents.entries, told)
    return Listed(name, reading, about, contents, parts, told, asked_for)


def need_told(root: Path, parts: Parts, count: int) -> None:
    """Raises DatasetError where nothing tells which of the `count` episodes are the validation's."""
    if parts.basis is None:
        raise DatasetError(
            f"{root}: nothing tells which of its {count} demonstrations are CALVIN's validation ({parts.question}): "
            "name them in data.validation_episodes (6-8, or none where it has none), or a validation set in "
            "data.validation_root."
        )


def without(root: Path, name: str, left_out: Sequence[str], parts: Parts) -> DatasetError:
    """That a split has no demonstration, and why."""
    why = "; ".join(left_out) or f"{parts.basis}"
    more = "; name a validation set in data.validation_root" if name == VALIDATION else ""
    return DatasetError(f"{root} has no {name} demonstration: {why}{more}.")
