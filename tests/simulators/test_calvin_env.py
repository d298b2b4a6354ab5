"""The official simulator's process, real, with a stand-in for the package it runs."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from errors import ConfigError, SimulatorError, SimulatorLost, SimulatorMissing
from simulators.calvin_env import CalvinEnv
from simulators.external import calvin_env_script
from simulators.registry import create
from tests.simulators.calvin_env_stand_in import make_interpreter

DIE, HANG, REFUSE = 0.25, 0.5, 0.75


def action(x: float = 0.125) -> np.ndarray:
    return np.array([x, 0, 0, 0, 0, 0, 1.0])


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_interpreter(tmp_path_factory.mktemp("interpreter")))


@pytest.fixture
def env(python: str) -> Iterator[CalvinEnv]:
    env = CalvinEnv("B", python, answer_seconds=60.0)
    yield env
    env.close()


def test_what_is_set_comes_back_bit_for_bit(env: CalvinEnv) -> None:
    random = np.random.default_rng(0)
    robot_obs, scene_obs = random.normal(size=15), random.normal(size=24)
    env.reset(robot_obs, scene_obs)
    np.testing.assert_array_equal(env.state()[0], robot_obs)
    np.testing.assert_array_equal(env.state()[1], scene_obs)
    np.testing.assert_array_equal(env.target_pose(), [1, 2, 3, 4, 5, 6])
    env.step(action())
    assert env.state()[0][0] == robot_obs[0] + 0.125


def test_draws_only_what_is_looked_at(env: CalvinEnv) -> None:
    env.reset()
    for _ in range(3):
        env.step(action())
    assert env.info()["scene_info"]["rendered"] == 0
    assert set(env.observe(("static",))) == {"robot_obs", "scene_obs", "rgb_static"}
    assert env.info()["scene_info"]["rendered"] == 1
    seen = env.observe()
    assert seen["rgb_static"].shape == (200, 200, 3)
    assert seen["rgb_gripper"].shape == (84, 84, 3)
    assert seen["rgb_gripper"].dtype == np.uint8
    assert int(seen["rgb_static"].max()) == 3


def test_info_and_description_are_plain(env: CalvinEnv) -> None:
    env.reset()
    info = env.info()
    assert info["robot_info"] == {"uid": 0, "contacts": [[1, 0, 2, -1, 3]], "pos": [0, 0, 0]}
    assert info["scene_info"]["scene"] == "B"
    assert env.description()["renderer"] == "tiny"


@pytest.mark.parametrize(
    ("installed", "told"),
    [
        ({}, "unknown"),
        ({"pybullet": "2.8.4"}, "2.8.4"),
        ({"pybullet-arm64": "3.2.8"}, "pybullet-arm64 3.2.8"),
        ({"pybullet": "3.2.7", "pybullet-arm64": "3.2.8"}, "3.2.7 or pybullet-arm64 3.2.8"),
    ],
)
def test_the_official_simulator_tells_which_pybullet_it_stands_on(
    installed: dict[str, str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(name: str) -> str:
        if name not in installed:
            raise calvin_env_script.metadata.PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(calvin_env_script.metadata, "version", version)
    assert calvin_env_script.pybullet_version() == told


def test_a_killed_process_is_lost_and_replaced_by_reset(env: CalvinEnv) -> None:
    env.reset()
    os.kill(env.info()["scene_info"]["pid"], signal.SIGKILL)
    with pytest.raises(SimulatorLost, match="died during"):
        env.step(action())
    with pytest.raises(SimulatorLost, match="reset starts another"):
        env.state()
    env.reset(np.ones(15))
    np.testing.assert_array_equal(env.state()[0], 1)
    assert env.losses == 1


def test_a_process_that_dies_in_a_step_is_lost(env: CalvinEnv) -> None:
    env.reset()
    with pytest.raises(SimulatorLost, match=r"died during step.*noise on standard output"):
        env.step(action())
        env.step(action(DIE))


def test_a_process_that_hangs_is_ended(python: str) -> None:
    env = CalvinEnv("D", python, answer_seconds=60.0)
    env.reset()
    pid = env.info()["scene_info"]["pid"]
    env._answer_seconds = 0.3
    with pytest.raises(SimulatorLost, match=r"gave no answer to step within 0\.3 s"):
        env.step(action(HANG))
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    env.close()


def test_refusals_are_told_and_the_process_lives(env: CalvinEnv) -> None:
    env.reset()
    with pytest.raises(SimulatorError, match="AssertionError: the robot refuses"):
        env.step(action(REFUSE))
    env.step(action())
    assert env.losses == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda env: env.step(np.zeros(7)), r"gripper's command must be 1 or -1, got 0\.0"),
        (lambda env: env.step(np.ones(6)), "action must be 7 finite numbers"),
        (lambda env: env.reset(np.full(15, np.nan)), "robot_obs must be 15 finite numbers"),
        (lambda env: env.observe(("tactile",)), "unknown camera 'tactile'"),
        (lambda env: env.true_boxes(), "tells no boxes"),
    ],
)
def test_wrong_use(env: CalvinEnv, call, message: str) -> None:
    with pytest.raises(SimulatorError, match=message):
        call(env)


def test_an_interpreter_without_calvin_env(tmp_path: Path) -> None:
    with pytest.raises(
        SimulatorMissing,
        match=r"cannot import calvin_env \(.*No module named 'calvin_env'\); clone github.com/mees/calvin_env",
    ):
        CalvinEnv("D", str(make_interpreter(tmp_path, with_calvin_env=False)))


def test_no_interpreter() -> None:
    with pytest.raises(
        SimulatorMissing, match=r"^/no/python is no program.*--calvin-python, evaluation\.calvin_python"
    ):
        create("calvin", "D", python="/no/python")
    with pytest.raises(SimulatorMissing, match=r"needs the interpreter.*BATON_CALVIN_PYTHON"):
        create("calvin", "D")
    with pytest.raises(SimulatorMissing, match="/bin/false makes no simulator: the simulator died") as died:
        create("calvin", "D", python="/bin/false")
    assert "clone" not in str(died.value)  # nobody knows that it would help


def test_the_interpreter_may_be_named_by_the_environment(
    python: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BATON_CALVIN_PYTHON", python)
    env = create("calvin", "C")
    assert env.description()["scene"] == "C"
    env.close()


def test_options_of_another_simulator() -> None:
    with pytest.raises(ConfigError, match="simulator 'calvin' takes no assets; it takes: python"):
        create("calvin", "D", assets="x")
