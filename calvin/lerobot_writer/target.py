"""A LeRobot set, written part by part: see `calvin.conversion.target.Target`.

A part of version 3.0 is one data file and one film of each camera; of version 2.1 the files of its episodes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.embodiment import CALVIN
from benchmark.tasks import UNKNOWN_SCENE
from calvin.conversion.target import Before, Facts, Piece
from calvin.episode import FRAME_SHAPES, IMAGE_FIELDS, Episode
from calvin.lerobot_format.beside import Beside, write_beside
from calvin.lerobot_format.films import film_index
from calvin.lerobot_writer.films import CODEC, PIXELS, write_film
from calvin.lerobot_writer.layout import CHUNK_SIZE, COLUMNS, COUNTS, Layout
from calvin.lerobot_writer.tables import numbers_of, write_episodes, write_frames, write_tasks
from calvin.split import TRAINING, Record
from calvin.statistics import Whole, as_lists, need_statistics, of_numbers, of_pictures
from errors import BatonError
from settings import files
from settings.typed_json import Count, from_json

#: As others call CALVIN's splits.
_SPLIT_NAMES = {TRAINING: "train"}
#: Of version 2.1, which has no quantiles.
_OLD_STATISTICS = ("min", "max", "mean", "std", "count")
_JSON_INDENT = 4


@dataclass(frozen=True)
class _Kept:
    """What is kept of an episode, but for the statistics."""

    index: Count
    position: Count
    length: Count
    task: str
    split: str
    scene: str | None
    first_frame: Count


class LeRobotTarget:
    def __init__(
        self, layout: Layout, records: Mapping[str, Record], instructions: Mapping[str, Mapping[str, str]]
    ) -> None:
        self.layout = layout
        losses = f"{CODEC} {PIXELS}" if layout.pictures == "film" else None
        self.losses = losses
        self._beside = Beside(
            {split: one for split, one in records.items() if one.says_anything}, instructions
        )
        self._tasks: dict[str, int] = {}
        self._episodes = self._frames = 0

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the bytes, beside the frames."""
        layout = self.layout
        return {
            "to": f"lerobot {layout.version}",
            "pictures": layout.pictures,
            "numbers": layout.numbers,
            "arrays": list(layout.arrays),
            "extras": list(layout.extras),
            "boxes": layout.has_boxes,
        }

    def files(self, number: int, facts: Sequence[Facts]) -> Iterator[str]:
        if self.layout.is_v3:
            yield from self._files({"chunk_index": number // CHUNK_SIZE, "file_index": number % CHUNK_SIZE})
            return
        for one in facts:
            index = one["index"]
            yield from self._files({"episode_chunk": index // CHUNK_SIZE, "episode_index": index})

    def _files(self, where: Mapping[str, int]) -> Iterator[str]:
        yield self.layout.data_path(**where)
        for field in IMAGE_FIELDS if self.layout.pictures == "film" else ():
            yield self.layout.film_path(video_key=COLUMNS[field], **where)

    def check(self, one: Facts, before: Before) -> None:
        kept = from_json(_Kept, one, "an episode")
        if (kept.index, kept.position) != (before.episodes, before.frames):
            raise ValueError("it does not follow on the episodes before it")
        need_statistics(one.get("statistics"), self._described_shapes)

    @property
    def _described_shapes(self) -> dict[str, tuple[int, ...]]:
        pictures = {COLUMNS[field]: (3, 1, 1) for field in IMAGE_FIELDS}
        vectors = {COLUMNS[name]: FRAME_SHAPES[name] for name in self.layout.vectors}
        return {**pictures, **vectors, **dict.fromkeys(COUNTS, (1,))}

    def keep(self, facts: Sequence[Facts]) -> None:
        for one in facts:
            self._tasks.setdefault(one["task"], len(self._tasks))
            self._episodes += 1
            self._frames += one["length"]

    def write(self, root: Path, number: int, pieces: Iterable[Piece]) -> list[Facts]:
        return (
            self._write_part(root, number, pieces) if self.layout.is_v3 else self._write_files(root, pieces)
        )

    def _write_part(self, root: Path, number: int, pieces: Iterable[Piece]) -> list[Facts]:
        """Pictures of a part are in memory until their films are written, too."""
        where = {"chunk_index": number // CHUNK_SIZE, "file_index": number % CHUNK_SIZE}
        made = list(self._described(pieces))
        write_frames(
            root / self.layout.data_path(**where),
            self.layout,
            [(p.episode, numbers, p.extras) for p, numbers, _ in made],
        )
        if self.layout.pictures == "film":
            for field in IMAGE_FIELDS:
                path = root / self.layout.film_path(video_key=COLUMNS[field], **where)
                self._write_film(path, field, [piece.episode for piece, _, _ in made])
        return [facts for _, _, facts in made]

    def _write_files(self, root: Path, pieces: Iterable[Piece]) -> list[Facts]:
        found = []
        for piece, numbers, facts in self._described(pieces):
            where = {"episode_chunk": facts["index"] // CHUNK_SIZE, "episode_index": facts["index"]}
            write_frames(
                root / self.layout.data_path(**where), self.layout, [(piece.episode, numbers, piece.extras)]
            )
            if self.layout.pictures == "film":
                for field in IMAGE_FIELDS:
                    path = root / self.layout.film_path(video_key=COLUMNS[field], **where)
                    self._write_film(path, field, [piece.episode])
            found.append(facts)
        return found

    def _described(self, pieces: Iterable[Piece]) -> Iterator[tuple[Piece, dict[str, np.ndarray], Facts]]:
        """Each piece with its columns of numbers and its facts."""
        tasks, index, position = dict(self._tasks), self._episodes, self._frames
        for piece in pieces:
            episode = piece.episode
            text = f"{episode.task}: {episode.instruction}"
            task = tasks.setdefault(text, len(tasks))
            numbers = numbers_of(self.layout, episode, index, position, task)
            statistics = {COLUMNS[field]: of_pictures(getattr(episode, field)) for field in IMAGE_FIELDS}
            statistics |= {
                name: of_numbers(values.reshape(len(episode), -1)) for name, values in numbers.items()
            }
            facts: Facts = {
                "index": index,
                "position": position,
                "length": len(episode),
                "task": text,
                "split": episode.split,
                "scene": None if episode.scene == UNKNOWN_SCENE else episode.scene,
                "first_frame": episode.start,
                "statistics": {name: as_lists(one) for name, one in statistics.items()},
            }
            yield piece, numbers, facts
            index, position = index + 1, position + len(episode)

    def _write_film(self, path: Path, field: str, episodes: Sequence[Episode]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        pictures = (picture for episode in episodes for picture in getattr(episode, field))
        with files.whole(path) as stream:
            count = write_film(stream, pictures, FRAME_SHAPES[field][0])
        found = len(film_index(path, FRAME_SHAPES[field]))
        if found != count:
            raise BatonError(f"{path}: {count} frames were encoded, and {found} are in it")

    def finish(self, root: Path, parts: Iterable[Sequence[Facts]]) -> None:
        (root / "meta").mkdir(exist_ok=True)
        whole: dict[str, Whole] = {}
        splits: dict[str, tuple[int, int]] = {}
        frames: set[Path] = set()
        if self.layout.is_v3:
            rows = self._rows(root, parts, whole, splits, frames)
            self._write_v3(root, rows)
            statistics = {name: as_lists(one.statistics()) for name, one in whole.items()}
            _write_json(root / "meta" / "stats.json", statistics)
        else:
            self._write_v2(root, parts, splits, frames)
        ranges = {_SPLIT_NAMES.get(name, name): f"{first}:{last}" for name, (first, last) in splits.items()}
        write_beside(root, self._beside, frames)
        _write_json(
            root / "meta" / "info.json",
            self.layout.info(self._episodes, self._frames, len(self._tasks), ranges),
        )

    def _rows(
        self,
        root: Path,
        parts: Iterable[Sequence[Facts]],
        whole: dict[str, Whole],
        splits: dict[str, tuple[int, int]],
        frames: set[Path],
    ) -> Iterator[dict[str, Any]]:
        """Rows of `meta/episodes`. Fills the rest while they pass by."""
        for number, part in enumerate(parts):
            where = {"chunk_index": number // CHUNK_SIZE, "file_index": number % CHUNK_SIZE}
            frames.add(root / self.layout.data_path(**where))
            before = 0
            for facts in part:
                first = splits.get(facts["split"], (facts["index"], 0))[0]
                splits[facts["split"]] = (first, facts["index"] + 1)
                begin, length = facts["position"], facts["length"]
                row = {
                    "episode_index": facts["index"],
                    "tasks": [facts["task"]],
                    "length": length,
                    **{f"data/{name}": value for name, value in where.items()},
                    "dataset_from_index": begin,
                    "dataset_to_index": begin + length,
                }
                for field in IMAGE_FIELDS if self.layout.pictures == "film" else ():
                    column = COLUMNS[field]
                    frames.add(root / self.layout.film_path(video_key=column, **where))
                    row |= {f"videos/{column}/{name}": value for name, value in where.items()}
                    row[f"videos/{column}/from_timestamp"] = before / CALVIN.control_hz
                    row[f"videos/{column}/to_timestamp"] = (before + length) / CALVIN.control_hz
                row |= {name: facts[name] for name in ("split", "scene", "first_frame")}
                for column, statistics in facts["statistics"].items():
                    whole.setdefault(column, Whole()).add(statistics)
                    row |= {f"stats/{column}/{name}": values for name, values in statistics.items()}
                before += length
                yield row

    def _write_v3(self, root: Path, rows: Iterable[dict[str, Any]]) -> None:
        held: list[dict[str, Any]] = []
        number = 0
        for row in rows:
            where = {
                "meta/episodes/chunk_index": number // CHUNK_SIZE,
                "meta/episodes/file_index": number % CHUNK_SIZE,
            }
            held.append(row | where)
            if len(held) == CHUNK_SIZE:
                write_episodes(_episodes_file(root, number), held)
                held, number = [], number + 1
        if held:
            write_episodes(_episodes_file(root, number), held)
        write_tasks(root / "meta" / "tasks.parquet", list(self._tasks))

    def _write_v2(
        self,
        root: Path,
        parts: Iterable[Sequence[Facts]],
        splits: dict[str, tuple[int, int]],
        frames: set[Path],
    ) -> None:
        meta = root / "meta"
        with (
            files.whole(meta / "episodes.jsonl") as episodes,
            files.whole(meta / "episodes_stats.jsonl") as stats,
        ):
            for facts in (one for part in parts for one in part):
                index = facts["index"]
                first = splits.get(facts["split"], (index, 0))[0]
                splits[facts["split"]] = (first, index + 1)
                where = {"episode_chunk": index // CHUNK_SIZE, "episode_index": index}
                frames.add(root / self.layout.data_path(**where))
                for field in IMAGE_FIELDS if self.layout.pictures == "film" else ():
                    frames.add(root / self.layout.film_path(video_key=COLUMNS[field], **where))
                about = {name: facts[name] for name in ("split", "scene", "first_frame")}
                line = {"episode_index": index, "tasks": [facts["task"]], "length": facts["length"], **about}
                episodes.write(_line(line))
                kept = {
                    column: {name: values for name, values in one.items() if name in _OLD_STATISTICS}
                    for column, one in facts["statistics"].items()
                }
                stats.write(_line({"episode_index": index, "stats": kept}))
        with files.whole(meta / "tasks.jsonl") as stream:
            for text, number in self._tasks.items():
                stream.write(_line({"task_index": number, "task": text}))


def _episodes_file(root: Path, number: int) -> Path:
    return root / f"meta/episodes/chunk-{number // CHUNK_SIZE:03d}/file-{number % CHUNK_SIZE:03d}.parquet"


def _line(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, ensure_ascii=False) + "\n").encode()


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    files.write(path, json.dumps(content, indent=_JSON_INDENT, ensure_ascii=False) + "\n")
