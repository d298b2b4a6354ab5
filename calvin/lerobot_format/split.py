"""The demonstrations of one split of a LeRobot set, as CALVIN's frames."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from benchmark.actions import relative_action
from benchmark.cameras import EGL
from benchmark.observations import ACTION_GRIPPER
from calvin.boxes import frame_boxes, frame_pixels, has_pixels
from calvin.episode import FRAME_SHAPES, IMAGE_FIELDS, Episode, FrameBoxes, FramePixels
from calvin.lerobot_format.beside import FILE, Beside, read_beside
from calvin.lerobot_format.check import examine
from calvin.lerobot_format.dataset import COUNTING, Dataset
from calvin.lerobot_format.episodes import Entry
from calvin.lerobot_format.films import film_frames, film_header, film_mark
from calvin.lerobot_format.held_out import (
    KNOWN,
    Parts,
    as_text,
)
from calvin.lerobot_format.pictures import decoded, is_lossless, picture_bytes
from calvin.lerobot_format.rows import digest_of, read_extra, read_numbers, read_values
from calvin.official_phrases import validation_phrases
from calvin.recording import recorded
from calvin.split import (
    CALVIN,
    TRAINING,
    VALIDATION,
    Covered,
    Demonstration,
    Findings,
    Reading,
    Recording,
)
from errors import DatasetError
from settings.documents import parse_json
from settings.shown import cut

_VECTORS = {"robot_obs": 15, "scene_obs": 24, "actions": 7, "rel_actions": 7}


@dataclass
class _Recent:
    """Arrays of the episode that a frame was read of last, by its number."""

    asked: int | None = None
    vectors_of: int | None = None
    vectors: dict[str, np.ndarray] = field(default_factory=dict)
    pictures_of: int | None = None
    pictures: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class LeRobotSplit:
    """An opened split. chosen: the entries that its demonstrations are, in order. left_out: see `Settling`.
    said_scenes: as a user says them (`calvin.split.Reading`). is_of_all: whether no episode is left out by
    `data.episodes`, whose files may not be there.
    """

    folder: Path
    split: str
    dataset: Dataset
    parts: Parts
    chosen: tuple[Entry, ...]
    demonstrations: tuple[Demonstration, ...]
    left_out: tuple[str, ...]
    said_scenes: str | None = None
    is_of_all: bool = True
    frame_digits: int = 7

    @property
    def settled(self) -> Reading:
        every = frozenset(entry.index for entry in self.dataset.entries)
        chosen = frozenset(entry.index for entry in self.chosen)
        held_out = every - chosen if self.split == TRAINING else chosen
        return Reading(
            tuple(sorted(self.dataset.columns.items())),
            as_text(held_out),
            scenes=self.said_scenes,
            is_validation=self.split == VALIDATION,
            is_settled=True,
        )

    @property
    def boxes_file(self) -> Path:
        return self.folder / "boxes.json"

    @cached_property
    def validation_instructions(self) -> Mapping[str, str]:
        """Those that were written with the set; else CALVIN's own, of which its conversions keep those they show."""
        said = self._beside_it
        return validation_phrases() if said is None else said.instructions.get(self.split, {})

    def number_of(self, demonstration: Demonstration) -> int:
        return self.chosen[demonstration.index].index

    def read(self, demonstration: Demonstration) -> Episode:
        """All frames. Raises DatasetError naming file and column, or picture, at fault."""
        entry = self.chosen[demonstration.index]
        vectors = self._vectors(entry)
        boxes, pixels = self._boxes_and_pixels(entry)
        return Episode(
            rgb_static=self._pictures(entry, "rgb_static", 0, entry.length),
            rgb_gripper=self._pictures(entry, "rgb_gripper", 0, entry.length),
            robot_obs=vectors["robot_obs"],
            scene_obs=vectors.get("scene_obs"),
            actions=vectors.get("actions"),
            rel_actions=vectors["rel_actions"],
            task=demonstration.task,
            instruction=demonstration.instruction,
            scene=demonstration.scene,
            split=self.split,
            start=demonstration.start,
            end=demonstration.end,
            boxes=boxes,
            pixels=pixels,
        )

    def read_frame(self, frame: int) -> Mapping[str, np.ndarray]:
        """One frame's arrays, without those that the set lacks. Raises DatasetError as `read`."""
        entry = self._entry_of(frame)
        place, recent = frame - entry.begin, self._recent
        arrays = {name: values[place] for name, values in self._vectors(entry).items()}
        if recent.asked != entry.index:
            recent.asked = entry.index
            return arrays | {name: self._pictures(entry, name, place, place + 1)[0] for name in IMAGE_FIELDS}
        if recent.pictures_of != entry.index:  # frames are read one after the other: all of them at once
            recent.pictures = {name: self._pictures(entry, name, 0, entry.length) for name in IMAGE_FIELDS}
            recent.pictures_of = entry.index
        return arrays | {name: recent.pictures[name][place] for name in IMAGE_FIELDS}

    def extras(self) -> Sequence[str]:
        """Columns that are none of CALVIN's six arrays, and not what LeRobot counts by."""
        used = {*self.dataset.columns.values(), *COUNTING, self.dataset.boxes}
        return [name for name in self.dataset.about.features if name not in used]

    def read_extras(self, demonstration: Demonstration, names: Sequence[str]) -> Mapping[str, np.ndarray]:
        """Arrays of `calvin.episode.EXTRAS`, (T, ...) each. Raises DatasetError as `read`."""
        entry = self.chosen[demonstration.index]
        return {name: read_extra(entry, self.dataset.place(entry), name) for name in names}

    def content_of(self, frame: int) -> Sequence[tuple[str, int]]:
        """A checksum of the state: the robot's joints are never the same to the last digit in two recordings."""
        entry = self._entry_of(frame)
        if self.dataset.vectors is not None:
            state = self.dataset.vectors.states_of(entry)[frame - entry.begin]
        else:
            state = self._vectors(entry)["robot_obs"][frame - entry.begin]
        return [("robot_obs", zlib.crc32(state.astype("<f4").tobytes()))]

    def fingerprint(self, demonstration: Demonstration) -> str:
        """SHA-256 of the annotation, of all numbers, and of sizes and samples of the bytes that pictures take."""
        entry = self.chosen[demonstration.index]
        columns = self.dataset.columns
        if self.dataset.vectors is not None:
            known = self.dataset.vectors.digests[entry.index]
            digests = {name: known[columns[name]] for name in _VECTORS if name in columns}
        else:
            digests = {name: digest_of(values) for name, values in self._recorded(entry).items()}
        about = asdict(demonstration)
        del about["index"]
        identity = {
            "annotation": about,
            "split": self.split,
            "columns": dict(columns),
            "numbers": digests,
            "pictures": self.dataset.place(entry).pictures,
            "files": self._image_files(entry),
            "films": {
                name: (film_mark(entry.films[column].path), entry.films[column].begins_at)
                for name, column in self.dataset.cameras.items()
                if self.dataset.is_film(name)
            },
        }
        boxes = self._box_texts(entry)
        if boxes is not None:
            identity["boxes"] = hashlib.sha256(json.dumps(boxes).encode()).hexdigest()
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()

    def boxes_of(self, demonstration: Demonstration) -> tuple[FrameBoxes, ...] | None:
        return self._boxes_and_pixels(self.chosen[demonstration.index])[0]

    def embeddings(self) -> np.ndarray | None:
        return None

    def recording(self) -> Recording:
        """What was written with the set; a known conversion shows CALVIN's own frames, which were drawn with EGL.
        Raises DatasetError for a first picture that cannot be looked at.
        """
        losses = self._losses()
        entries = self.dataset.entries
        record = None if self._beside_it is None else self._beside_it.records.get(self.split)
        if record is not None:
            found = recorded(replace(record, losses=None), str(FILE))
            losses = " and ".join(dict.fromkeys(filter(None, (record.losses, losses)))) or None
        elif len(entries) in KNOWN and self.parts.basis is not None:
            download, _ = KNOWN[len(entries)]
            basis = f"its {len(entries)} episodes are those of CALVIN's {download} download, which was drawn with EGL"
            found = Recording(EGL, basis, CALVIN)
        else:
            found = Recording(None, "nothing in the dataset tells")
        if losses is None:
            return found
        return replace(found, basis=f"{found.basis}; its pictures lost detail to {losses}", losses=losses)

    def examine(self, frames: Iterable[int]) -> Findings:
        return examine(self, frames)

    def _losses(self) -> str | None:
        if not self.chosen:
            return None
        found = []
        for name, column in self.dataset.cameras.items():
            entry = self.chosen[0]
            if self.dataset.is_film(name):
                header = film_header(entry.films[column].path, FRAME_SHAPES[name])
                found.append(f"{header.codec} {header.pixels}")
            else:
                content, place = next(self._picture_bytes(entry, name, 0, 1))
                if not is_lossless(content, place):
                    found.append("JPEG")
        return " and ".join(dict.fromkeys(found)) or None

    def _entry_of(self, frame: int) -> Entry:
        found = self._places.demonstration_with(frame)
        if found is None:
            raise DatasetError(f"{self.folder}: no {self.split} demonstration has frame {frame}.")
        return self.chosen[found]

    @cached_property
    def _places(self) -> Covered:
        return Covered([(entry.begin, entry.end) for entry in self.chosen])

    @cached_property
    def _beside_it(self) -> Beside | None:
        return read_beside(self.folder, self.dataset.frame_files if self.is_of_all else None)

    def _box_texts(self, entry: Entry) -> list[str] | None:
        """What is written of each frame's boxes; None where the set has none, or not of this episode."""
        column = self.dataset.boxes
        if column is None:
            return None
        place = f"{entry.data}: {column} of episode {entry.index}"
        texts: list[str] = []
        for text in read_values(entry, self.dataset.place(entry), column, 0, entry.length):
            if not isinstance(text, str):
                raise DatasetError(f"{place} are {type(text).__name__}, not texts.")
            texts.append(text)
        return texts if any(texts) else None

    def _boxes_and_pixels(
        self, entry: Entry
    ) -> tuple[tuple[FrameBoxes, ...] | None, tuple[FramePixels, ...] | None]:
        texts = self._box_texts(entry)
        if texts is None:
            return None, None
        boxes: list[FrameBoxes] = []
        pixels: list[FramePixels] = []
        for frame, text in enumerate(texts):
            place = f"{entry.data}: boxes of frame {frame} of episode {entry.index}"
            try:
                things = parse_json(text)
            except ValueError as error:
                raise DatasetError(f"{place} are no JSON: {cut(str(error), 120)}.") from None
            boxes.append(frame_boxes(things, place))
            if has_pixels(things):
                pixels.append(frame_pixels(things, place))
        return tuple(boxes), tuple(pixels) if len(pixels) == len(boxes) else None

    @cached_property
    def _recent(self) -> _Recent:
        return _Recent()

    def _recorded(self, entry: Entry) -> dict[str, np.ndarray]:
        """Columns of numbers by array, float64 (T, width)."""
        columns = {name: self.dataset.columns[name] for name in _VECTORS if name in self.dataset.columns}
        read = read_numbers(
            entry, self.dataset.place(entry), {columns[name]: _VECTORS[name] for name in columns}
        )
        return {name: read[column] for name, column in columns.items()}

    def _vectors(self, entry: Entry) -> dict[str, np.ndarray]:
        """With relative actions, made of the absolute ones where only those are recorded."""
        if self._recent.vectors_of != entry.index:
            found = self._recorded(entry)
            if "rel_actions" not in found:
                absolute = found["actions"]
                found["rel_actions"] = relative_action(
                    found["robot_obs"], absolute, absolute[:, ACTION_GRIPPER]
                )
            self._recent.vectors, self._recent.vectors_of = found, entry.index
        return self._recent.vectors

    def _pictures(self, entry: Entry, name: str, first: int, last: int) -> np.ndarray:
        """uint8 (last - first, H, W, 3)."""
        shape = FRAME_SHAPES[name]
        if self.dataset.is_film(name):
            film, begin = (
                entry.films[self.dataset.columns[name]],
                self.dataset.first_in_film(entry, name),
            )
            return film_frames(film.path, shape, begin + first, begin + last)
        pictures = np.empty((last - first, *shape), dtype=np.uint8)
        count = 0
        for content, place in self._picture_bytes(entry, name, first, last):
            pictures[count] = decoded(content, shape, place)
            count += 1
        if count != last - first:
            raise DatasetError(f"{entry.data} ends within episode {entry.index}.")
        return pictures

    def _picture_bytes(self, entry: Entry, name: str, first: int, last: int) -> Iterator[tuple[bytes, str]]:
        """Of each frame the image file's bytes, and where they are, for messages."""
        column = self.dataset.columns[name]
        beside, before = self._beside(entry, column), f"{entry.data}: {cut(column)} of frame"
        values = read_values(entry, self.dataset.place(entry), column, first, last)
        for frame, value in enumerate(values, first):
            place = f"{before} {frame} of episode {entry.index}"
            yield picture_bytes(value, self.folder, beside, frame, place), place

    def _beside(self, entry: Entry, column: str) -> Path:
        return self.folder / "images" / column / f"episode_{entry.index:06d}"

    def _image_files(self, entry: Entry) -> list[tuple[str, int]]:
        """Names and sizes of image files beside the tables, where there are any."""
        folders = [
            self._beside(entry, column)
            for name, column in self.dataset.cameras.items()
            if not self.dataset.is_film(name)
        ]
        return [
            (f"{folder.parent.name}/{file.name}", file.stat().st_size)
            for folder in folders
            if folder.is_dir()
            for file in sorted(folder.iterdir())
        ]
