from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calvin.actions import absolute_pose, padded_chunk, relative_action, wrapped_angle
from calvin.dataset import open_dataset


def test_scales_small_steps_to_their_limits() -> None:
    action = relative_action(np.zeros(6), np.array([0.01, -0.02, 0, 0.025, 0, -0.05]), 1.0)
    np.testing.assert_allclose(action, [0.5, -1, 0, 0.5, 0, -1, 1])


def test_clips_large_steps() -> None:
    action = relative_action(np.zeros(6), np.array([1, -1, 0.03, 0.06, -3, 0.2]), -1.0)
    np.testing.assert_array_equal(action, [1, -1, 1, 1, -1, 1, -1])


def test_takes_the_short_way_round_at_pi() -> None:
    action = relative_action(np.full(6, 3.13), np.full(6, -3.13), 1.0)
    np.testing.assert_allclose(action[3:6], (2 * np.pi - 6.26) / 0.05)


def test_wrapped_angle_is_in_its_interval() -> None:
    wrapped = wrapped_angle(np.array([np.pi, -np.pi, 3 * np.pi, 0.5, 7.0]))
    np.testing.assert_allclose(wrapped, [-np.pi, -np.pi, -np.pi, 0.5, 7.0 - 2 * np.pi])


def test_absolute_pose_undoes_an_unclipped_relative_action() -> None:
    random = np.random.RandomState(0)
    now = random.randn(5, 6)
    following = now + random.uniform(-0.02, 0.02, (5, 6))
    action = relative_action(now, following, np.ones(5))
    np.testing.assert_allclose(absolute_pose(now, action), following, atol=1e-12)


def test_rel_actions_on_disk_are_these(calvin_mini: Path) -> None:
    split = open_dataset(calvin_mini, "validation")
    for demonstration in split.demonstrations[:3]:
        episode = split.read(demonstration)
        ours = relative_action(episode.robot_obs, episode.actions, episode.actions[:, 6])
        np.testing.assert_allclose(ours, episode.rel_actions, atol=1e-12)


@pytest.mark.parametrize(("start", "padding"), [(0, 0), (5, 0), (7, 2), (9, 4)])
def test_chunk_past_the_end_stands_still_and_holds_the_gripper(start: int, padding: int) -> None:
    actions = np.random.RandomState(0).randn(10, 7)
    actions[:, 6] = -1
    actions[9, 6] = 1
    chunk = padded_chunk(actions, start, 5)
    assert chunk.shape == (5, 7)
    np.testing.assert_array_equal(chunk[: 5 - padding], actions[start : start + 5])
    np.testing.assert_array_equal(chunk[5 - padding :], np.tile([0, 0, 0, 0, 0, 0, 1], (padding, 1)))
    repeated = padded_chunk(actions, start, 5, repeat_motion=True)
    np.testing.assert_array_equal(repeated, actions[np.minimum(np.arange(start, start + 5), 9)])
