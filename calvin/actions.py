"""CALVIN's relative actions: what `rel_actions` are made of, and back.

Scaling of `to_relative_action` in calvin_env/utils/utils.py and of the robot that undoes it (max_rel_pos and
max_rel_orn in calvin_env/robot/robot.py).
"""

from __future__ import annotations

import numpy as np

MAX_STEP_M = 0.02
MAX_STEP_RAD = 0.05
GRIPPER_OPEN = 1.0
GRIPPER_CLOSED = -1.0


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
    position = np.clip(following[..., :3] - now[..., :3], -MAX_STEP_M, MAX_STEP_M) / MAX_STEP_M
    turn = wrapped_angle(following[..., 3:6] - now[..., 3:6])
    turn = np.clip(turn, -MAX_STEP_RAD, MAX_STEP_RAD) / MAX_STEP_RAD
    last = np.broadcast_to(np.asarray(gripper, dtype=np.float64)[..., None], (*turn.shape[:-1], 1))
    return np.concatenate([position, turn, last], axis=-1)


def absolute_pose(pose_now: np.ndarray, action: np.ndarray) -> np.ndarray:
    """The tcp pose (..., 6) that `action` (..., 7) asks for from `pose_now`; angles stay unwrapped."""
    now, change = np.asarray(pose_now, dtype=np.float64), np.asarray(action, dtype=np.float64)
    return now[..., :6] + change[..., :6] * np.repeat([MAX_STEP_M, MAX_STEP_RAD], 3)


def padded_chunk(rel_actions: np.ndarray, start: int, size: int, repeat_motion: bool = False) -> np.ndarray:
    """The `size` relative actions from `start` on, (size, 7), padded past the end of `rel_actions` (T, 7).

    The padding is CALVIN's own (`_pad_sequence` in calvin_agent/datasets/base_dataset.py): no motion, and the
    last gripper command held. repeat_motion: ReconVLA's instead (calvin_json.py), which repeats the last action.
    """
    chunk = np.array(rel_actions[start : start + size], dtype=np.float64)
    padding = np.repeat(chunk[-1:], size - len(chunk), axis=0)
    if not repeat_motion:
        padding[:, :-1] = 0.0
    return np.concatenate([chunk, padding])
