"""What is really in the frames of an episode that has true boxes: the answers that gaze regions are scored by,
and that the oracle detector gives."""

from __future__ import annotations

from collections.abc import Sequence

from calvin.dataset import CalvinSplit
from calvin.episode import Episode
from detectors.base import FrameContext, NoTarget, Target
from detectors.carried import resolve_blocks
from detectors.scoring import FrameTruth, object_truths
from detectors.targets import phases_for
from errors import DatasetError


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


def check_true_boxes(dataset: CalvinSplit) -> None:
    """Raise DatasetError, naming file and frame, unless the oracle detector finds an entry for each of its targets."""
    file = dataset.folder / "boxes.json"
    for demonstration in dataset.demonstrations:
        boxes = dataset.boxes_of(demonstration)
        if boxes is None:
            raise DatasetError(
                f"{file} is missing: detector 'oracle' answers with a dataset's true boxes, and there are none here."
            )
        phases = phases_for(demonstration.task, demonstration.instruction)
        targets = () if isinstance(phases, NoTarget) else phases
        for frame, known in enumerate(boxes, demonstration.start):
            if known.keys() != boxes[0].keys():
                raise DatasetError(
                    f"{file}: frame {frame} names other things than frame {demonstration.start}."
                )
            for target in targets:
                if not any(_is_called(name, target) for name in known):
                    raise DatasetError(
                        f"{file}: frame {frame} has no entry for {target.object!r}, which detector 'oracle' looks "
                        f"for in {demonstration.task}."
                    )


def _is_called(name: str, target: Target) -> bool:
    """A carrying task's blocks are known by their colours only."""
    return name == target.object or (target.object in ("block", "other_block") and name.endswith("_block"))
