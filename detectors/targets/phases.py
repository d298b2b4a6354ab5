"""When gaze moves on: from the carried block to its destination, within one demonstration.

People look at what they grasp until it is in the hand, and at the place where it goes while they carry it
(Land, Mennie and Rusted 1999). The switch is made where the hand has gone half of its way from grasp to
release, the earliest point at which the movement itself says where it goes. The official crops never move on.

A block that is pushed into the drawer is never grasped, and most of what the hand does before is approach. There
the way is the block's own, where its boxes are given: half of it in the picture. Without them it is told from the
hand. The block lies on the table until it falls, so the push is what the hand does at that height, from farthest
away to nearest to the drawer. The block goes ahead of the hand by about its own length. When that much is left of
the push, the block is where the hand will stop, at the edge that it falls over, and the drawer is what comes next.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from detectors.base import Box, FrameContext, Target
from detectors.targets.table import DRAWER

#: Share of the hand's way from grasp to release after which the destination is looked at.
SWITCH_AFTER = 0.5
#: Edge of CALVIN's blocks, and the height of the centre of one that lies on the table (`scene_obs`), in metres.
BLOCK_M, ON_TABLE_Z_M = 0.05, 0.46


def is_push(phases: Sequence[Target], context: FrameContext | None) -> bool:
    """Whether the hand is known and lets go of nothing on a block's way into the drawer."""
    if context is None or context.gripper_xyz is None or not len(context.gripper_xyz):
        return False
    return tuple(phases[1:]) == (DRAWER,) and not _carry(context.gripper_action, len(context.gripper_xyz))[2]


def frame_targets(
    phases: Sequence[Target],
    context: FrameContext | None,
    count: int,
    block: Sequence[Box | None] | None = None,
) -> list[Target]:
    """The target of each of `count` frames. Without the hand's position every frame has the first one.

    block: boxes of the block handled, asked for where `is_push`; None in frames in which it is not seen.
    """
    if len(phases) == 1 or context is None or context.gripper_xyz is None or count == 0:
        return [phases[0]] * count
    switch = _half_of_its_way(block) if block is not None else None
    if switch is None:
        hand = np.asarray(context.gripper_xyz)
        switch = switch_frame(hand, context.gripper_action, into_drawer=phases[1] == DRAWER)
    return [phases[0] if frame < switch else phases[1] for frame in range(count)]


def switch_frame(
    gripper_xyz: NDArray[np.floating],
    gripper_action: NDArray[np.floating] | None,
    into_drawer: bool = False,
) -> int:
    """First frame of the second phase, N where there is none.

    `gripper_xyz` (N, 3) in metres of CALVIN's world; `gripper_action` (N,) is below 0 while the hand is told to
    close. The carry is the last time that the hand is closed, up to the frame in which it opens. A closed hand that
    does not open again carries too, unless it was closed for longer before (it has let go and closes for what comes
    next). One that never closes, or is not known, carries from the first frame to the last.

    into_drawer: a carry that ends in no opening is a push, if the hand goes a block's length or more towards the
    drawer at the height of a block on the table.
    """
    grasp, end, released = _carry(gripper_action, len(gripper_xyz))
    hand = gripper_xyz[grasp : end + 1]
    if into_drawer and not released:
        push = _push(hand)
        if push is not None:
            return grasp + push
    way = _along(hand)
    if way[-1] == 0:
        return len(gripper_xyz)
    return grasp + int(np.argmax(way >= SWITCH_AFTER * way[-1]))


def _carry(gripper_action: NDArray[np.floating] | None, count: int) -> tuple[int, int, bool]:
    """First and last frame, and whether the hand opens in the last."""
    closed = [] if gripper_action is None else _stretches(np.asarray(gripper_action) < 0)
    if not closed:
        return 0, count - 1, False
    first, after = closed[-1]
    if after == count:
        first, after = max(closed, key=lambda stretch: (stretch[1] - stretch[0], stretch[0]))
    return first, min(after, count - 1), after < count


def _push(hand: NDArray[np.floating]) -> int | None:
    """The frame in which the hand has a block's length of its last push to go; None where it pushes nothing.

    Half of the push where it is shorter than two blocks. The drawer opens towards the robot, along -y.
    """
    level = np.abs(hand[:, 2] - ON_TABLE_Z_M) <= BLOCK_M
    for first, after in reversed(_stretches(level)):
        y = hand[first:after, 1]
        end = int(np.argmin(y))
        begin = int(np.argmax(y[: end + 1]))
        length = y[begin] - y[end]
        if length >= BLOCK_M:
            gone = y[begin] - y[begin:]
            return first + begin + int(np.argmax(gone >= max(SWITCH_AFTER * length, length - BLOCK_M)))
    return None


def _half_of_its_way(boxes: Sequence[Box | None]) -> int | None:
    """The first frame in which a block has gone half of its way in the picture; None where it does not leave its
    place."""
    seen = [frame for frame, box in enumerate(boxes) if box is not None]
    known = np.array([box for box in boxes if box is not None]).reshape(-1, 4)
    way = np.linalg.norm((known[:, :2] + known[:, 2:] - known[:1, :2] - known[:1, 2:]) / 2, axis=1)
    if not seen or way[-1] < max(known[0, 2:] - known[0, :2]):
        return None
    return seen[int(np.argmax(way >= SWITCH_AFTER * way[-1]))]


def _along(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """(N,) way in metres from the first of (N, 3) points to each."""
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    return np.concatenate([[0.0], np.cumsum(steps)])


def _stretches(true: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(first, after the last) of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], true, [False]]).astype(int)))
    return [(int(first), int(after)) for first, after in zip(edges[::2], edges[1::2], strict=True)]
