from __future__ import annotations

import numpy as np
import pytest

from benchmark.tasks import TASKS
from errors import SimulatorError
from simulators.playtable.env import PlayTable
from simulators.preconditions import is_possible
from simulators.starts import begin, random_start


@pytest.mark.parametrize("task", TASKS)
def test_every_task_has_starts_and_they_are_functions_of_the_seed(table_d: PlayTable, task: str) -> None:
    first, again, other = (random_start(table_d, task, seed) for seed in (7, 7, 8))
    np.testing.assert_array_equal(first.scene_obs, again.scene_obs)
    np.testing.assert_array_equal(first.robot_obs, again.robot_obs)
    assert not np.array_equal(first.robot_obs, other.robot_obs)
    assert (first.prelude is not None) == (task in {"place_in_slider", "place_in_drawer", "stack_block"})


def test_preconditions_hold(table_d: PlayTable) -> None:
    for seed in range(5):
        assert random_start(table_d, "open_drawer", seed).scene_obs[1] == 0.0
        assert random_start(table_d, "close_drawer", seed).scene_obs[1] == pytest.approx(0.22)
        assert random_start(table_d, "turn_off_led", seed).scene_obs[5] == 1.0
        drawer = random_start(table_d, "lift_red_block_drawer", seed).scene_obs
        assert drawer[1] == pytest.approx(0.22)
        assert drawer[8] == pytest.approx(0.36)


def test_unknown_task_is_refused(table_d: PlayTable) -> None:
    with pytest.raises(SimulatorError, match="'fly' is not one of CALVIN's tasks"):
        random_start(table_d, "fly", 0)


def test_half_of_the_varied_starts_follow_another_task(table_d: PlayTable) -> None:
    plain = [random_start(table_d, "open_drawer", seed) for seed in range(8)]
    varied = [random_start(table_d, "open_drawer", seed, "varied") for seed in range(8)]
    assert all(start.earlier is None for start in plain)
    assert 1 <= sum(start.earlier is not None for start in varied) <= 7
    for ours, theirs in zip(plain, varied):
        np.testing.assert_array_equal(ours.scene_obs, theirs.scene_obs)
    again = random_start(table_d, "open_drawer", 0, "varied")
    assert again.earlier == varied[0].earlier


def test_earlier_task_leaves_the_arm_elsewhere_and_the_task_possible(table_d: PlayTable) -> None:
    starts = ((seed, random_start(table_d, "turn_on_led", seed, "varied")) for seed in range(6))
    followed = [(seed, start) for seed, start in starts if start.earlier is not None][:2]
    assert followed
    for seed, start in followed:
        begin(table_d, start)
        robot_obs, scene_obs = table_d.state()
        assert np.abs(robot_obs[:3] - start.robot_obs[:3]).max() > 0.05, seed
        assert is_possible(table_d.scene, "turn_on_led", scene_obs)


def test_unknown_kind_of_starts_is_refused(table_d: PlayTable) -> None:
    with pytest.raises(SimulatorError, match="starts must be one of rest, varied, got 'wild'"):
        random_start(table_d, "open_drawer", 0, "wild")
