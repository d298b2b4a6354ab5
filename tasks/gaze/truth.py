"""What is really in the frames of an episode that has true boxes: the answers that gaze regions are scored by,
and that the oracle detector gives."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.observations import POSITION
from calvin.episode import Episode, FrameBoxes
from calvin.split import Split
from detectors.base import FrameContext, NoTarget, Target
from detectors.scoring import FrameTruth, object_truths
from detectors.targets.carried import UNNAMED, resolve_blocks
from detectors.targets.table import phases_for
from errors import DatasetError
from settings.shown import shown


def true_targets(episode: Episode, targets: Sequence[Target] | NoTarget) -> list[Target | NoTarget]:
    """What each frame looks for, with the block that a carrying task handles by its name where true boxes tell it.

    It is told from them and the hand, as the oracle detector does.
    """
    if isinstance(targets, NoTarget):
        return [targets] * len(episode)
    if episode.boxes is None:
        return list(targets)
    tracks = {name: [frame.get(name) for frame in episode.boxes] for name in block_names(episode.boxes)}
    hand = FrameContext(gripper_xyz=episode.robot_obs[:, POSITION])
    resolved = resolve_blocks(targets, tracks, hand, episode.rgb_static.shape[2])
    return [
        target if isinstance(told, NoTarget) else told for target, told in zip(targets, resolved, strict=True)
    ]


def frame_truths(episode: Episode, targets: Sequence[Target | NoTarget]) -> list[FrameTruth | None]:
    """The truth of each frame's target (`true_targets`); None where it is not known."""
    if episode.boxes is None:
        return [None] * len(episode)
    known = {
        name: object_truths(episode.boxes, name, episode.pixels)
        for name in {target.object for target in targets if isinstance(target, Target)}
    }
    return [
        known[target.object][frame] if isinstance(target, Target) else None
        for frame, target in enumerate(targets)
    ]


def check_true_boxes(dataset: Split, by_task: bool = False) -> None:
    """Raise DatasetError, naming file and frame, unless the oracle detector finds an entry for each of its targets.

    For scoring alone they may be incomplete: a frame that does not name its target is unlabelled. by_task: as
    `phases_for` is asked.
    """
    file = dataset.boxes_file
    for demonstration in dataset.demonstrations:
        boxes = dataset.boxes_of(demonstration)
        if boxes is None:
            raise DatasetError(
                f"{file} is missing: detector 'oracle' answers with a dataset's true boxes, and there are none here."
            )
        phases = phases_for(demonstration.task, demonstration.instruction, by_task)
        targets = () if isinstance(phases, NoTarget) else phases
        for frame, known in enumerate(boxes, demonstration.start):
            for target in targets:
                for name in _names(target, boxes):
                    if name not in known:
                        raise DatasetError(
                            f"{file}: frame {frame} has no entry for {shown(name)}, which detector 'oracle' looks for "
                            f"in {demonstration.task}."
                        )


def block_names(boxes: Sequence[FrameBoxes]) -> list[str]:
    """The blocks that any frame names."""
    return sorted({name for frame in boxes for name in frame if name.endswith("_block")})


def _names(target: Target, boxes: Sequence[FrameBoxes]) -> list[str]:
    """The entries that tell where a target is. A carrying task's blocks are known by their colours only."""
    return (block_names(boxes) or [target.object]) if target.object in UNNAMED else [target.object]
