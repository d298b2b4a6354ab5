"""Gaze regions of one episode: where the target is in every frame, its crops, and how right that is."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from calvin.episode import Episode
from calvin.episode_file import load_episode
from detectors.base import Detection, Detector, FrameContext, NoTarget, Target
from detectors.cache import FinderCache, shared_cache
from detectors.crops import crop_region
from detectors.registry import FINDERS, check_planned, make_detector
from detectors.scoring import (
    FrameTruth,
    LevelFigures,
    ObjectFigures,
    ScoredFrame,
    score_frame,
    summarise,
    summarise_objects,
)
from detectors.targets.phases import frame_targets, is_push
from detectors.targets.table import BY_TASK, NO_TARGET, Phases, phases_for
from detectors.targets.wording import understand
from settings.typed_json import from_json
from tasks.context import Draft, Finished, TaskContext, one_input
from tasks.fixed_state import arithmetic, settle_libraries
from tasks.gaze.artifact import GazeHeader, GazeRow, NoRegionRow, RegionRow, metadata_of
from tasks.gaze.truth import frame_truths, true_targets
from tasks.memory import kept, kept_or_made
from tasks.results import GazeResult
from tasks.specs import GazeSpec

#: `robot_obs`: position of the tool centre point in metres; last command to the hand, 1 open and -1 close.
_HAND_XYZ, _HAND_COMMAND = slice(0, 3), 14

#: Of a worker's memory.
_CACHE = "gaze cache"


@dataclass(frozen=True)
class Regions:
    """One entry per frame of an episode: what was found, what was looked for, what is really there, the verdict.

    `targets` is one NoTarget where the instruction says none. `by_task`: the instruction is not understood, and the
    targets are those of the task.
    """

    results: list[Detection | NoTarget]
    targets: list[Target] | NoTarget
    truths: list[FrameTruth | None]
    scored: list[ScoredFrame]
    by_task: bool = False


def run(context: TaskContext[GazeSpec]) -> Finished[GazeResult]:
    """Publishes one `gaze` artifact: rows as JSON in the header, one `crop_<frame>` tensor per region.

    Raises EnvironmentLacks where this machine's detector is not the one that the job was planned with.
    """
    number = context.spec.number
    episode = load_episode(one_input(context.inputs, "episode", f"task_{number}").path)
    detector = _detector(context)
    regions = find_regions(episode, detector, context.spec.unknown_wording)

    crops: dict[str, NDArray[np.uint8]] = {}
    rows: list[GazeRow] = []
    for frame, (result, truth) in enumerate(zip(regions.results, regions.truths, strict=True)):
        if isinstance(result, Detection):
            crop = crop_region(episode.rgb_static[frame], result.box)
            crops[f"crop_{frame:05d}"] = np.ascontiguousarray(crop)
        rows.append(_row(result, truth))
    file = context.scratch / f"gaze_{number}.safetensors"
    about: GazeHeader = {
        "detector": f"{detector.name}-{detector.version}",
        "precision": detector.precision,
        "task": episode.task,
        "rows": rows,
    }
    save_file(crops or {"none": np.zeros(0, np.uint8)}, file, metadata=metadata_of(about))
    figures = from_json(
        GazeResult, {**summary_of([regions]), "precision": detector.precision}, "gaze figures"
    )
    return Finished([Draft("gaze", f"task_{number}", file)], result=figures)


def find_regions(episode: Episode, detector: Detector, unknown_wording: str = NO_TARGET) -> Regions:
    """Find and judge. An instruction that names no known target gives the same NoTarget for every frame.

    unknown_wording: what one that is not understood gives, NO_TARGET or BY_TASK (the targets of its task).
    """
    phases = phases_for(episode.task, episode.instruction, unknown_wording == BY_TASK)
    targets: list[Target] | NoTarget
    if isinstance(phases, NoTarget):
        targets = phases
        results: list[Detection | NoTarget] = [phases] * len(episode)
    else:
        known = FrameContext(
            boxes=episode.boxes,
            gripper_xyz=episode.robot_obs[:, _HAND_XYZ],
            gripper_action=episode.robot_obs[:, _HAND_COMMAND],
        )
        targets = _frame_targets(phases, episode, known, detector)
        results = detector.detect(np.asarray(episode.rgb_static), targets, known)
    meant = true_targets(episode, targets)
    truths = frame_truths(episode, meant)
    area = episode.rgb_static.shape[1] * episode.rgb_static.shape[2]
    scored = [
        score_frame(result, truth, area, target.object if isinstance(target, Target) else "nothing")
        for result, truth, target in zip(results, truths, meant, strict=True)
    ]
    by_task = isinstance(targets, list) and understand(episode.instruction) is None
    return Regions(results, targets, truths, scored, by_task)


def _frame_targets(phases: Phases, episode: Episode, known: FrameContext, detector: Detector) -> list[Target]:
    """The target of each frame. A block that is pushed is looked for in all of them first: its way is told by its
    own boxes."""
    count, boxes = len(episode), None
    if is_push(phases, known):
        found = detector.detect(np.asarray(episode.rgb_static), [phases[0]] * count, known)
        boxes = [one.box if isinstance(one, Detection) and one.is_trusted else None for one in found]
    return frame_targets(phases, known, count, boxes)


class ByTaskCounts(TypedDict):
    """Of demonstrations whose instruction is not understood, with the target of their task."""

    demonstrations: int
    frames: int


class GazeSummary(TypedDict):
    """See `summary_of`."""

    frames: int
    trusted: int
    figures: dict[str, LevelFigures]
    objects: dict[str, ObjectFigures]
    sources: dict[str, int]
    by_task: ByTaskCounts
    iou_sum: dict[str, list[float]]


def summary_of(episodes: Iterable[Regions]) -> GazeSummary:
    """Counts over episodes, as plain JSON. Those of `outcomes` and `sources` add up to the frames.

    `figures` by difficulty, `objects` by what was looked for, `sources`: how boxes were found and why there
    are none, `trusted`: frames whose box is more likely right than wrong, `by_task`: demonstrations and frames whose
    instruction is not understood and whose target is the task's.
    """
    regions = list(episodes)
    scored = [frame for one in regions for frame in one.scored]
    results = [result for one in regions for result in one.results]
    sources = Counter(r.source.value if isinstance(r, Detection) else r.reason.value for r in results)
    return {
        "frames": len(results),
        "trusted": sum(isinstance(r, Detection) and r.is_trusted for r in results),
        "figures": {level: f for level, f in summarise(scored).items() if f["frames"]},
        "objects": summarise_objects(scored),
        "sources": dict(sorted(sources.items())),
        "by_task": {
            "demonstrations": sum(one.by_task for one in regions),
            "frames": sum(len(one.results) for one in regions if one.by_task),
        },
        "iou_sum": _sums(scored),
    }


def _row(result: Detection | NoTarget, truth: FrameTruth | None) -> GazeRow:
    """A frame's entry in the artifact's header; with the target's true box, where that is known."""
    row = _no_region(result) if isinstance(result, NoTarget) else _region(result)
    if truth is not None:
        row["true_box"] = None if truth.box is None else [float(edge) for edge in truth.box]
    return row


def _region(found: Detection) -> RegionRow:
    x0, y0, x1, y1 = found.box
    return {
        "box": [int(np.floor(x0)), int(np.floor(y0)), int(np.ceil(x1)), int(np.ceil(y1))],
        "score": found.score,
        "source": found.source.value,
        "trusted": found.is_trusted,
        "uncertainty_pixels": found.uncertainty_pixels,
    }


def _no_region(why: NoTarget) -> NoRegionRow:
    return {"reason": why.reason.value, "detail": why.detail}


def _sums(scored: list[ScoredFrame]) -> dict[str, list[float]]:
    """Per difficulty [sum of IoU, frames with an IoU]: means over many episodes are made from these."""
    sums: dict[str, list[float]] = {}
    for frame in scored:
        if frame.iou is not None:
            entry = sums.setdefault(frame.difficulty, [0.0, 0])
            entry[0] += frame.iou
            entry[1] += 1
    return sums


@dataclass(frozen=True)
class _KeptDetector:
    detector: Detector


def _detector(context: TaskContext[GazeSpec]) -> Detector:
    """Detectors with weights stay in the worker's memory; what they said about frames, in the home's cache."""
    memory, name, options = context.memory, context.spec.detector, context.spec.keywords
    key = f"detector {name} {json.dumps(options, sort_keys=True)}"

    def make() -> _KeptDetector:
        if name in FINDERS:
            options["cache"] = kept_or_made(memory, _CACHE, FinderCache, lambda: shared_cache(context.cache))
        return _KeptDetector(make_detector(name, **options))

    detector = kept_or_made(memory, key, _KeptDetector, make).detector
    settle_libraries()  # a detector may have been the first to import torch
    if (cache := kept(memory, _CACHE, FinderCache)) is not None:
        cache.arithmetic = arithmetic()
    check_planned(detector, context.spec.version)
    return detector
