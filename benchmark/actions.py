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
#: Of numbers that went through float32 or text.
_ROUNDING = 1e-6


def wrapped_angle(angle_rad: np.ndarray) -> np.ndarray:
    """`angle_rad` brought into [-pi, pi)."""
    return (angle_rad + np.pi) % (2 * np.pi) - np.pi


def beyond_limits(actions: np.ndarray) -> int:
    """How many of the relative actions (steps, 7) ask for more than the largest step: what no recorded one does.

    calvin_env carries them out as they are, so they are not clipped here.
    """
    return int((np.abs(actions[..., :6]) > 1.0 + _ROUNDING).any(axis=-1).sum())


def relative_actions(target_pose: np.ndarray, poses: np.ndarray) -> np.ndarray:
    """The relative actions (steps, 7) that move the controller's target (6,) to each of `poses` (steps, 7) in turn.

    Poses are x, y, z in metres, Euler x, y, z in radians, and the gripper's number, which is kept. Nothing is clipped:
    calvin_env goes to an absolute pose in one step too, however far it is.
    """
    before = np.concatenate([np.asarray(target_pose, dtype=np.float64)[None, :6], poses[:-1, :6]])
    moved = (poses[:, POSITION] - before[:, POSITION]) / MAX_STEP_M
    turned = wrapped_angle(poses[:, ORIENTATION] - before[:, ORIENTATION]) / MAX_STEP_RAD
    return np.concatenate([moved, turned, poses[:, 6:]], axis=1)


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
