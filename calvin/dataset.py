"""A CALVIN split on disk: the official debug, D, ABC and ABCD downloads, or any folder in their layout."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from calvin.annotations import (
    Annotation,
    SceneRange,
    language_file,
    read_annotations,
    read_bounds,
    read_boxes,
    read_instructions,
    read_scenes,
    scene_of,
)
from calvin.episode import FRAME_SHAPES, Episode, FrameBoxes
from calvin.frames import FrameFiles
from errors import DatasetError


@dataclass(frozen=True)
class Demonstration:
    """One annotated stretch of frames, `start` to `end` inclusive; stretches may overlap.

    `index` is its place in the annotation file. `scene` is "A".."D", or "unknown" where `scene_info.npy` does
    not say.
    """

    index: int
    task: str
    instruction: str
    start: int
    end: int
    scene: str


@dataclass(frozen=True)
class CalvinSplit:
    """An opened split. Frames and boxes are read only when asked for."""

    folder: Path
    split: str
    demonstrations: tuple[Demonstration, ...]
    scene_ranges: tuple[SceneRange, ...]
    frames: FrameFiles

    def read(self, demonstration: Demonstration) -> Episode:
        """All frames of `demonstration`. Raises DatasetError naming the file and field at fault."""
        frame_ids = range(demonstration.start, demonstration.end + 1)
        read = [self.frames.read(frame) for frame in frame_ids]
        return Episode(
            **{field: np.stack([frame[field] for frame in read]) for field in FRAME_SHAPES},
            task=demonstration.task,
            instruction=demonstration.instruction,
            scene=demonstration.scene,
            split=self.split,
            start=demonstration.start,
            end=demonstration.end,
            boxes=self.boxes_of(demonstration),
        )

    def fingerprint(self, demonstration: Demonstration) -> str:
        """SHA-256 in hex that changes when the demonstration's content does; the same in another folder.

        Made without reading frames: from the annotation, the true boxes, every frame's file name and size,
        and the checksums that the first and the last frame's archives carry.
        """
        frame_ids = range(demonstration.start, demonstration.end + 1)
        boxes = self.boxes_of(demonstration)
        identity = {
            "annotation": asdict(demonstration),
            "split": self.split,
            "boxes": None if boxes is None else [dict(frame) for frame in boxes],
            "files": [(self.frames.path(frame).name, self.frames.size_bytes(frame)) for frame in frame_ids],
            "checksums": [self.frames.checksums(frame) for frame in (frame_ids[0], frame_ids[-1])],
        }
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()

    def scene_of(self, frame: int) -> str:
        """The scene that `frame` was recorded in ("A".."D"), or "unknown"."""
        return scene_of(frame, self.scene_ranges)

    @cached_property
    def validation_instructions(self) -> Mapping[str, str]:
        """The evaluation instruction by task; empty where the split has no `embeddings.npy`."""
        return read_instructions(language_file(self.folder, "embeddings.npy"))

    @cached_property
    def _boxes(self) -> dict[int, FrameBoxes] | None:
        return read_boxes(self.folder / "boxes.json")

    def boxes_of(self, demonstration: Demonstration) -> tuple[FrameBoxes, ...] | None:
        """True boxes of each frame; None where the split has no `boxes.json`. Raises DatasetError as `read`."""
        if self._boxes is None:
            return None
        frame_ids = range(demonstration.start, demonstration.end + 1)
        for frame in frame_ids:
            if frame not in self._boxes:
                raise DatasetError(f"{self.folder / 'boxes.json'} has no boxes for frame {frame}.")
        return tuple(self._boxes[frame] for frame in frame_ids)


def open_dataset(root: Path, split: str) -> CalvinSplit:
    """Open `root/split` (`training` or `validation`), reading its small files and looking for one frame.

    Raises DatasetError, in one sentence naming file and field, when a folder or file is missing, damaged or
    empty, or an annotation lies outside the recorded episodes; UnsafePickle for a hostile file.
    """
    folder = Path(root) / split
    if not Path(root).is_dir():
        raise DatasetError(f"{root} is not a folder; give the one that holds training/ and validation/.")
    if not folder.is_dir():
        raise DatasetError(f"{folder} is missing; a CALVIN folder holds training/ and validation/.")
    annotation_path = language_file(folder, "auto_lang_ann.npy")
    annotations = read_annotations(annotation_path)
    _check_recorded(annotations, read_bounds(folder / "ep_start_end_ids.npy"), annotation_path)
    scene_ranges = read_scenes(folder / "scene_info.npy")
    return CalvinSplit(
        folder=folder,
        split=split,
        demonstrations=tuple(
            Demonstration(index, a.task, a.instruction, a.start, a.end, scene_of(a.start, scene_ranges))
            for index, a in enumerate(annotations)
        ),
        scene_ranges=scene_ranges,
        frames=FrameFiles.find(folder, annotations[0].start),
    )


def _check_recorded(annotations: tuple[Annotation, ...], bounds: np.ndarray, path: Path) -> None:
    """Every annotation lies within one recorded episode of the sorted `bounds` (N, 2)."""
    starts = np.array([annotation.start for annotation in annotations])
    ends = np.array([annotation.end for annotation in annotations])
    episode = np.searchsorted(bounds[:, 0], starts, side="right") - 1
    outside = (episode < 0) | (ends > bounds[episode, 1])
    for index in np.flatnonzero(outside)[:1].tolist():
        raise DatasetError(
            f"{path}: info.indx[{index}] runs from frame {starts[index]} to {ends[index]}, which no "
            "episode of ep_start_end_ids.npy contains."
        )
