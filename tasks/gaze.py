"""Gaze regions of one episode: where the target is in every frame, its crops, and how right that is."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from calvin.episode import Episode
from calvin.episode_file import load_episode
from detectors.base import Detection, Detector, FrameContext, NoTarget, Target
from detectors.crops import crop_region
from detectors.registry import make_detector
from detectors.scoring import FrameTruth, ScoredFrame, score_frame, summarise
from detectors.targets import phases_for
from tasks.context import Draft, Finished, Result, TaskContext, one_input


def run(context: TaskContext) -> Result:
    """Publishes one `gaze` artifact: rows as JSON in the header, one `crop_<frame>` tensor per region."""
    number = context.spec["number"]
    episode = load_episode(one_input(context.inputs, "episode", f"task_{number}").path)
    detector = _detector(context)
    results, targets = find_regions(episode, detector)
    scored = score(episode, results, targets)

    crops: dict[str, np.ndarray] = {}
    rows = []
    for frame, result in enumerate(results):
        if isinstance(result, Detection):
            crop = crop_region(episode.rgb_static[frame], result.box)
            crops[f"crop_{frame:05d}"] = np.ascontiguousarray(crop)
            rows.append({"box": [int(edge) for edge in _rounded(result.box)], "score": result.score})
        else:
            rows.append({"reason": result.reason.value, "detail": result.detail})
    file = context.scratch / f"gaze_{number}.safetensors"
    about = {"detector": f"{detector.name}-{detector.version}", "task": episode.task, "rows": rows}
    save_file(crops or {"none": np.zeros(0, np.uint8)}, file, metadata={"gaze": json.dumps(about)})
    return Finished(
        [Draft("gaze", f"task_{number}", file)],
        result={
            "frames": len(rows),
            "figures": {level: f for level, f in summarise(scored).items() if f["frames"]},
            "iou_sum": _sums(scored),
        },
    )


def find_regions(
    episode: Episode, detector: Detector
) -> tuple[list[Detection | NoTarget], list[Target] | NoTarget]:
    """One result per frame. An instruction that names no known target gives NoTarget for every frame."""
    phases = phases_for(episode.task, episode.instruction)
    if isinstance(phases, NoTarget):
        return [phases] * len(episode), phases
    targets = [phases[0]] * len(episode)
    known = FrameContext(boxes=episode.boxes, gripper_xyz=episode.robot_obs[:, :3])
    return detector.detect(np.asarray(episode.rgb_static), targets, known), targets


def score(
    episode: Episode, results: list[Detection | NoTarget], targets: list[Target] | NoTarget
) -> list[ScoredFrame]:
    """Judge each frame against the true boxes, where the episode has them."""
    area = episode.rgb_static.shape[1] * episode.rgb_static.shape[2]
    scored = []
    for frame, result in enumerate(results):
        truth = None
        if episode.boxes is not None and not isinstance(targets, NoTarget):
            truth = _truth(episode, frame, targets[frame].object)
        scored.append(score_frame(result, truth, area))
    return scored


def _truth(episode: Episode, frame: int, name: str) -> FrameTruth | None:
    assert episode.boxes is not None
    boxes = episode.boxes[frame]
    if name not in boxes:
        return None  # such as the block that is carried: no box is kept under that name
    others = tuple(
        box
        for other, box in boxes.items()
        if box is not None and other != name and other.endswith("_block") and name.endswith("_block")
    )
    return FrameTruth(boxes[name], visible_share=_visible_share(episode, frame, name), distractors=others)


def _visible_share(episode: Episode, frame: int, name: str) -> float:
    """Area of the visible box against its median over the episode, as the pixels themselves are not kept."""
    assert episode.boxes is not None
    areas = [_area(boxes.get(name)) for boxes in episode.boxes]
    seen = [area for area in areas if area > 0]
    return areas[frame] / float(np.median(seen)) if seen else 0.0


def _area(box: Any) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1])) if box is not None else 0.0


def _sums(scored: list[ScoredFrame]) -> dict[str, list[float]]:
    """Per difficulty [sum of IoU, frames with an IoU]: means over many episodes are made from these."""
    sums: dict[str, list[float]] = {}
    for frame in scored:
        if frame.iou is not None:
            entry = sums.setdefault(frame.difficulty, [0.0, 0])
            entry[0] += frame.iou
            entry[1] += 1
    return sums


def _rounded(box: tuple[float, float, float, float]) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = box
    return int(np.floor(x0)), int(np.floor(y0)), int(np.ceil(x1)), int(np.ceil(y1))


def _detector(context: TaskContext) -> Detector:
    """Detectors with weights stay in the worker's memory."""
    name, options = context.spec["detector"], dict(context.spec["options"])
    key = f"detector {name} {json.dumps(options, sort_keys=True)}"
    if key not in context.memory:
        context.memory[key] = make_detector(name, **options)
    detector: Detector = context.memory[key]
    return detector
