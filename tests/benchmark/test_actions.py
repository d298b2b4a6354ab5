from __future__ import annotations

from itertools import pairwise

import numpy as np

from benchmark.actions import relative_action, wrapped_angle


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


def test_gives_each_of_many_poses_what_it_gives_one() -> None:
    random = np.random.default_rng(0)
    poses = random.uniform(-np.pi, np.pi, (200, 15))
    poses[:, :3] /= 50
    many = relative_action(poses[:-1], poses[1:], np.ones(199))
    one_by_one = [relative_action(now, after, 1.0) for now, after in pairwise(poses)]
    np.testing.assert_array_equal(many, one_by_one)
    assert (np.abs(many[:, :6]) < 1).any() and (np.abs(many[:, :6]) == 1).any()
