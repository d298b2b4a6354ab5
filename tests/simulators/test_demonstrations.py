from __future__ import annotations

import numpy as np
import pytest

from benchmark.actions import relative_action
from simulators.demonstrations import Failed, Info, Recording, record
from simulators.playtable.env import PlayTable
from simulators.starts import random_start


def drawer_opened(start: Info, end: Info) -> bool:
    doors = (info["scene_info"]["doors"]["base__drawer"]["current_state"] for info in (start, end))
    before, after = doors
    return after - before > 0.12


@pytest.fixture(scope="module")
def opening(table_d: PlayTable) -> Recording:
    outcome = record(table_d, "open_drawer", 0, drawer_opened)
    assert isinstance(outcome, Recording)
    return outcome


def test_arrays_are_those_of_a_calvin_episode(opening: Recording) -> None:
    frames = len(opening.boxes)
    assert opening.rgb_static.shape == (frames, 200, 200, 3)
    assert opening.rgb_gripper.shape == (frames, 84, 84, 3)
    assert opening.robot_obs.shape == (frames, 15)
    assert opening.scene_obs.shape == (frames, 24)
    assert opening.actions.shape == opening.rel_actions.shape == (frames, 7)
    travel = opening.scene_obs[:, 1] - opening.scene_obs[0, 1]
    assert np.flatnonzero(travel > 0.12)[0] == frames - 4, "three more frames are kept"


def test_actions_are_the_next_frames_measured_pose(opening: Recording) -> None:
    np.testing.assert_array_equal(opening.actions[:-1, :6], opening.robot_obs[1:, :6])
    for obs, action, relative in zip(opening.robot_obs, opening.actions, opening.rel_actions):
        np.testing.assert_array_equal(relative_action(obs, action, action[6]), relative)
    assert np.abs(opening.rel_actions).max() <= 1.0
    assert set(np.unique(opening.rel_actions[:, 6])) <= {-1.0, 1.0}


def test_recording_is_a_function_of_scene_task_and_seed(table_d: PlayTable, opening: Recording) -> None:
    again = record(table_d, "open_drawer", 0, drawer_opened)
    assert isinstance(again, Recording)
    np.testing.assert_array_equal(again.rgb_static, opening.rgb_static)
    np.testing.assert_array_equal(again.rel_actions, opening.rel_actions)
    assert again.boxes == opening.boxes and again.pixels == opening.pixels


def test_replaying_the_relative_actions_opens_the_drawer(table_d: PlayTable, opening: Recording) -> None:
    table_d.reset(opening.robot_obs[0], opening.scene_obs[0])
    before = table_d.info()
    for action in opening.rel_actions:
        table_d.step(action)
    assert drawer_opened(before, table_d.info())


def test_failures_have_names(table_d: PlayTable) -> None:
    never = record(table_d, "open_drawer", 0, lambda start, end: False, max_steps=5)
    assert never == Failed("D", "open_drawer", 0, "not solved")
    answers = iter([True, False])
    undone = record(table_d, "open_drawer", 0, lambda start, end: next(answers))
    assert isinstance(undone, Failed)
    assert undone.reason == "undone"


def test_varied_recording_is_a_function_of_its_arguments(table_d: PlayTable) -> None:
    starts = ((seed, random_start(table_d, "open_drawer", seed, "varied")) for seed in range(20))
    seed, start = next((seed, start) for seed, start in starts if start.earlier is not None)
    first, again = (record(table_d, "open_drawer", seed, drawer_opened, starts="varied") for _ in range(2))
    assert isinstance(first, Recording) and isinstance(again, Recording)
    np.testing.assert_array_equal(first.rgb_gripper, again.rgb_gripper)
    np.testing.assert_array_equal(first.robot_obs, again.robot_obs)
    assert np.abs(first.robot_obs[0, :3] - start.robot_obs[:3]).max() > 0.03


def test_expert_records_in_the_official_scene(official_d: PlayTable) -> None:
    opening = record(official_d, "open_drawer", 0, drawer_opened)
    assert isinstance(opening, Recording)
    assert opening.scene_obs[-1, 1] - opening.scene_obs[0, 1] > 0.12
