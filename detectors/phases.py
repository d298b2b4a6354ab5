"""When gaze moves on: from the carried block to its destination, within one demonstration.

People look at what they grasp until it is in the hand, and at the place where it goes while they carry it
(Land, Mennie and Rusted 1999). The switch is made where the hand has gone half of its way from grasp to
release, the earliest point at which the movement itself says where it goes. The official crops never move on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from detectors.base import FrameContext, Target

#: Share of the hand's way from grasp to release after which the destination is looked at.
SWITCH_AFTER = 0.5


def frame_targets(phases: Sequence[Target], context: FrameContext | None, count: int) -> list[Target]:
    """The target of each of `count` frames. Without the hand's position every frame has the first one."""
    if len(phases) == 1 or context is None or context.gripper_xyz is None or count == 0:
        return [phases[0]] * count
    switch = switch_frame(np.asarray(context.gripper_xyz), context.gripper_action)
    return [phases[0] if frame < switch else phases[1] for frame in range(count)]


def switch_frame(gripper_xyz: NDArray[np.floating], gripper_action: NDArray[np.floating] | None) -> int:
    """First frame of the second phase, N where there is none.

    `gripper_xyz` (N, 3) in metres; `gripper_action` (N,) is below 0 while the hand is told to close. The carry
    goes from the last time that the hand closes before it last opens, up to that opening; a hand that never
    closes (pushing) or is not known carries from the first frame to the last.
    """
    count = len(gripper_xyz)
    grasp, release = _carry(gripper_action, count)
    steps = np.linalg.norm(np.diff(gripper_xyz[grasp : release + 1], axis=0), axis=1)
    way = np.concatenate([[0.0], np.cumsum(steps)])
    if way[-1] == 0:
        return count
    return grasp + int(np.argmax(way >= SWITCH_AFTER * way[-1]))


def _carry(gripper_action: NDArray[np.floating] | None, count: int) -> tuple[int, int]:
    """(grasp, release) frames."""
    if gripper_action is None:
        return 0, count - 1
    closed = np.asarray(gripper_action) < 0
    if not closed.any():
        return 0, count - 1
    last_closed = int(np.flatnonzero(closed)[-1])
    release = min(last_closed + 1, count - 1)
    opened_before = np.flatnonzero(~closed[:last_closed])
    grasp = int(opened_before[-1]) + 1 if len(opened_before) else 0
    return grasp, release
