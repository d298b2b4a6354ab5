"""Reads every annotated frame of a split and says what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.tasks import TASKS
from calvin.action_check import ActionTable, look_at_actions
from calvin.annotations import LANGUAGE_FOLDER, language_file
from calvin.downloads import fault_of_scenes
from calvin.overview import Survey
from calvin.pickles import SMALL, load_npy_pickle
from calvin.picture_check import PictureTable
from calvin.recording import read_record, recorded_renderer
from calvin.split import Findings, annotated_frames
from errors import DatasetError
from settings.regular import is_there

if TYPE_CHECKING:
    from calvin.dataset import CalvinSplit


def examine(split: CalvinSplit, frames: Iterable[int]) -> Findings:
    """Look at the small files and at each of `frames`, the annotated ones in order.

    Lists the folder once; `frames` may report how far it has come.
    """
    problems = [*_faults_of_episodes(split), *_faults_of_scenes(split), *_faults_of_other_files(split)]
    on_disk = split.frames.on_disk()
    annotated = np.array(annotated_frames(split), dtype=np.int64)
    last_of_gap = dict(_runs(np.setdiff1d(annotated, on_disk)))
    table, pictures, survey = ActionTable(len(annotated)), PictureTable(), Survey(split)
    faults: dict[str, list[str]] = {}  # what is wrong, without the file -> sentences
    gap_ends = -1
    for frame in frames:
        if frame in last_of_gap:
            gap_ends = last_of_gap[frame]
            faults[f"gap {frame}"] = [_gap(split, frame, gap_ends)]
        if frame <= gap_ends:
            continue
        try:
            arrays = split.frames.read(frame)
        except DatasetError as error:
            kind = str(error).replace(str(split.frames.path(frame)), "")
            faults.setdefault(kind, []).append(str(error))
            continue
        table.add(frame, arrays)
        pictures.add(frame, arrays)
        survey.add(frame, arrays)
    problems += map(_told_once, faults.values())
    seen = pictures.findings(split.folder)
    actions = look_at_actions(table.motions, split.folder)
    overview = survey.overview()
    problems += [*seen.systematic, *actions.systematic, *actions.faults, *_faults_of_boxes(split, annotated)]
    if overview.wrong_scenes is not None:
        problems.append(f"{split.folder / 'scene_info.npy'}: {overview.wrong_scenes}.")
    notes = [
        *seen.notes,
        *actions.notes,
        *(f"left out: {sentence}" for sentence in split.left_out),
        *_notes_on_language(split),
        *_notes_on_frames(split, annotated, on_disk),
        *_notes_on_other_files(split),
        *overview.told_of_scenes("with it the order of blocks in scene_obs is unknown, too"),
    ]
    return Findings(tuple(problems), tuple(notes), overview)


def stray_frames(split: CalvinSplit, on_disk: np.ndarray) -> list[int]:
    """Those of the frames `on_disk` that no recorded episode contains (mees/calvin, issue 40)."""
    starts, ends = np.array(split.recorded, dtype=np.int64).T
    episode = np.searchsorted(starts, on_disk, side="right") - 1
    inside = (episode >= 0) & (on_disk <= np.maximum.accumulate(ends)[episode])
    return [int(frame) for frame in on_disk[~inside]]


def _missing(recorded: Sequence[tuple[int, int]], frames: np.ndarray) -> tuple[int, int | None]:
    """How many frames of the `recorded` episodes are not among the sorted `frames`, and the first such frame."""
    count, first = 0, None
    for start, end in recorded:
        there = frames[np.searchsorted(frames, start) : np.searchsorted(frames, end, side="right")]
        lacking = end - start + 1 - len(there)
        if lacking and first is None:
            # Frame i of an episode without gaps is start + i.
            in_place = there == np.arange(start, start + len(there))
            first = start + (len(there) if in_place.all() else int(np.argmin(in_place)))
        count += lacking
    return count, first


def _runs(frames: np.ndarray) -> Iterator[tuple[int, int]]:
    """First and last of each stretch of consecutive ids in the sorted `frames`."""
    if len(frames):
        for run in np.split(frames, np.flatnonzero(np.diff(frames) > 1) + 1):
            yield int(run[0]), int(run[-1])


def _gap(split: CalvinSplit, first: int, last: int) -> str:
    if first == last:
        return f"{split.frames.path(first)} is missing: there is a gap at frame {first}."
    return (
        f"{split.folder}: {last - first + 1} frames in a row are missing, from {split.frames.path(first).name} to "
        f"{split.frames.path(last).name}."
    )


def _told_once(sentences: list[str], what: str = "frame") -> str:
    """The first of sentences that say the same of several frames, with their number."""
    if len(sentences) == 1:
        return sentences[0]
    more = len(sentences) - 1
    return (
        f"{sentences[0].removesuffix('.')}; the same holds for {more} more {what}{'s' if more > 1 else ''}."
    )


def _notes_on_frames(split: CalvinSplit, annotated: np.ndarray, on_disk: np.ndarray) -> Iterator[str]:
    if not split.recorded:  # ep_start_end_ids.npy is a problem already
        return
    stray = stray_frames(split, on_disk)
    if stray:
        yield f"{len(stray)} frames lie outside every recorded episode (first: {stray[0]}); they are not used"
    count, first = _missing(split.recorded, np.union1d(on_disk, annotated))
    if count:
        yield f"{count} frames of recorded episodes are missing (first: {first}); no demonstration needs them"
    bare = _missing(split.recorded, annotated)[0] - count
    if bare:
        whole = sum(end - start + 1 for start, end in split.recorded)
        yield f"{bare} of {whole} frames of recorded episodes have no annotation; they are not used"


def _notes_on_language(split: CalvinSplit) -> Iterator[str]:
    for name in ("auto_lang_ann.npy", "embeddings.npy"):
        try:
            place = language_file(split.folder, name).parent
        except DatasetError:  # a problem already
            continue
        if place not in (split.folder / LANGUAGE_FOLDER, split.folder):
            yield f"{name} is read from {place.name}/, as there is none in {LANGUAGE_FOLDER}/"


def _notes_on_other_files(split: CalvinSplit) -> Iterator[str]:
    repeated = len(split.demonstrations) - len({(d.task, d.start, d.end) for d in split.demonstrations})
    if repeated:
        yield f"{repeated} annotations repeat task and frames of an earlier one"
    for name in ("statistics.yaml", ".hydra/merged_config.yaml"):
        if not is_there(split.folder / name):
            yield f"there is no {name}: CALVIN's own code needs it, Baton does not"
    if split.split == "validation":
        try:
            silent = [task for task in TASKS if task not in split.validation_instructions]
        except DatasetError:  # a problem already
            return
        if silent:
            yield f"embeddings.npy has no instruction for {len(silent)} of {len(TASKS)} tasks: name them to evaluate"


def _faults_of_episodes(split: CalvinSplit) -> Iterator[str]:
    path = split.folder / "ep_start_end_ids.npy"
    overlapping = [
        f"{path}: the episode {start}-{end} overlaps the one that starts at frame {following}."
        for (start, end), (following, _) in zip(split.recorded, split.recorded[1:])
        if following <= end
    ]
    if overlapping:
        yield _told_once(overlapping, "episode")
    lengths_path = split.folder / "ep_lens.npy"
    if not is_there(lengths_path):
        return
    try:
        lengths = load_npy_pickle(lengths_path, SMALL)
    except DatasetError as error:
        yield str(error)
        return
    expected = sorted(end - start + 1 for start, end in split.recorded)
    if expected and _counts(lengths) != expected:
        yield f"{lengths_path} does not hold the lengths of the episodes in ep_start_end_ids.npy."


def _counts(value: Any) -> list[int] | None:
    """The whole numbers in `value`, sorted; None where it is anything else."""
    if isinstance(value, np.ndarray):
        return sorted(value.reshape(-1).tolist()) if value.dtype.kind in "iu" else None
    numbers = value if isinstance(value, list | tuple) else [value]
    return (
        sorted(map(int, numbers)) if all(isinstance(number, int | np.integer) for number in numbers) else None
    )


def _faults_of_scenes(split: CalvinSplit) -> Iterator[str]:
    path = split.folder / "scene_info.npy"
    for demonstration in split.demonstrations:
        scenes = {split.scene_of(demonstration.start), split.scene_of(demonstration.end)}
        if len(scenes) > 1:
            yield (
                f"{path}: the demonstration {demonstration.start}-{demonstration.end} lies in scenes"
                f" {' and '.join(sorted(scenes))}."
            )
    fault = fault_of_scenes(split.scene_ranges, max((end for _, end in split.recorded), default=None))
    if fault is not None:
        yield f"{path}: {fault}"


def _faults_of_other_files(split: CalvinSplit) -> Iterator[str]:
    try:
        recorded_renderer(split.folder)
    except DatasetError as error:
        yield str(error)
    try:
        read_record(split.folder, split.recorded, split.frames)
    except DatasetError as error:
        yield str(error)
    try:
        _ = split.validation_instructions
    except DatasetError as error:
        yield str(error)


def _faults_of_boxes(split: CalvinSplit, annotated: np.ndarray) -> Iterator[str]:
    try:
        boxes = split.boxes
    except DatasetError as error:
        yield str(error)
        return
    lacking = [] if boxes is None else [frame for frame in annotated.tolist() if frame not in boxes]
    if lacking:
        yield f"{split.boxes_file} has no boxes for {len(lacking)} annotated frames (first: {lacking[0]})."
