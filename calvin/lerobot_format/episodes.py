"""Which episodes a LeRobot set has, where their rows and pictures are, and what is done in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from benchmark.tasks import SCENES, UNKNOWN_SCENE
from calvin.annotations import LAST_FRAME
from calvin.annotations import MOST_FRAMES as MOST_EPISODE_FRAMES
from calvin.lerobot_format.description import MOST_EPISODES, Description, read_json
from calvin.lerobot_format.tables import Table, open_table, text_list, whole_numbers
from errors import DatasetError
from settings.documents import parse_json
from settings.faults import need_fact
from settings.regular import is_there, read_text
from settings.shown import cut, shown

_MOST_LINES_BYTES = 512 << 20
_MOST_TASKS = 1_000_000
_MOST_TASK_CHARACTERS = 10_000
#: Of the index that pandas writes without a name: how lerobot keeps the text of a task.
_PANDAS_INDEX = "__index_level_0__"


@dataclass(frozen=True)
class Film:
    """Where an episode's frames of one camera are. begins_at: seconds into the file, 0 for a file of its own."""

    path: Path
    begins_at: float


@dataclass(frozen=True)
class Entry:
    """One episode. start: the number of its first frame, counted over all episodes. tasks: as they are written.
    split, scene: what its own entry says of it. first_frame: CALVIN's number of its first frame, None in sets that do
    not say it of each episode. films: by column.
    """

    index: int
    start: int
    length: int
    tasks: tuple[str, ...]
    data: Path
    split: str | None = None
    scene: str = UNKNOWN_SCENE
    first_frame: int | None = None
    films: Mapping[str, Film] = field(default_factory=dict)

    @property
    def begin(self) -> int:
        """The number that its first frame is known by: CALVIN's, else `start`."""
        return self.start if self.first_frame is None else self.first_frame

    @property
    def end(self) -> int:
        """The number that its last frame is known by."""
        return self.begin + self.length - 1


@dataclass(frozen=True)
class Contents:
    """tasks: text by `task_index`. file: what lists the episodes, for messages."""

    entries: tuple[Entry, ...]
    tasks: Mapping[int, str]
    file: Path
    tasks_file: Path


def read_contents(about: Description) -> Contents:
    """Raises DatasetError naming file and field: missing, damaged, or at odds with meta/info.json."""
    meta = about.root / "meta"
    if about.is_v3:
        tasks_file, file = meta / "tasks.parquet", meta / "episodes"
        tasks, entries = _tasks_of_table(tasks_file), _entries_of_tables(about, file)
    else:
        tasks_file, file = meta / "tasks.jsonl", meta / "episodes.jsonl"
        tasks, entries = _tasks_of_lines(tasks_file), _entries_of_lines(about, file)
    if len(entries) != about.episodes:
        raise DatasetError(
            f"{about.file}: total_episodes is {about.episodes}, and {file.name} has {len(entries)} episodes."
        )
    frames = sum(entry.length for entry in entries)
    if frames != about.frames:
        raise DatasetError(
            f"{about.file}: total_frames is {about.frames}, and the episodes of {file.name} have {frames} frames."
        )
    if any(entry.first_frame is None for entry in entries):
        entries = tuple(replace(entry, first_frame=None) for entry in entries)
    return Contents(entries, tasks, file, tasks_file)


def _tasks_of_lines(file: Path) -> dict[int, str]:
    tasks: dict[int, str] = {}
    for number, line in _lines(file):
        _add_task(tasks, line.get("task_index"), line.get("task"), f"{file}: line {number}")
    return tasks


def _tasks_of_table(file: Path) -> dict[int, str]:
    tasks: dict[int, str] = {}
    with open_table(file, _MOST_TASKS) as table:
        texts = next((name for name in (_PANDAS_INDEX, "task", "tasks") if table.is_text(name)), None)
        if texts is None:
            raise DatasetError(f"{file} has no column with the texts of the tasks.")
        numbers = whole_numbers(table.numbers("task_index", 0), f"{file}: task_index")
        for number, text in zip(numbers.tolist(), table.values(texts)):
            _add_task(tasks, number, text, str(file))
    return tasks


def _add_task(tasks: dict[int, str], number: object, text: object, place: str) -> None:
    if type(number) is not int or not 0 <= number < _MOST_TASKS or number in tasks:
        raise DatasetError(f"{place}: task_index is {shown(number)}, not the number of one task.")
    if not isinstance(text, str) or len(text) > _MOST_TASK_CHARACTERS:
        raise DatasetError(f"{place}: the task is {shown(text)}, not a text.")
    tasks[number] = text


def _entries_of_lines(about: Description, file: Path) -> tuple[Entry, ...]:
    found: dict[int, tuple[int, tuple[str, ...], _Said]] = {}
    for number, line in _lines(file):
        place = f"{file}: line {number}"
        index = line.get("episode_index")
        if type(index) is not int or not 0 <= index < MOST_EPISODES or index in found:
            raise DatasetError(f"{place}: episode_index is {shown(index)}, not the number of one episode.")
        found[index] = (
            _length(line.get("length"), place),
            _tasks(line.get("tasks", line.get("task")), place),
            _said(line, place),
        )
    entries: list[Entry] = []
    start = 0
    for index in sorted(found):
        length, tasks, said = found[index]
        where = {"episode_chunk": index // about.chunk_size, "episode_index": index}
        films = {
            name: Film(about.place(about.video_path, video_key=name, **where), 0.0)
            for name, feature in about.features.items()
            if feature.kind == "video"
        }
        entries.append(
            Entry(
                index,
                start,
                length,
                tasks,
                about.place(about.data_path, **where),
                said.split,
                said.scene,
                said.first_frame,
                films,
            )
        )
        start += length
    return tuple(entries)


def _entries_of_tables(about: Description, folder: Path) -> tuple[Entry, ...]:
    if not folder.is_dir():
        raise DatasetError(f"{folder} is missing: it lists the episodes.")
    rows: list[dict[str, Any]] = []
    for file in sorted(folder.glob("chunk-*/file-*.parquet")):
        with open_table(file, MOST_EPISODES) as table:
            rows += _rows_of_episodes(about, table)
        if len(rows) > MOST_EPISODES:
            raise DatasetError(f"{folder} lists more than {MOST_EPISODES} episodes.")
    if not rows:
        raise DatasetError(f"{folder} has no chunk-*/file-*.parquet: nothing lists the episodes.")
    rows.sort(key=lambda row: row["index"])
    entries: list[Entry] = []
    start, before = 0, -1
    for row in rows:
        if row["index"] == before:
            raise DatasetError(f"{row['place']}: episode_index {before} is there twice.")
        entries.append(
            Entry(
                row["index"],
                start,
                row["length"],
                row["tasks"],
                row["data"],
                row["said"].split,
                row["said"].scene,
                row["said"].first_frame,
                row["films"],
            )
        )
        start, before = start + row["length"], row["index"]
    return tuple(entries)


def _rows_of_episodes(about: Description, table: Table) -> Iterator[dict[str, Any]]:
    place = str(table.path)

    def whole(name: str) -> list[int]:
        values = whole_numbers(table.numbers(name, 0), f"{place}: {name}")
        if len(values) and (values.min() < 0 or values.max() >= 2**40):
            raise DatasetError(f"{place}: {name} has {int(values.min())} to {int(values.max())}.")
        found: list[int] = values.tolist()
        return found

    indexes, lengths = whole("episode_index"), whole("length")
    chunks, files = whole("data/chunk_index"), whole("data/file_index")
    first, last = whole("dataset_from_index"), whole("dataset_to_index")
    tasks = list(table.values("tasks"))
    said = {
        name: list(table.values(name)) for name in ("split", "scene", "first_frame") if name in table.names
    }
    cameras = [name for name, feature in about.features.items() if feature.kind == "video"]
    films: dict[str, tuple[list[int], list[int], list[float]]] = {
        name: (
            whole(f"videos/{name}/chunk_index"),
            whole(f"videos/{name}/file_index"),
            table.numbers(f"videos/{name}/from_timestamp", 0).astype(float).tolist(),
        )
        for name in cameras
    }
    for number, index in enumerate(indexes):
        here = f"{place}: episode {index}"
        length = _length(lengths[number], here)
        if last[number] - first[number] != length:
            raise DatasetError(
                f"{here}: dataset_from_index {first[number]} to dataset_to_index {last[number]} is not its "
                f"length {length}."
            )
        shown_in = {}
        for name, (in_chunk, in_file, begins) in films.items():
            if not 0 <= begins[number] < 1e7:
                raise DatasetError(f"{here}: videos/{cut(name)}/from_timestamp is {begins[number]}.")
            path = about.place(
                about.video_path, video_key=name, chunk_index=in_chunk[number], file_index=in_file[number]
            )
            shown_in[name] = Film(path, begins[number])
        yield {
            "index": index,
            "length": length,
            "tasks": _tasks(tasks[number], here),
            "data": about.place(about.data_path, chunk_index=chunks[number], file_index=files[number]),
            "said": _said({name: values[number] for name, values in said.items()}, here),
            "films": shown_in,
            "place": place,
        }


class _Said(NamedTuple):
    """Of an `Entry`."""

    split: str | None
    scene: str
    first_frame: int | None


def _said(about: Mapping[str, Any], place: str) -> _Said:
    """What an episode's own entry says beside what LeRobot asks for, as Baton writes it."""
    split, scene, first = (about.get(name) for name in ("split", "scene", "first_frame"))
    if first is not None and (type(first) is not int or not 0 <= first <= LAST_FRAME - MOST_EPISODE_FRAMES):
        raise DatasetError(f"{place}: first_frame is {shown(first)}, not the number of a frame.")
    return _Said(
        split if isinstance(split, str) else None, scene if scene in SCENES else UNKNOWN_SCENE, first
    )


def _length(value: object, place: str) -> int:
    if type(value) is not int or not 1 <= value <= MOST_EPISODE_FRAMES:
        raise DatasetError(f"{place}: length is {shown(value)}, not 1 to {MOST_EPISODE_FRAMES} frames.")
    return value


def _tasks(value: object, place: str) -> tuple[str, ...]:
    texts = [value] if isinstance(value, str) else text_list(value)
    if texts is None or any(len(text) > _MOST_TASK_CHARACTERS for text in texts):
        raise DatasetError(f"{place}: tasks is {shown(value)}, not a list of texts.")
    return tuple(texts)


def _lines(file: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The JSON object of each line, with the line's number."""
    try:
        text = read_text(file, _MOST_LINES_BYTES)
    except FileNotFoundError:
        raise DatasetError(f"{file} is missing.") from None
    except (OSError, ValueError) as error:
        need_fact(error)
        raise DatasetError(f"{file} cannot be read: {cut(str(error), 160)}.") from None
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            content = parse_json(line)
        except ValueError as error:
            raise DatasetError(f"{file}: line {number} is no JSON: {cut(str(error), 120)}.") from None
        if not isinstance(content, Mapping):
            raise DatasetError(f"{file}: line {number} is {shown(content)}, not a mapping.")
        yield number, content


def read_modality(root: Path) -> Mapping[str, Any]:
    """`meta/modality.json`, by which sets of GR00T say what their columns are; empty where there is none."""
    file = root / "meta" / "modality.json"
    if not is_there(file):
        return {}
    content = read_json(file, 16 << 20)
    if not isinstance(content, Mapping):
        raise DatasetError(f"{file} is a {type(content).__name__}, not a mapping.")
    return content
