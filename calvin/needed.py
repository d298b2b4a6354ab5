"""Which files of a dataset are read: of a LeRobot set those of some episodes, of CALVIN's folders those of a split.

So that a dataset that is elsewhere need not be fetched whole. Paths are below the dataset's root, with `/`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from calvin.episode import IMAGE_FIELDS
from calvin.split import TRAINING, VALIDATION, Reading
from errors import DatasetError
from settings.shown import shown

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


def is_lerobot(paths: Iterable[str]) -> bool:
    return _INFO in paths


def lists_of(paths: Sequence[str]) -> list[str]:
    """The files that tell which others are needed; they have to be there for the other questions."""
    return [path for path in paths if path.startswith(_META)] if is_lerobot(set(paths)) else []


def need_of(root: Path, paths: Sequence[str], asked: Sequence[tuple[str, Reading]]) -> Need:
    """What is read where each of `asked`, a split and what is said of it, is opened. paths: all files of the dataset.

    Raises DatasetError where the lists of a LeRobot set tell already that one cannot be opened.
    """
    if not is_lerobot(set(paths)):
        splits = tuple(name for name in _SPLITS if name in {name for name, _ in asked})
        return Need(splits=None if splits == _SPLITS else splits)
    return _need_of_set(root, _SEALED in paths, asked)


def need_of_some(
    root: Path, paths: Sequence[str], name: str, reading: Reading, places: Sequence[int]
) -> Need:
    """What the demonstrations at some places of a split need. reading: settled, of a LeRobot set. Raises as
    `need_of`."""
    if not is_lerobot(set(paths)):
        return Need(splits=(name,))
    from calvin.lerobot_format.held_out import as_text
    from calvin.lerobot_format.listed import read_listed

    listed = read_listed(root, name, reading)
    numbers = sorted(listed.demonstrations)
    chosen = frozenset(numbers[place] for place in places if place < len(numbers))
    said = dict(reading.columns)
    cameras = tuple(said[array] for array in IMAGE_FIELDS if array in said)
    return Need(episodes=as_text(chosen), cameras=cameras)


def needed(root: Path, paths: Sequence[str], need: Need) -> list[str]:
    """Those of `paths` that are needed, in their order. Raises DatasetError for a file of an episode that is none of
    them."""
    if is_lerobot(set(paths)):
        is_all = need.episodes is None and need.cameras is None
        return list(paths) if is_all else _needed_of_set(root, paths, need)
    if need.splits is None:
        return list(paths)
    others = tuple(f"{name}/" for name in _SPLITS if name not in need.splits)
    return [path for path in paths if not path.startswith(others)]


def numbers_of(root: Path, episodes: str) -> str:
    """The numbers of the episodes that `data.episodes` names in a LeRobot set. Raises DatasetError, also for a dataset
    of another format."""
    if not (root / _INFO).is_file():
        raise DatasetError(f"data.episodes: {root} has none; this is for LeRobot sets.")
    from calvin.lerobot_format.held_out import as_text
    from calvin.lerobot_format.listed import read_listed

    return as_text(read_listed(root, TRAINING, Reading(episodes=episodes)).asked_for)


def frames_of(root: Path, episodes: str | None) -> int | None:
    """How many frames a LeRobot set has, or some of its episodes by their numbers; None for another dataset, whose
    lists do not tell."""
    if not (root / _INFO).is_file():
        return None
    from calvin.lerobot_format.description import read_description
    from calvin.lerobot_format.episodes import read_contents
    from calvin.lerobot_format.held_out import parsed_episodes

    entries = read_contents(read_description(root)).entries
    every = frozenset(entry.index for entry in entries)
    chosen = every if episodes is None else parsed_episodes(episodes, every)
    return sum(entry.length for entry in entries if entry.index in chosen)


def parts_of(root: Path, asked: Sequence[tuple[str, Reading]]) -> list[list[tuple[int, int]]]:
    """Of a LeRobot set: for each different split of `asked` its demonstrations' episodes in their order, each with its
    frames. Raises as `need_of`."""
    from calvin.lerobot_format.listed import read_listed

    found: dict[tuple[tuple[int, int], ...], None] = {}
    for name, reading in asked:
        listed = read_listed(root, name, reading)
        entries = (e for e in listed.contents.entries if e.index in listed.demonstrations)
        found[tuple((entry.index, entry.length) for entry in entries)] = None
    return [list(part) for part in found]


def _need_of_set(root: Path, is_sealed: bool, asked: Sequence[tuple[str, Reading]]) -> Need:
    """is_sealed: with all files of its frames."""
    from calvin.lerobot_format.columns import choose_columns
    from calvin.lerobot_format.episodes import read_modality
    from calvin.lerobot_format.held_out import as_text
    from calvin.lerobot_format.listed import need_told, read_listed, without

    episodes: set[int] = set()
    cameras: dict[str, None] = {}
    frames = 0
    for name, reading in asked:
        listed = read_listed(root, name, reading)
        compared = reading.validation_root is not None and name == TRAINING
        if not compared:
            need_told(root, listed.parts, len(listed.every))
        if not listed.demonstrations:
            raise without(root, name, listed.told_unused, listed.parts)
        columns = choose_columns(listed.about, read_modality(root), dict(reading.columns))
        cameras |= dict.fromkeys(columns.need(array) for array in IMAGE_FIELDS)
        episodes |= listed.every if is_sealed and reading.episodes is None else listed.used
        frames += sum(e.length for e in listed.contents.entries if e.index in listed.demonstrations)
    return Need(episodes=as_text(frozenset(episodes)), cameras=tuple(cameras), frames=frames)


def _needed_of_set(root: Path, paths: Sequence[str], need: Need) -> list[str]:
    from calvin.lerobot_format.description import read_description
    from calvin.lerobot_format.episodes import read_contents
    from calvin.lerobot_format.held_out import parsed_episodes

    about = read_description(root)
    contents = read_contents(about)
    every = frozenset(entry.index for entry in contents.entries)
    episodes = every if need.episodes is None else parsed_episodes(need.episodes, every)
    cameras = {name for name, one in about.features.items() if one.is_picture}
    cameras &= cameras if need.cameras is None else set(need.cameras)
    wanted, folders = set(), set()
    for entry in contents.entries:
        if entry.index in episodes:
            wanted.add(entry.data)
            wanted |= {film.path for column, film in entry.films.items() if column in cameras}
            folders |= {f"images/{column}/episode_{entry.index:06d}" for column in cameras}
    named = {path.relative_to(root).as_posix() for path in wanted}
    if absent := sorted(named.difference(paths)):
        raise DatasetError(f"{root}: {shown(absent[0])} is missing: an episode is listed to be there.")

    def is_needed(path: str) -> bool:
        if path.startswith(_META) or path in named:
            return True
        above = PurePosixPath(path).parent.as_posix()
        is_beside = path.lower().endswith(_PICTURES) and not above.startswith("images/")
        return above in folders or is_beside  # a table may name a picture anywhere

    return [path for path in paths if is_needed(path)]
