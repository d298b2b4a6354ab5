"""What is really in the frames of an episode that has true boxes: the answers that gaze regions are scored by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from calvin.episode import Episode
from detectors.base import FrameContext, NoTarget, Target
from detectors.carried import resolve_blocks
from detectors.scoring import FrameTruth


def frame_truths(episode: Episode, targets: Sequence[Target] | NoTarget) -> list[FrameTruth | None]:
    """The truth of each frame's target; None where it is not known.

    Which block a carrying task handles is told from the true boxes and the hand, as the oracle detector does.
    """
    if episode.boxes is None or isinstance(targets, NoTarget):
        return [None] * len(episode)
    names = [name for frame in episode.boxes[:1] for name in frame if name.endswith("_block")]
    tracks = {name: [frame.get(name) for frame in episode.boxes] for name in names}
    hand = FrameContext(gripper_xyz=episode.robot_obs[:, :3])
    resolved = resolve_blocks(targets, tracks, hand, episode.rgb_static.shape[2])
    usual = {
        target.object: _usual_area(episode, target.object)
        for target in resolved
        if isinstance(target, Target)
    }
    return [
        _truth(episode, frame, target.object, usual[target.object]) if isinstance(target, Target) else None
        for frame, target in enumerate(resolved)
    ]


def _truth(episode: Episode, frame: int, name: str, usual_area: float) -> FrameTruth | None:
    assert episode.boxes is not None
    boxes = episode.boxes[frame]
    if name not in boxes:
        return None
    others = tuple(
        box
        for other, box in boxes.items()
        if box is not None and other != name and other.endswith("_block") and name.endswith("_block")
    )
    share = _area(boxes[name]) / usual_area if usual_area else 0.0
    return FrameTruth(boxes[name], visible_share=share, distractors=others)


def _usual_area(episode: Episode, name: str) -> float:
    """Median area of the visible box over the episode, as the pixels themselves are not kept."""
    assert episode.boxes is not None
    seen = [area for boxes in episode.boxes if (area := _area(boxes.get(name))) > 0]
    return float(np.median(seen)) if seen else 0.0


def _area(box: tuple[int, int, int, int] | None) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1])) if box is not None else 0.0
