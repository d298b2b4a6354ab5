"""Small made-up episodes in CALVIN's form."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmark.actions import relative_action
from benchmark.tasks import TASKS
from calvin.episode import Episode
from calvin.instructions import evaluation_instruction


def make_episode(start: int = 100, frames: int = 6, seed: int = 0, **fields: Any) -> Episode:
    """An episode of `frames` frames from `start` on; other fields by keyword."""
    random = np.random.RandomState(seed)
    task = fields.get("task", "open_drawer")
    poses = np.cumsum(random.uniform(-0.01, 0.01, (frames + 1, 6)), axis=0)
    gripper = np.where(random.rand(frames) < 0.5, -1.0, 1.0)
    defaults: dict[str, Any] = {
        "rgb_static": random.randint(0, 256, (frames, 200, 200, 3), dtype=np.uint8),
        "rgb_gripper": random.randint(0, 256, (frames, 84, 84, 3), dtype=np.uint8),
        "robot_obs": np.concatenate([poses[:-1], random.randn(frames, 9)], axis=1),
        "scene_obs": random.randn(frames, 24),
        "actions": np.concatenate([poses[1:], gripper[:, None]], axis=1),
        "rel_actions": relative_action(poses[:-1], poses[1:], gripper),
        "task": task,
        "instruction": evaluation_instruction(task if task in TASKS else "open_drawer"),
        "scene": "D",
        "split": "training",
        "start": start,
        "end": start + frames - 1,
        "boxes": tuple({"red_block": (t, 1, t + 9, 12), "drawer": None} for t in range(frames)),
    }
    return Episode(**(defaults | fields))


def assert_same_episode(left: Episode, right: Episode) -> None:
    for field in ("rgb_static", "rgb_gripper", "robot_obs", "scene_obs", "actions", "rel_actions"):
        np.testing.assert_array_equal(getattr(left, field), getattr(right, field), err_msg=field)
        assert getattr(left, field).dtype == getattr(right, field).dtype
    for field in ("task", "instruction", "scene", "split", "start", "end", "boxes"):
        assert getattr(left, field) == getattr(right, field), field
