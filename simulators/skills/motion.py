"""Waypoints of the tool centre point, and the relative action that leads to the next one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmark.actions import MAX_STEP_M, MAX_STEP_RAD

OPEN, CLOSED = 1, -1

#: Control steps after which the arm has caught up with a target that stands still.
SETTLE_STEPS = 4

#: Yaw at which the fingers open along the world's x axis.
FORWARD_YAW = math.pi / 2


#: Share of the largest action at which the arm's joints (2 rad/s) still keep up with the target.
CRUISE = 0.75


#: Above this height (m) nothing is in the way of the fingers; behind this y they are in the cabinet, and out of
#: it this much farther back.
_FREE_Z = 0.53
_CABINET_Y, _BEFORE_CABINET, _CABINET_RISE = 0.02, 0.1, 0.03


@dataclass(frozen=True)
class Waypoint:
    """A tcp pose (6,) to reach with the gripper at `gripper`.

    Within `blend_metres` of it the next waypoint is taken, so that corners are rounded; `hold_steps` are
    spent there otherwise (fingers need three steps to close). `speed` is the share of the largest action.
    """

    pose: np.ndarray
    gripper: int
    blend_metres: float = 0.0
    hold_steps: int = 0
    speed: float = CRUISE


def pointing_down(position: np.ndarray, yaw: float = FORWARD_YAW) -> np.ndarray:
    """The pose (6,) at `position` (3,) with the fingers vertical."""
    return np.array([*position, math.pi, 0.0, yaw])


def leaning(position: np.ndarray, forward_radians: float, yaw: float = FORWARD_YAW) -> np.ndarray:
    """The pose (6,) at `position` (3,) with the fingers tilted away from the robot by `forward_radians`."""
    return np.array([*position, math.pi, -forward_radians, yaw])


def difference(goal: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """What to add to `pose` (6,) to get `goal` (6,), with angles in (-pi, pi]."""
    delta = goal - pose
    delta[3:] = math.pi - (math.pi - delta[3:]) % (2 * math.pi)
    return delta


def action_towards(waypoint: Waypoint, pose: np.ndarray) -> np.ndarray:
    """The relative action (7,) of one step along the straight line from `pose` (6,) to the waypoint."""
    delta = difference(waypoint.pose, pose)
    units = np.concatenate([delta[:3] / MAX_STEP_M, delta[3:] / MAX_STEP_RAD])
    steps = max(1.0, float(np.abs(units).max()) / waypoint.speed)
    return np.array([*(units / steps), waypoint.gripper], dtype=np.float64)


def withdrawal(pose: np.ndarray, gripper: int) -> Iterator[Waypoint]:
    """Out of wherever an earlier task has left the fingers: out of the cabinet, then up from the table.

    pose (6,) is where the tcp is. Yields nothing in the free space in which episodes begin.
    """
    position, turned = pose[:3].copy(), pose[3:]
    if position[2] >= _FREE_Z:
        return
    if position[1] > _CABINET_Y:
        position += [0.0, _CABINET_Y - _BEFORE_CABINET - position[1], _CABINET_RISE]
        yield Waypoint(np.array([*position, *turned]), gripper, blend_metres=0.02)
    position[2] = _FREE_Z
    yield Waypoint(np.array([*position, *turned]), gripper, blend_metres=0.02)
