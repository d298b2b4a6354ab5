"""A LeRobot set as a whole: what its columns are, whether its actions are relative, and what each episode shows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

from benchmark.embodiment import CALVIN
from calvin.episode import FRAME_SHAPES, IMAGE_FIELDS
from calvin.lerobot_format.columns import ACTION_FIELDS, Columns, check_said, choose_columns
from calvin.lerobot_format.description import Description
from calvin.lerobot_format.episodes import Contents, Entry, read_modality
from calvin.lerobot_format.films import film_header, film_index, places_in_film
from calvin.lerobot_format.look import Look, Question, looked_at
from calvin.lerobot_format.rows import Place, Vectors, read_place
from calvin.lerobot_format.tasks import Told, told_of
from errors import DatasetError
from settings.faults import need_fact

#: Texts of JSON, what `calvin.boxes` reads of one frame; empty where it is not known.
BOXES_COLUMN = "boxes"
#: Columns by which LeRobot counts frames and episodes.
COUNTING = ("timestamp", "frame_index", "episode_index", "index", "task_index", "next.done", "next.reward")
#: Films whose headers are looked at before work begins (3 ms each); `data check` decodes all.
_FILMS_OPENED = 300
#: By which the seconds of a film may have drifted from its frames: lerobot adds floats up.
_FRAMES_APART = 1.5


@dataclass(frozen=True, eq=False)
class Dataset:
    """columns: by array, without those that the set lacks. told: what each of the entries shows. used: numbers of the
    episodes whose files have to be there. look: at the numbers of some of these or all, None in one that was settled
    before. shared: numbers of the episodes that a validation set has too, by its root, as they were found once.
    """

    about: Description
    contents: Contents
    columns: Mapping[str, str]
    told: tuple[Told | None, ...]
    used: frozenset[int]
    look: Look | None = None
    notes_on_files: tuple[str, ...] = ()
    shared: dict[str, frozenset[int]] = field(default_factory=dict)
    _found: dict[int, Place] = field(default_factory=dict)

    @cached_property
    def whole(self) -> Look | None:
        """`look` at all episodes that are used, where opening looked at some. Raises DatasetError for what is wrong
        with the others, and where they are not what those were.
        """
        entries = in_files_of(self.entries, self.used)
        if self.look is None or len(self.look.vectors.entries) == len(entries):
            return self.look
        found = self.look.question.asked(self.about, self.contents, entries)
        if found.columns != self.look.columns:
            raise DatasetError(
                f"{self.about.file}: in {len(self.look.vectors.entries)} of {len(entries)} episodes actions are "
                f"{self.look.told}, in all of them {found.told}: they are not of one kind."
            )
        return found

    @property
    def vectors(self) -> Vectors | None:
        """Of the frames of all episodes that are used, and of others that lie with them. Raises DatasetError as
        `whole`."""
        return None if self.whole is None else self.whole.vectors

    @property
    def entries(self) -> tuple[Entry, ...]:
        return self.contents.entries

    @property
    def cameras(self) -> dict[str, str]:
        """Columns of pictures, by array."""
        return {name: self.columns[name] for name in IMAGE_FIELDS}

    @property
    def boxes(self) -> str | None:
        """The column of true boxes, as Baton writes it; None where there is none."""
        feature = self.about.features.get(BOXES_COLUMN)
        return BOXES_COLUMN if feature is not None and feature.kind == "string" else None

    @property
    def frame_files(self) -> set[Path]:
        """The files that hold the frames: tables and films."""
        films = {film.path for entry in self.entries for film in entry.films.values()}
        return films | {entry.data for entry in self.entries}

    def is_film(self, array: str) -> bool:
        return self.about.features[self.columns[array]].kind == "video"

    def place(self, entry: Entry) -> Place:
        """Raises DatasetError as `read_place`."""
        known = self.__dict__.get("whole") or self.look
        if known is not None and entry.index in known.vectors.places:
            return known.vectors.places[entry.index]
        if entry.index not in self._found:
            together = self._by_data[entry.data]
            self._found[entry.index] = read_place(entry, together, self.tabled)
        return self._found[entry.index]

    @property
    def tabled(self) -> list[str]:
        """Columns of pictures whose bytes are in the tables."""
        return [column for array, column in self.cameras.items() if not self.is_film(array)]

    def first_in_film(self, entry: Entry, array: str) -> int:
        """The number of the episode's first frame in its film. Raises DatasetError as `places_in_film`."""
        column = self.columns[array]
        film = entry.films[column]
        if not self.about.is_v3:
            return 0
        return self._film_places(column, film.path)[entry.index]

    def _film_places(self, column: str, path: Path) -> dict[int, int]:
        key = (column, path)
        if key not in self._placed:
            array = next(name for name, one in self.cameras.items() if one == column)
            together = [entry for entry in self.entries if entry.films[column].path == path]
            index = film_index(path, FRAME_SHAPES[array])
            firsts = places_in_film(
                path,
                index,
                [entry.films[column].begins_at for entry in together],
                [entry.length for entry in together],
            )
            self._placed[key] = {entry.index: first for entry, first in zip(together, firsts)}
        return self._placed[key]

    @cached_property
    def _placed(self) -> dict[tuple[str, Path], dict[int, int]]:
        return {}

    @cached_property
    def _by_data(self) -> dict[Path, list[Entry]]:
        found: dict[Path, list[Entry]] = {}
        for entry in self.entries:
            found.setdefault(entry.data, []).append(entry)
        return found


def load_dataset(
    about: Description,
    contents: Contents,
    said: tuple[tuple[str, str], ...],
    used: frozenset[int],
    is_settled: bool,
) -> Dataset:
    """Looks at all of a set that is used, but for its pictures; once in a process for what does not change.

    said: columns by array. used: numbers of episodes. is_settled: the columns are all that it has, and were found out
    before. Raises DatasetError, one sentence that names file and field.
    """
    root = about.root
    if is_settled:
        columns = dict(said)
        check_said(about, columns)
        needed = {*IMAGE_FIELDS, "robot_obs", "rel_actions" if "actions" not in columns else "actions"}
        if needed - columns.keys():
            raise DatasetError(
                f"{root}: its columns are said without {', '.join(sorted(needed - columns.keys()))}."
            )
        return Dataset(about, contents, columns, told_of(entry.tasks for entry in contents.entries), used)
    chosen = [entry for entry in contents.entries if entry.index in used]
    return _looked_at(root, said, used, _signature(chosen, root), _Read(about, contents))


@dataclass(frozen=True)
class _Read:
    """What was read of a set: any is as good as any other of the same signature."""

    about: Description = field(compare=False)
    contents: Contents = field(compare=False)


@lru_cache(maxsize=4)
def _looked_at(
    root: Path, said: tuple[tuple[str, str], ...], used: frozenset[int], signature: str, read: _Read
) -> Dataset:
    """signature: another where a file was changed."""
    about, contents = read.about, read.contents
    wanted = dict(said)
    columns = choose_columns(about, read_modality(root), wanted)
    scene = columns.name("scene_obs")
    tabled = [
        columns.need(name) for name in IMAGE_FIELDS if about.features[columns.need(name)].kind == "image"
    ]
    question = Question(columns.need("robot_obs"), scene, tuple(tabled), columns, wanted)
    look = question.asked(about, contents, looked_at(in_files_of(contents.entries, used)))
    chosen = {one.field: one.column for one in columns.chosen if one.column is not None}
    for name, column in zip(ACTION_FIELDS, look.columns):
        if column is not None:
            chosen[name] = column
    longer = _check_films(about, contents, used, columns)
    return Dataset(
        about,
        contents,
        chosen,
        told_of(entry.tasks for entry in contents.entries),
        used,
        look,
        (*_notes(about), *longer),
    )


def in_files_of(entries: tuple[Entry, ...], used: frozenset[int]) -> tuple[Entry, ...]:
    """Those that lie in a table with one that is used: a table is looked at as a whole."""
    if len(used) == len(entries):
        return entries
    files = {entry.data for entry in entries if entry.index in used}
    return tuple(entry for entry in entries if entry.data in files)


def _notes(about: Description) -> list[str]:
    hz = CALVIN.control_hz
    if about.fps == hz:
        return []
    told = f"fps is {about.fps:g} in {about.file.name}; CALVIN is recorded at {hz} frames a second"
    return [f"{told}, and frames are taken as they come"]


def _check_films(about: Description, contents: Contents, used: frozenset[int], columns: Columns) -> list[str]:
    """Headers of some films that are used, evenly spaced: that they are there, have the right dimensions and frames
    enough. A note on those of one episode that have more.
    """
    longer: list[Path] = []
    for array in IMAGE_FIELDS:
        column = columns.need(array)
        if about.features[column].kind != "video":
            continue
        films: dict[Path, list[Entry]] = {}
        for entry in contents.entries:
            films.setdefault(entry.films[column].path, []).append(entry)
        paths = sorted(path for path in films if any(entry.index in used for entry in films[path]))
        for path in paths[:: len(paths) // _FILMS_OPENED + 1]:
            header = film_header(path, FRAME_SHAPES[array])
            frames = header.frames or len(film_index(path, FRAME_SHAPES[array]))
            lengths = sum(entry.length for entry in films[path])
            if frames < lengths:
                raise DatasetError(
                    f"{path} has {frames} frames, and its episodes have {lengths}: it is shorter."
                )
            if about.is_v3 and frames == lengths and header.rate:
                _check_times(path, header.rate, films[path], column)
            if not about.is_v3 and frames > lengths:
                longer.append(path)
    if not longer:
        return []
    first = longer[0].relative_to(about.root)
    return [
        f"{len(longer)} films have more frames than their episode (first: {first}): their first ones are taken"
    ]


def _check_times(path: Path, rate: float, entries: Sequence[Entry], column: str) -> None:
    """Raises DatasetError where the seconds at which episodes begin in a film are not those that their lengths tell;
    the same is asked of its frames before they are read (`places_in_film`).
    """
    counted = 0
    for entry in sorted(entries, key=lambda entry: entry.films[column].begins_at):
        begins = entry.films[column].begins_at
        if abs(begins * rate - counted) > _FRAMES_APART:
            raise DatasetError(
                f"{path}: from_timestamp of episode {entry.index} is {begins:g}, frame {begins * rate:.0f}, and the "
                f"episodes before have {counted} frames."
            )
        counted += entry.length


def _signature(entries: Sequence[Entry], root: Path) -> str:
    """Of the files' names, sizes and times of change. Raises DatasetError for a listed one that is missing."""
    digest = hashlib.sha256()
    films = {film.path for entry in entries for film in entry.films.values()}
    meta = [path for path in sorted((root / "meta").rglob("*")) if path.is_file()]
    for path in dict.fromkeys([*meta, *(entry.data for entry in entries), *sorted(films)]):
        try:
            about = path.stat()
        except OSError as error:
            need_fact(error)
            raise DatasetError(f"{path} is missing: an episode is listed to be there.") from None
        digest.update(f"{path} {about.st_size} {about.st_mtime_ns}\n".encode())
    return digest.hexdigest()
