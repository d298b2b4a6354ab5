"""What is really in the frames of an episode that has true boxes: the answers that gaze regions are scored by."""

from __future__ import annotations

from collections.abc import Sequence

from calvin.episode import Episode
from detectors.base import FrameContext, NoTarget, Target
from detectors.carried import resolve_blocks
from detectors.scoring import FrameTruth, object_truths


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
    known = {
        name: object_truths(episode.boxes, name)
        for name in {target.object for target in resolved if isinstance(target, Target)}
    }
    return [
        known[target.object][frame] if isinstance(target, Target) else None
        for frame, target in enumerate(resolved)
    ]
