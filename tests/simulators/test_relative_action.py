"""The simulator labels its demonstrations as the dataset package defines relative actions."""

from __future__ import annotations

import numpy as np

from calvin import actions
from simulators.demonstrations import relative_action


def test_both_definitions_agree_also_where_angles_wrap() -> None:
    random = np.random.default_rng(0)
    for _ in range(200):
        now = np.concatenate([random.uniform(-0.5, 0.5, 3), random.uniform(-np.pi, np.pi, 3)])
        turned = (now[3:] + random.uniform(-0.2, 0.2, 3) + np.pi) % (2 * np.pi) - np.pi
        after = np.concatenate([now[:3] + random.uniform(-0.04, 0.04, 3), turned])
        robot_obs = np.concatenate([now, np.zeros(9)])
        ours = relative_action(robot_obs, np.append(after, -1.0))
        np.testing.assert_allclose(ours, actions.relative_action(now, after, -1.0), atol=1e-12)
