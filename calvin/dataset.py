"""A CALVIN split on disk: the official debug, D, ABC and ABCD downloads, or any folder in their layout."""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np

from calvin.annotations import (
    Annotation,
    SceneRange,
    language_file,
    read_annotations,
    read_bounds,
    read_embeddings,
    read_instructions,
    read_scenes,
    scene_of,
)
from calvin.boxes import read_boxes, read_pixels
from calvin.check import examine
from calvin.downloads import fault_of_scenes
from calvin.episode import FRAME_SHAPES, Episode, FrameBoxes, FramePixels
from calvin.frames import FrameFiles
from calvin.missing_end import before_the_end
from calvin.recording import recording_of
from calvin.split import TRAINING, VALIDATION, Demonstration, Findings, Recording
from errors import DatasetError
from settings.near_files import near_place

Entry = TypeVar("Entry")

#: Seven times what the annotations of the largest download cover. Numbers of frames are held in memory.
MOST_COVERED_FRAMES = 10_000_000


@dataclass(frozen=True)
class CalvinSplit:
    """An opened split. Frames and boxes are read only when asked for.

    `recorded`: first and last frame of each recorded episode, sorted. annotations: the place of each demonstration in
    the file of annotations. left_out: see `calvin.split.LeavingOut`.
    """

    folder: Path
    split: str
    demonstrations: tuple[Demonstration, ...]
    recorded: tuple[tuple[int, int], ...]
    scene_ranges: tuple[SceneRange, ...]
    frames: FrameFiles
    annotations: tuple[int, ...]
    left_out: tuple[str, ...] = ()

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
            pixels=self.pixels_of(demonstration),
        )

    def read_frame(self, frame: int) -> Mapping[str, np.ndarray]:
        """One frame's arrays. Raises DatasetError as `read`."""
        return self.frames.read(frame)

    def extras(self) -> Sequence[str]:
        """Names of what the first frame's file has beside CALVIN's six arrays. Raises DatasetError as `content_of`."""
        return self.frames.extras(self.demonstrations[0].start)

    def read_extras(self, demonstration: Demonstration, names: Sequence[str]) -> Mapping[str, np.ndarray]:
        """Arrays of `calvin.episode.EXTRAS`, (T, ...) each. Raises DatasetError as `read`."""
        frame_ids = range(demonstration.start, demonstration.end + 1)
        read = [self.frames.read_extras(frame, names) for frame in frame_ids]
        return {name: np.stack([frame[name] for frame in read]) for name in names}

    def content_of(self, frame: int) -> Sequence[tuple[str, int]]:
        """The checksums that the frame's archive carries. Raises DatasetError where it cannot be opened."""
        return self.frames.checksums(frame)

    def fingerprint(self, demonstration: Demonstration) -> str:
        """SHA-256 in hex that changes when the demonstration's content does; the same in another folder.

        Made without reading frames: from the annotation, the true boxes, every frame's file name and size,
        and the checksums that the first and the last frame's archives carry.
        """
        frame_ids = range(demonstration.start, demonstration.end + 1)
        boxes, pixels = self.boxes_of(demonstration), self.pixels_of(demonstration)
        identity: dict[str, object] = {
            "annotation": asdict(demonstration),
            "split": self.split,
            "boxes": None if boxes is None else [dict(frame) for frame in boxes],
            "files": [(self.frames.path(frame).name, self.frames.size_bytes(frame)) for frame in frame_ids],
            "checksums": [self.frames.checksums(frame) for frame in (frame_ids[0], frame_ids[-1])],
        }
        if pixels is not None:
            identity["pixels"] = [dict(frame) for frame in pixels]
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()

    def scene_of(self, frame: int) -> str:
        """The scene that `frame` was recorded in ("A".."D"), or "unknown"."""
        return scene_of(frame, self.scene_ranges)

    @cached_property
    def validation_instructions(self) -> Mapping[str, str]:
        """The evaluation instruction by task; empty where the split has no `embeddings.npy`."""
        return read_instructions(language_file(self.folder, "embeddings.npy"))

    @property
    def frame_digits(self) -> int:
        """To how many digits frame numbers are written."""
        return self.frames.digits

    @property
    def boxes_file(self) -> Path:
        """Where the true boxes are, if the split has any."""
        return self.folder / "boxes.json"

    @cached_property
    def boxes(self) -> Mapping[int, FrameBoxes] | None:
        """True boxes by frame; None where the split has no `boxes.json`. Raises DatasetError as `read`."""
        return read_boxes(self.boxes_file)

    def boxes_of(self, demonstration: Demonstration) -> tuple[FrameBoxes, ...] | None:
        """True boxes of each frame; None where the split has no `boxes.json`. Raises DatasetError as `read`."""
        if self.boxes is None:
            return None
        frame_ids = range(demonstration.start, demonstration.end + 1)
        for frame in frame_ids:
            if frame not in self.boxes:
                raise DatasetError(f"{self.boxes_file} has no boxes for frame {frame}.")
        return tuple(self.boxes[frame] for frame in frame_ids)

    @cached_property
    def _pixels(self) -> Mapping[int, FramePixels] | None:
        return read_pixels(self.boxes_file)

    def pixels_of(self, demonstration: Demonstration) -> tuple[FramePixels, ...] | None:
        """How many pixels show each thing, by frame; None where `boxes.json` does not say. Raises as `read`."""
        if self.boxes_of(demonstration) is None or self._pixels is None:
            return None
        return tuple(self._pixels[frame] for frame in range(demonstration.start, demonstration.end + 1))

    def embeddings(self) -> np.ndarray | None:
        """Sentence embeddings by demonstration, (N, 1, width); None where the annotations have none."""
        embeddings = read_embeddings(language_file(self.folder, "auto_lang_ann.npy"))
        return None if embeddings is None else embeddings[list(self.annotations)]

    def recording(self) -> Recording:
        """See `calvin.recording.recording_of`."""
        return recording_of(self)

    def examine(self, frames: Iterable[int]) -> Findings:
        """See `calvin.check.examine`."""
        return examine(self, frames)


class CalvinFolders:
    """CALVIN's layout: training/ and validation/, each with its small files and one archive a frame."""

    def is_at(self, root: Path) -> bool:
        return any((root / name).is_dir() for name in (TRAINING, VALIDATION))

    def check_place(self, root: Path, name: str) -> None:
        check_folder(root, name)

    def open(self, root: Path, name: str) -> CalvinSplit:
        return open_dataset(root, name)

    def survey(self, root: Path, name: str) -> tuple[CalvinSplit, tuple[DatasetError, ...]]:
        return survey(root, name)


def open_dataset(
    root: Path, split: str, find: Callable[[Path, int | None], FrameFiles] = FrameFiles.find
) -> CalvinSplit:
    """Open `root/split` (`training` or `validation`), reading its small files and looking for one frame.

    Raises DatasetError, in one sentence naming file and field, when a folder or file is missing, damaged or
    empty, an annotation lies outside the recorded episodes, or the scenes are those of a download from before they
    were corrected; UnsafePickle for a hostile file.
    """
    opened, faults = survey(root, split, find=find)
    if faults:
        raise faults[0]
    wrong = fault_of_scenes(opened.scene_ranges, max((end for _, end in opened.recorded), default=None))
    if wrong is not None:
        raise DatasetError(f"{opened.folder / 'scene_info.npy'}: {wrong}")
    return opened


def check_folder(root: Path, split: str) -> None:
    """Raises DatasetError unless there is a folder of that split."""
    if not Path(root).is_dir():
        raise DatasetError(
            f"{root} is not a folder; give the one that holds training/ and validation/"
            f"{near_place(Path(root), folders=True) or '.'}"
        )
    if not (Path(root) / split).is_dir():
        raise DatasetError(
            f"{Path(root) / split} is missing; a CALVIN folder holds training/ and validation/."
        )


def survey(
    root: Path,
    split: str,
    most_frames: int = MOST_COVERED_FRAMES,
    find: Callable[[Path, int | None], FrameFiles] = FrameFiles.find,
) -> tuple[CalvinSplit, tuple[DatasetError, ...]]:
    """As much of `root/split` as can be opened, and all that cannot.

    What a damaged file would have said is absent, and so is the demonstration of a faulty annotation; all of them
    where they cover more than `most_frames`, each frame counted as often as it is covered. find: where the frames
    are, by the folder and one of them. Raises DatasetError when the folder is missing or holds no frame.
    """
    folder = Path(root) / split
    check_folder(root, split)
    faults: list[DatasetError] = []
    try:
        annotation_path = language_file(folder, "auto_lang_ann.npy")
        annotations = read_annotations(annotation_path)
    except DatasetError as error:
        faults.append(error)
        annotation_path, annotations = folder, ()
    recorded = _attempt(read_bounds, folder / "ep_start_end_ids.npy", faults)
    scene_ranges = _attempt(read_scenes, folder / "scene_info.npy", faults)
    demonstrations = []
    for index, annotation in enumerate(annotations):
        if isinstance(annotation, DatasetError):
            faults.append(annotation)
        elif recorded and not _lies_within(annotation, recorded):
            faults.append(
                DatasetError(
                    f"{annotation_path}: info.indx[{index}] runs from frame {annotation.start} to "
                    f"{annotation.end}, which no episode of ep_start_end_ids.npy contains."
                )
            )
        else:
            scene = scene_of(annotation.start, scene_ranges)
            demonstrations.append(Demonstration(index=index, scene=scene, **asdict(annotation)))
    covered = sum(demonstration.end - demonstration.start + 1 for demonstration in demonstrations)
    if covered > most_frames:
        demonstrations = []
        faults.append(
            DatasetError(
                f"{annotation_path}: its annotations cover {covered} frames; at most {most_frames} are read."
            )
        )
    frames = find(folder, demonstrations[0].start if demonstrations else None)
    remaining = before_the_end(demonstrations, frames)
    return CalvinSplit(
        folder=folder,
        split=split,
        demonstrations=remaining.demonstrations,
        annotations=remaining.annotations,
        left_out=remaining.left_out,
        recorded=recorded,
        scene_ranges=scene_ranges,
        frames=frames,
    ), tuple(faults)


def _attempt(
    read: Callable[[Path], tuple[Entry, ...]], path: Path, faults: list[DatasetError]
) -> tuple[Entry, ...]:
    """What `read` makes of the file; nothing, and one more of the `faults`, where it cannot."""
    try:
        return read(path)
    except DatasetError as error:
        faults.append(error)
        return ()


def _lies_within(annotation: Annotation, recorded: Sequence[tuple[int, int]]) -> bool:
    """Whether one of the sorted `recorded` episodes contains all its frames."""
    following = bisect_right(recorded, annotation.start, key=lambda episode: episode[0])
    return following > 0 and annotation.end <= recorded[following - 1][1]
