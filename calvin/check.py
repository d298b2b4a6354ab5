"""Reads every annotated frame of a split and says what is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from calvin.actions import relative_action
from calvin.annotations import read_bounds
from calvin.dataset import CalvinSplit
from calvin.pickles import load_npy_pickle
from calvin.recording import recorded_renderer
from calvin.task_names import TASKS, UNKNOWN_SCENE
from errors import DatasetError

#: `rel_actions` follow from `robot_obs` and `actions` up to the rounding of float32.
_SAME_ACTION = 1e-4
#: Frames of the official ABC training split and where each scene lies since September 2022 (facts C1).
_ABC_LAST_FRAME = 1_795_044
_ABC_SCENES = {"B": (0, 598_909), "C": (598_910, 1_191_338), "A": (1_191_339, 1_795_044)}


def annotated_frames(split: CalvinSplit) -> list[int]:
    """Ids of the frames that some demonstration covers, each once, in order."""
    return sorted({frame for d in split.demonstrations for frame in range(d.start, d.end + 1)})


@dataclass(frozen=True)
class Findings:
    """`problems` make a dataset unsound; `notes` are worth knowing. One sentence each."""

    problems: tuple[str, ...]
    notes: tuple[str, ...]


def examine(split: CalvinSplit, frames: Iterable[int]) -> Findings:
    """Look at the small files, at each of `frames`, and at what else demonstrations need.

    Lists the folder once; `frames` may report how far it has come.
    """
    found = [*_faults_of_bounds(split), *_faults_of_scenes(split), *_faults_of_configuration(split)]
    unreadable: set[int] = set()
    led_astray: list[int] = []
    for frame in frames:
        try:
            arrays = split.frames.read(frame)
        except DatasetError as error:
            unreadable.add(frame)
            found.append(str(error))
            continue
        fault = _fault_of_actions(arrays["rel_actions"])
        if fault is not None:
            found.append(f"{split.frames.path(frame)}: {fault}")
        elif not _leads_to_its_action(arrays):
            led_astray.append(frame)
    for demonstration in split.demonstrations:
        if unreadable.isdisjoint(range(demonstration.start, demonstration.end + 1)):
            try:
                split.fingerprint(demonstration)
            except DatasetError as error:
                found.append(str(error))
    return Findings(tuple(found), tuple(_notes(split, led_astray)))


def _notes(split: CalvinSplit, led_astray: list[int]) -> Iterator[str]:
    if led_astray:
        yield (
            f"rel_actions of {len(led_astray)} frames (first: {led_astray[0]}) are not those that lead from "
            "robot_obs to actions"
        )
    stray = stray_frames(split)
    if stray:
        yield f"{len(stray)} frames lie outside every recorded episode (first: {stray[0]}); they are not used"
    unknown = sum(demonstration.scene == UNKNOWN_SCENE for demonstration in split.demonstrations)
    if unknown:
        yield f"the scene of {unknown} demonstrations is unknown, and with it the order of blocks in scene_obs"
    for name in ("statistics.yaml", ".hydra/merged_config.yaml"):
        if not (split.folder / name).is_file():
            yield f"there is no {name}: CALVIN's own code needs it, Baton does not"
    silent = [task for task in TASKS if task not in split.validation_instructions]
    if split.split == "validation" and silent:
        yield f"embeddings.npy has no instruction for {len(silent)} of {len(TASKS)} tasks: name them to evaluate"


def stray_frames(split: CalvinSplit) -> list[int]:
    """Frames on disk that no episode of `ep_start_end_ids.npy` contains (mees/calvin, issue 40)."""
    bounds = read_bounds(split.folder / "ep_start_end_ids.npy")
    frames = np.array(sorted(_frames_on_disk(split)), dtype=np.int64)
    episode = np.searchsorted(bounds[:, 0], frames, side="right") - 1
    inside = (episode >= 0) & (frames <= bounds[episode, 1])
    return [int(frame) for frame in frames[~inside]]


def _frames_on_disk(split: CalvinSplit) -> Iterator[int]:
    with os.scandir(split.folder) as entries:
        for entry in entries:
            number = entry.name.removeprefix("episode_").removesuffix(".npz")
            if len(number) + 12 == len(entry.name) and number.isdigit():
                yield int(number)


def _faults_of_bounds(split: CalvinSplit) -> Iterator[str]:
    path = split.folder / "ep_start_end_ids.npy"
    bounds = read_bounds(path)
    for (start, end), (following, _) in zip(bounds.tolist(), bounds[1:].tolist()):
        if following <= end:
            yield f"{path}: the episode {start}-{end} overlaps the one that starts at frame {following}."
    lengths_path = split.folder / "ep_lens.npy"
    if not lengths_path.is_file():
        return
    lengths = load_npy_pickle(lengths_path)
    expected = bounds[:, 1] - bounds[:, 0] + 1
    if not isinstance(lengths, np.ndarray) or sorted(lengths.reshape(-1).tolist()) != sorted(
        expected.tolist()
    ):
        yield f"{lengths_path} does not hold the lengths of the episodes in ep_start_end_ids.npy."


def _faults_of_scenes(split: CalvinSplit) -> Iterator[str]:
    path = split.folder / "scene_info.npy"
    for demonstration in split.demonstrations:
        scenes = {split.scene_of(demonstration.start), split.scene_of(demonstration.end)}
        if len(scenes) > 1:
            yield (
                f"{path}: the demonstration {demonstration.start}-{demonstration.end} lies in scenes"
                f" {' and '.join(sorted(scenes))}."
            )
    ranges = {r.scene: (r.start, r.end) for r in split.scene_ranges}
    last = max((end for _, end in ranges.values()), default=0)
    if last == _ABC_LAST_FRAME and ranges != _ABC_SCENES:
        yield (
            f"{path} is not that of the ABC download since September 2022 (B 0-598909, C 598910-1191338, A"
            " 1191339-1795044); annotations and scenes of earlier downloads are wrong: download anew."
        )


def _faults_of_configuration(split: CalvinSplit) -> Iterator[str]:
    try:
        recorded_renderer(split.folder)
    except DatasetError as error:
        yield str(error)


def _fault_of_actions(relative: np.ndarray) -> str | None:
    if relative[6] not in (-1.0, 1.0):
        return f"the gripper's command in rel_actions is {relative[6]}, not 1 or -1."
    if np.abs(relative).max() > 1 + _SAME_ACTION:
        return f"rel_actions reach {np.abs(relative).max():.3g}; they are scaled to -1..1."
    return None


def _leads_to_its_action(frame: dict[str, np.ndarray]) -> bool:
    pose, action = frame["robot_obs"][:6], frame["actions"]
    expected = relative_action(pose, action[:6], action[6])
    return bool(np.abs(frame["rel_actions"] - expected).max() <= _SAME_ACTION)
