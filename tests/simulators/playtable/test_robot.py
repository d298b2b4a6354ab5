from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from errors import SimulatorError
from simulators.playtable.env import PlayTable

STAY = np.array([0.0, 0, 0, 0, 0, 0, 1])


def test_rest_pose_is_calvins_initial_state(table_d: PlayTable) -> None:
    table_d.reset(seed=0)
    expected = [0.02586889, -0.2313129, 0.5712808, 3.09045411, -0.02908596, 1.50013585, 0.08]
    np.testing.assert_allclose(table_d.state()[0][:7], expected, atol=2e-4)


def test_actions_accumulate_on_the_target_pose(table_d: PlayTable) -> None:
    table_d.reset(seed=0)
    before = table_d.target_pose()
    for _ in range(3):
        table_d.step(np.array([1.0, -0.5, 0.25, 0.2, 0.0, -1.0, 1]))
    np.testing.assert_allclose(
        table_d.target_pose() - before, [0.06, -0.03, 0.015, 0.03, 0.0, -0.15], atol=1e-12
    )
    for _ in range(8):
        table_d.step(STAY)
    np.testing.assert_allclose(table_d.state()[0][:3], table_d.target_pose()[:3], atol=5e-3)


def test_gripper_follows_its_command(table_d: PlayTable) -> None:
    table_d.reset(seed=0)
    for command, width in ((-1.0, 0.0), (1.0, 0.08)):
        for _ in range(10):
            table_d.step(np.array([0.0, 0, 0, 0, 0, 0, command]))
        robot_obs, _ = table_d.state()
        assert robot_obs[6] == pytest.approx(width, abs=4e-3)
        assert robot_obs[14] == command


@pytest.mark.parametrize("gripper", [0.0, 0.5, -0.99, 2.0])
def test_gripper_command_must_be_exact(table_d: PlayTable, gripper: float) -> None:
    table_d.reset(seed=0)
    with pytest.raises(SimulatorError, match="exactly 1 or -1"):
        table_d.step(np.array([0.0, 0, 0, 0, 0, 0, gripper]))


@pytest.mark.parametrize("action", [np.zeros(6), np.full(7, np.nan), np.zeros((1, 7))])
def test_malformed_action_is_refused(table_d: PlayTable, action: np.ndarray) -> None:
    table_d.reset(seed=0)
    with pytest.raises(SimulatorError, match="seven finite numbers"):
        table_d.step(action)


def test_observation_at_reaches_the_pose(table_d: PlayTable) -> None:
    table_d.reset(seed=0)
    pose = np.array([0.08, -0.2, 0.55, 3.1, 0.02, 1.3])
    robot_obs = table_d.robot.observation_at(pose)
    table_d.reset(robot_obs)
    np.testing.assert_allclose(table_d.state()[0][:6], pose, atol=1e-3)


def test_free_motion_is_the_official_simulators(parity: Path, table_d: PlayTable) -> None:
    """Until the robot touches something, arm and tcp follow the recorded official run."""
    runs = json.loads((parity / "calvin_dynamics" / "dynamics.json").read_text())["runs"]
    compared = 0
    for run in runs:
        table_d.reset(np.array(run["reset_robot_obs"]))  # the arm's way in free air is that of every scene
        contacts = run["num_robot_contacts_after_each_step"]
        for action, expected, touched in zip(run["actions"], run["robot_obs"][1:], contacts):
            table_d.step(np.array(action))
            if touched or table_d.info()["robot_info"]["contacts"]:
                break
            robot_obs, _ = table_d.state()
            np.testing.assert_allclose(robot_obs[:3], expected[:3], atol=5e-4)
            np.testing.assert_allclose(robot_obs[7:14], expected[7:14], atol=2e-3)
            compared += 1
    assert compared > 0
