from __future__ import annotations

import numpy as np
import pytest

from calvin.task_names import TASKS
from errors import SimulatorError
from simulators.playtable.env import PlayTable
from simulators.starts import random_start


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
