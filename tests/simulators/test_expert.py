from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmark.tasks import TASKS
from calvin.oracle import TaskOracle
from errors import SimulatorError
from simulators.expert import SKILLS, Expert
from simulators.playtable.env import PlayTable
from simulators.starts import random_start


def test_expert_knows_all_of_calvins_tasks() -> None:
    assert set(SKILLS) == set(TASKS)


def test_unknown_task_lists_the_known_ones(table_d: PlayTable) -> None:
    with pytest.raises(SimulatorError, match=r"cannot do 'juggle'; it can do: close_drawer, "):
        Expert(table_d, "juggle")


@pytest.mark.parametrize("task", [task for task in TASKS if "_blue_" not in task])
def test_expert_solves_the_task(table_d: PlayTable, task: str) -> None:
    oracle = TaskOracle()
    start = random_start(table_d, task, 0)
    table_d.reset(start.robot_obs, start.scene_obs)
    if start.prelude is not None:
        run(table_d, start.prelude)
    before = table_d.info()
    steps = run(table_d, task)
    assert task in oracle.solved(before, table_d.info(), [task])
    assert steps <= 90


def test_actions_are_small_steps_and_the_same_every_time(table_d: PlayTable) -> None:
    runs = []
    for _ in range(2):
        table_d.reset(seed=2)
        expert, actions = Expert(table_d, "turn_on_led"), []
        while (action := expert.act()) is not None:
            table_d.step(action)
            actions.append(action)
        runs.append(np.stack(actions))
    np.testing.assert_array_equal(*runs)
    assert np.abs(runs[0][:, :6]).max() <= 1.0


def run(sim: PlayTable, task: str) -> int:
    expert, steps = Expert(sim, task), 0
    while (action := expert.act()) is not None:
        sim.step(action)
        steps += 1
    return steps


@pytest.mark.parametrize(
    "task",
    [
        "open_drawer",
        "move_slider_right",
        "turn_on_lightbulb",
        "turn_off_led",
        "lift_red_block_slider",
        "push_pink_block_left",
        "rotate_blue_block_right",
    ],
)
def test_expert_solves_tasks_in_calvins_own_scene(official_d: PlayTable, task: str) -> None:
    start = random_start(official_d, task, 0)
    official_d.reset(start.robot_obs, start.scene_obs)
    before = official_d.info()
    run(official_d, task)
    assert task in TaskOracle().solved(before, official_d.info(), [task])


class Anonymous:
    """A simulator that does not say which scene it shows."""

    def __init__(self, sim: PlayTable) -> None:
        self.state, self.target_pose = sim.state, sim.target_pose


def test_expert_needs_a_state_a_target_and_a_scene_only(table_d: PlayTable) -> None:
    table_d.reset(seed=4)
    told: Any = Anonymous(table_d)
    with pytest.raises(SimulatorError, match="must be told the scene"):
        Expert(told, "open_drawer")
    action = Expert(told, "open_drawer", table_d.scene).act()
    np.testing.assert_array_equal(action, Expert(table_d, "open_drawer").act())
