"""Which files of a dataset are read: of a LeRobot set those of some episodes, of CALVIN's folders those of a split.

So that a dataset that is elsewhere need not be fetched whole. Paths are below the dataset's root, with `/`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from calvin.episode import IMAGE_FIELDS
from calvin.split import TRAINING, VALIDATION, Reading
from errors import DatasetError
from settings.shown import shown

if TYPE_CHECKING:
    from calvin.lerobot_format.description import Description
    from calvin.lerobot_format.episodes import Contents
    from calvin.lerobot_format.listed import Listed

_META, _INFO, _SEALED = "meta/", "meta/info.json", "meta/calvin.json"
_SPLITS = (TRAINING, VALIDATION)
_PICTURES = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True)
class Need:
    """splits: of CALVIN's folders. episodes: numbers and ranges, of a LeRobot set. cameras: its columns of pictures.
    frames: how many those episodes have. None: all, or not known.
    """

    splits: tuple[str, ...] | None = None
    episodes: str | None = None
    cameras: tuple[str, ...] | None = None
    frames: int | None = None


class Lists:
    """What tells which files of a dataset are needed: the paths of all, and of a LeRobot set its lists, which are
    there when they are first asked, and read once. For datasets that do not change, as a commit's."""

    def __init__(self, root: Path, paths: Iterable[str]) -> None:
        self.root = root
        self.paths = tuple(paths)
        self._listed: dict[tuple[str, Reading], Listed] = {}

    @cached_property
    def is_lerobot(self) -> bool:
        return _INFO in self._known

    @cached_property
    def is_sealed(self) -> bool:
        """Of a LeRobot set: with all files of its frames."""
        return _SEALED in self._known

    @cached_property
    def files(self) -> list[str]:
        """Paths of the lists themselves."""
        return [path for path in self.paths if path.startswith(_META)] if self.is_lerobot else []

    @cached_property
    def about(self) -> Description:
        from calvin.lerobot_format.description import read_description

        return read_description(self.root)

    @cached_property
    def contents(self) -> Contents:
        from calvin.lerobot_format.episodes import read_contents

        return read_contents(self.about)

    def listed(self, name: str, reading: Reading) -> Listed:
        """A split. Raises as `read_listed`."""
        from calvin.lerobot_format.listed import listed_of

        found = self._listed.get((name, reading))
        if found is None:
            self._listed[name, reading] = found = listed_of(self.about, self.contents, name, reading)
        return found

    def absent(self, paths: Iterable[Path]) -> list[str]:
        """Those below `root` that no file has, as paths below it."""
        return sorted({path.relative_to(self.root).as_posix() for path in paths} - self._known)

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.paths)


def need_of(lists: Lists, asked: Sequence[tuple[str, Reading]]) -> Need:
    """What is read where each of `asked`, a split and what is said of it, is opened.

    Raises DatasetError where the lists of a LeRobot set tell already that one cannot be opened.
    """
    if not lists.is_lerobot:
        splits = tuple(name for name in _SPLITS if name in {name for name, _ in asked})
        return Need(splits=None if splits == _SPLITS else splits)
    return _need_of_set(lists, asked)


def need_of_some(lists: Lists, name: str, reading: Reading, places: Sequence[int]) -> Need:
    """What the demonstrations at some places of a split need. reading: settled, of a LeRobot set.

    Raises as `need_of`, and DatasetError for a place that the split has not.
    """
    if not lists.is_lerobot:
        return Need(splits=(name,))
    from calvin.lerobot_format.held_out import as_text

    numbers = sorted(lists.listed(name, reading).demonstrations)
    beyond = [place for place in places if not 0 <= place < len(numbers)]
    if beyond:
        raise DatasetError(
            f"{lists.root}: {len(beyond)} of {len(places)} demonstrations that are asked for are not there (first: "
            f"{beyond[0]}): its lists have {len(numbers)} of the {name}; restore the dataset, or submit the ablation "
            "again"
        )
    said = dict(reading.columns)
    cameras = tuple(said[array] for array in IMAGE_FIELDS if array in said)
    return Need(episodes=as_text(frozenset(numbers[place] for place in places)), cameras=cameras)


def needed(lists: Lists, need: Need) -> list[str]:
    """Paths of the files that are needed, in their order. Raises DatasetError for a file of an episode that is none of
    them."""
    if lists.is_lerobot:
        is_all = need.episodes is None and need.cameras is None
        return list(lists.paths) if is_all else _needed_of_set(lists, need)
    if need.splits is None:
        return list(lists.paths)
    others = tuple(f"{name}/" for name in _SPLITS if name not in need.splits)
    return [path for path in lists.paths if not path.startswith(others)]


def numbers_of(lists: Lists, episodes: str) -> str:
    """The numbers of the episodes that `data.episodes` names in a LeRobot set. Raises DatasetError, also for a dataset
    of another format."""
    if not lists.is_lerobot:
        raise DatasetError(f"data.episodes: {lists.root} has none; this is for LeRobot sets.")
    from calvin.lerobot_format.held_out import as_text

    return as_text(lists.listed(TRAINING, Reading(episodes=episodes)).asked_for)


def frames_of(lists: Lists, episodes: str | None) -> int | None:
    """How many frames a LeRobot set has, or some of its episodes by their numbers; None for another dataset, whose
    lists do not tell."""
    if not lists.is_lerobot:
        return None
    from calvin.lerobot_format.held_out import parsed_episodes

    entries = lists.contents.entries
    every = frozenset(entry.index for entry in entries)
    chosen = every if episodes is None else parsed_episodes(episodes, every)
    return sum(entry.length for entry in entries if entry.index in chosen)


def parts_of(lists: Lists, asked: Sequence[tuple[str, Reading]]) -> list[list[tuple[int, int]]]:
    """Of a LeRobot set: for each different split of `asked` its demonstrations' episodes in their order, each with its
    frames. Raises as `need_of`."""
    found: dict[tuple[tuple[int, int], ...], None] = {}
    for name, reading in asked:
        listed = lists.listed(name, reading)
        entries = (e for e in listed.contents.entries if e.index in listed.demonstrations)
        found[tuple((entry.index, entry.length) for entry in entries)] = None
    return [list(part) for part in found]


def _need_of_set(lists: Lists, asked: Sequence[tuple[str, Reading]]) -> Need:
    from calvin.lerobot_format.columns import choose_columns
    from calvin.lerobot_format.episodes import read_modality
    from calvin.lerobot_format.held_out import as_text
    from calvin.lerobot_format.listed import need_told, without

    root = lists.root
    episodes: set[int] = set()
    cameras: dict[str, None] = {}
    frames = 0
    for name, reading in asked:
        listed = lists.listed(name, reading)
        compared = reading.validation_root is not None and name == TRAINING
        if not compared:
            need_told(root, listed.parts, len(listed.every))
        if not listed.demonstrations:
            raise without(root, name, listed.told_unused, listed.parts)
        columns = choose_columns(listed.about, read_modality(root), dict(reading.columns))
        cameras |= dict.fromkeys(columns.need(array) for array in IMAGE_FIELDS)
        episodes |= listed.every if lists.is_sealed and reading.episodes is None else listed.used
        frames += sum(e.length for e in listed.contents.entries if e.index in listed.demonstrations)
    return Need(episodes=as_text(frozenset(episodes)), cameras=tuple(cameras), frames=frames)


def _needed_of_set(lists: Lists, need: Need) -> list[str]:
    from calvin.lerobot_format.held_out import parsed_episodes

    entries = lists.contents.entries
    every = frozenset(entry.index for entry in entries)
    episodes = every if need.episodes is None else parsed_episodes(need.episodes, every)
    cameras = {name for name, one in lists.about.features.items() if one.is_picture}
    cameras &= cameras if need.cameras is None else set(need.cameras)
    wanted, folders = set(), set()
    for entry in entries:
        if entry.index in episodes:
            wanted.add(entry.data)
            wanted |= {film.path for column, film in entry.films.items() if column in cameras}
            folders |= {f"images/{column}/episode_{entry.index:06d}" for column in cameras}
    if absent := lists.absent(wanted):
        raise DatasetError(f"{lists.root}: {shown(absent[0])} is missing: an episode is listed to be there.")
    named = {path.relative_to(lists.root).as_posix() for path in wanted}

    def is_needed(path: str) -> bool:
        if path.startswith(_META) or path in named:
            return True
        above = path.rpartition("/")[0]
        is_beside = path.lower().endswith(_PICTURES) and not above.startswith("images/")
        return above in folders or is_beside  # a table may name a picture anywhere

    return [path for path in lists.paths if is_needed(path)]
