"""Which block a demonstration handles, when the wording does not say ("put the block in the drawer")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from detectors.base import Box, FrameContext, NoTarget, Reason, Target
from detectors.targets.camera import project_static

#: Objects of targets that do not say which block: the one handled, and the one it is put upon.
UNNAMED = frozenset({"block", "other_block"})

#: Boxes of one block over the frames of a demonstration, None where it is not visible.
Track = Sequence[Box | None]


def carried_block(tracks: Mapping[str, Track], gripper_xy: NDArray[np.floating]) -> str | None:
    """Name of the track of the block that the hand takes along, None when no track has a box.

    `gripper_xy`: (N, 2) pixels. It is the block that leaves its place: goes farther than a block is long. Of several,
    as a demonstration may begin with another still in hand, and of all where none does, it is the one nearest to the
    hand at the end, in the last frame that shows it. On the way to it the hand may be longer near others.
    """
    shown = {name: track for name, track in tracks.items() if any(track)}
    length = max((_length(box) for track in shown.values() for box in track if box), default=0.0)
    moved = {name: track for name, track in shown.items() if _way(track) > length}
    gaps = {name: _last_gap(track, gripper_xy) for name, track in (moved or shown).items()}
    return min(gaps, key=lambda name: gaps[name]) if gaps else None


def block_beside(tracks: Mapping[str, Track], carried: str) -> str | None:
    """Name of the other block nearest to the carried one at the end; None if either is never seen."""
    last_box = next((box for box in reversed(tracks.get(carried, ())) if box is not None), None)
    if last_box is None:
        return None
    distances: dict[str, float] = {}
    for name, track in tracks.items():
        box = next((box for box in reversed(track) if box is not None), None)
        if name != carried and box is not None:
            distances[name] = float(np.linalg.norm(np.subtract(_centre(box), _centre(last_box))))
    return min(distances, key=lambda name: distances[name]) if distances else None


def resolve_blocks(
    targets: Sequence[Target], tracks: Mapping[str, Track], context: FrameContext | None, image_size: int
) -> list[Target | NoTarget]:
    """Replace `block` and `other_block` by the coloured block meant; other targets pass unchanged.

    Where one of the two is named, the other is told from the blocks that are left. NoTarget(ambiguous_block) where
    the gripper's position is not known or no block is seen.
    """
    objects = {target.object for target in targets}
    if objects.isdisjoint(UNNAMED):
        return list(targets)
    missing = NoTarget(Reason.AMBIGUOUS_BLOCK, "the gripper's position is not given or no block is in sight")
    named = next((name for name in objects if name.endswith("_block") and name not in UNNAMED), None)
    carried = None
    if named is not None and "block" not in objects:
        carried = named
    elif context is not None and context.gripper_xyz is not None:
        left = {name: track for name, track in tracks.items() if name != named}
        carried = carried_block(left, project_static(context.gripper_xyz, image_size))
    other = block_beside(tracks, carried) if carried is not None else None
    meaning = {"block": carried, "other_block": other}
    resolved: list[Target | NoTarget] = []
    for target in targets:
        if target.object not in UNNAMED:
            resolved.append(target)
            continue
        name = meaning[target.object]
        resolved.append(_named_block(name) if name is not None else missing)
    return resolved


def _named_block(name: str) -> Target:
    colour = name.removesuffix("_block")
    return Target(name, f"{colour} block", colour)


def _last_gap(track: Track, gripper_xy: NDArray[np.floating]) -> float:
    """Distance between the block and the hand in the last frame that shows the block."""
    return [
        float(np.linalg.norm(np.subtract(_centre(box), xy)))
        for box, xy in zip(track, gripper_xy, strict=True)
        if box is not None
    ][-1]


def _way(track: Track) -> float:
    """Distance between the block's places in the first and the last frame that show it."""
    seen = [box for box in track if box is not None]
    return float(np.linalg.norm(np.subtract(_centre(seen[-1]), _centre(seen[0]))))


def _length(box: Box) -> float:
    return max(box[2] - box[0], box[3] - box[1])


def _centre(box: Box) -> tuple[float, float]:
    return ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
