"""CALVIN's relative actions: what `rel_actions` are made of.

Scaling of `to_relative_action` in calvin_env/utils/utils.py and of the robot that undoes it (max_rel_pos and
max_rel_orn in calvin_env/robot/robot.py).
"""

from __future__ import annotations

import numpy as np

from benchmark.observations import ORIENTATION, POSITION

#: A relative action of 1 moves the target pose by this much.
MAX_STEP_M = 0.02
MAX_STEP_RAD = 0.05
GRIPPER_OPEN = 1.0


def wrapped_angle(angle_rad: np.ndarray) -> np.ndarray:
    """`angle_rad` brought into [-pi, pi)."""
    return (angle_rad + np.pi) % (2 * np.pi) - np.pi


def relative_action(pose_now: np.ndarray, pose_next: np.ndarray, gripper: np.ndarray | float) -> np.ndarray:
    """The relative action (..., 7) that leads from one tcp pose to another.

    Poses (..., 6 or more) are x, y, z in metres and Euler x, y, z in radians; further entries are ignored.
    Position differences are clipped to 0.02 m, wrapped angle differences to 0.05 rad, and both scaled to
    -1..1. `gripper` (...) is -1 to close and +1 to open.
    """
    now, following = np.asarray(pose_now, dtype=np.float64), np.asarray(pose_next, dtype=np.float64)
    position = np.clip(following[..., POSITION] - now[..., POSITION], -MAX_STEP_M, MAX_STEP_M) / MAX_STEP_M
    turn = wrapped_angle(following[..., ORIENTATION] - now[..., ORIENTATION])
    turn = np.clip(turn, -MAX_STEP_RAD, MAX_STEP_RAD) / MAX_STEP_RAD
    last = np.broadcast_to(np.asarray(gripper, dtype=np.float64)[..., None], (*turn.shape[:-1], 1))
    return np.concatenate([position, turn, last], axis=-1)
