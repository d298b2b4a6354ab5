from __future__ import annotations

import math

import numpy as np
import pytest

from simulators.skills.motion import (
    CLOSED,
    OPEN,
    Waypoint,
    action_towards,
    difference,
    leaning,
    pointing_down,
    withdrawal,
)


def test_angles_take_the_short_way_round() -> None:
    goal = np.array([0.0, 0, 0, math.pi, 0, 0])
    pose = np.array([0.0, 0, 0, -math.pi + 0.1, 0, 0])
    assert difference(goal, pose)[3] == pytest.approx(-0.1)


def test_full_steps_are_limited_and_straight() -> None:
    goal = Waypoint(np.array([0.4, -0.2, 0.1, 0.0, 0.0, 0.5]), CLOSED, speed=0.5)
    action = action_towards(goal, np.zeros(6))
    assert np.abs(action[:6]).max() == pytest.approx(0.5)
    np.testing.assert_allclose(action[:3] / action[0], [1.0, -0.5, 0.25])
    assert action[6] == -1.0


def test_last_step_lands_exactly() -> None:
    goal = np.array([0.01, 0.0, 0.0, 0.0, 0.0, 0.02])
    action = action_towards(Waypoint(goal, OPEN), np.zeros(6))
    np.testing.assert_allclose(action[:6] * [0.02, 0.02, 0.02, 0.05, 0.05, 0.05], goal)


def test_leaning_by_nothing_is_pointing_down() -> None:
    position = np.array([0.1, 0.2, 0.3])
    np.testing.assert_array_equal(leaning(position, 0.0, 1.2), pointing_down(position, 1.2))


def test_withdrawal_leaves_the_cabinet_before_it_rises() -> None:
    inside = np.array([0.0, 0.08, 0.47, math.pi, 0.0, 1.5])
    first, second = withdrawal(inside, CLOSED)
    assert first.pose[1] < 0.0 and first.pose[2] < 0.53
    np.testing.assert_array_equal(second.pose[:2], first.pose[:2])
    assert second.pose[2] == 0.53
    assert first.gripper == CLOSED


def test_withdrawal_from_the_desk_is_upwards_and_from_free_space_nothing() -> None:
    (up,) = withdrawal(np.array([0.1, -0.1, 0.46, math.pi, 0.0, 1.5]), OPEN)
    np.testing.assert_allclose(up.pose[:3], [0.1, -0.1, 0.53])
    assert list(withdrawal(np.array([0.1, -0.1, 0.57, math.pi, 0.0, 1.5]), OPEN)) == []
