from __future__ import annotations

import numpy as np
import pytest

from errors import DatasetError
from tests.calvin.samples import make_episode


def test_vectors_become_read_only_float64_copies() -> None:
    actions = np.zeros((6, 7), dtype=np.float32)
    episode = make_episode(actions=actions)
    actions[:] = 1
    assert episode.actions.dtype == np.float64
    assert not episode.actions.any()
    with pytest.raises(ValueError, match="read-only"):
        episode.actions[0, 0] = 1


def test_length_counts_both_end_frames() -> None:
    assert len(make_episode(start=7, frames=3)) == 3


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rgb_static": np.zeros((6, 200, 200), np.uint8)}, r"rgb_static has shape \(6, 200, 200\), not"),
        ({"rgb_gripper": np.zeros((5, 84, 84, 3), np.uint8)}, r"rgb_gripper has shape \(5, 84, 84, 3\), not"),
        ({"rgb_static": np.zeros((6, 200, 200, 3))}, "rgb_static is float64, not uint8"),
        ({"robot_obs": np.zeros((6, 15), np.int64)}, "robot_obs is int64, not floating point"),
        ({"scene_obs": np.zeros((6, 23))}, r"scene_obs has shape \(6, 23\), not \(6, 24\)"),
        ({"rel_actions": np.full((6, 7), np.nan)}, "rel_actions of frame 100 is not finite"),
        ({"scene": "E"}, "scene 'E' is not one of A, B, C, D, unknown"),
        ({"end": 99}, "spans frames 100 to 99"),
        ({"boxes": ({},)}, "boxes are given for 1 of 6 frames"),
    ],
)
def test_refuses_with_one_sentence_naming_the_field(fields: dict, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        make_episode(**fields)
