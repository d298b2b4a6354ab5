"""The built-in simulator in another process is the built-in simulator."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from errors import ConfigError, SimulatorError, SimulatorLost, SimulatorMissing
from simulators.own_process import OwnProcess
from simulators.playtable.env import PlayTable

ACTION = np.array([0.5, -0.5, -1.0, 0, 0, 0.5, -1.0])


def test_states_pictures_boxes_and_infos_are_the_same() -> None:
    here, there = PlayTable("B"), OwnProcess("playtable", "B")
    for simulator in (here, there):
        simulator.reset(seed=4)
        for _ in range(3):
            simulator.step(ACTION)
    one, other = here.observe(boxes=True), there.observe(boxes=True)
    assert set(one) == set(other)
    for key in ("rgb_static", "rgb_gripper", "robot_obs", "scene_obs"):
        np.testing.assert_array_equal(one[key], other[key])
    assert one["true_boxes"] == other["true_boxes"] == there.true_boxes()
    np.testing.assert_array_equal(here.target_pose(), there.target_pose())
    info, far = here.info(), there.info()
    assert info["scene_info"]["doors"] == far["scene_info"]["doors"]
    assert here.description() == there.description()
    there.close()
    there.close()
    here.close()


def test_it_comes_back_after_a_kill() -> None:
    simulator = OwnProcess("playtable", "D")
    simulator.reset(seed=1)
    before = simulator.state()
    assert simulator._process is not None
    os.kill(simulator._process.pid, signal.SIGKILL)
    with pytest.raises(SimulatorLost, match="died during step"):
        simulator.step(ACTION)
    simulator.reset(seed=1)
    np.testing.assert_array_equal(simulator.state()[1], before[1])
    simulator.close()


def test_one_that_cannot_be_started_again_is_lost_until_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    simulator = OwnProcess("playtable", "D")
    described = simulator.description()
    assert simulator._process is not None
    os.kill(simulator._process.pid, signal.SIGKILL)
    with pytest.raises(SimulatorLost):
        simulator.state()
    refused = {**simulator._opening, "scene": "Z"}
    for name, value in (("_opening", refused), ("_command", ["/bin/false"]), ("_command", ["/no/python"])):
        with monkeypatch.context() as broken:
            broken.setattr(simulator, name, value)
            with pytest.raises(SimulatorLost, match="no other could be started: "):
                simulator.reset(seed=1)
    assert simulator.description() == described  # told without asking
    simulator.reset(seed=1)
    simulator.step(ACTION)
    simulator.close()


def test_unknown_simulators_start_no_process() -> None:
    with pytest.raises(ConfigError, match="simulator 'cavlin' is unknown"):
        OwnProcess("cavlin", "D")


def test_what_its_process_refuses_is_raised_here(tmp_path: Path) -> None:
    with pytest.raises(SimulatorMissing, match=r"^[^:]*nowhere is not a clone of calvin_env"):
        OwnProcess("playtable", "D", assets=str(tmp_path / "nowhere"))
    with pytest.raises(SimulatorError, match=r"^scene 'Z' is unknown"):
        OwnProcess("playtable", "Z")
    with pytest.raises(SimulatorMissing, match="makes no simulator: TypeError: "):
        OwnProcess("playtable", "D", assets={"colour": 1})
