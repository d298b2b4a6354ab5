from __future__ import annotations

import numpy as np
import pytest

from calvin.oracle import TaskOracle
from calvin.task_names import TASKS
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
