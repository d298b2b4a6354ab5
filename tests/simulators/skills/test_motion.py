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
