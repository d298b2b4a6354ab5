"""Whether actions of a LeRobot set are relative or absolute, and what is neither."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from benchmark.actions import relative_action
from calvin.episode import Episode
from calvin.split import TRAINING, Reading, Split, open_split
from errors import DatasetError
from tests.calvin import lerobot_sets as sets

NONE = Reading(validation_episodes="none")
Change = Callable[[Episode], np.ndarray]


def opened(tmp_path: Path, shown: list[Episode], action: Change, reading: Reading = NONE) -> Split:
    told = [Episode(**{**vars(episode), "actions": action(episode)}) for episode in shown]
    return open_split(sets.write_v2(tmp_path / "set", told, action="actions"), TRAINING, reading)


def absolute(episode: Episode) -> np.ndarray:
    assert episode.actions is not None
    return episode.actions


def relative(episode: Episode) -> np.ndarray:
    return episode.rel_actions


@pytest.fixture
def shown() -> list[Episode]:
    return [sets.recorded(seed, 12) for seed in range(4)]


def test_absolute_actions_are_made_relative(tmp_path: Path, shown: list[Episode]) -> None:
    split = opened(tmp_path, shown, absolute)
    for demonstration, made in zip(split.demonstrations, shown):
        read = split.read(demonstration)
        np.testing.assert_array_equal(read.actions, absolute(made).astype(np.float32))
        np.testing.assert_allclose(read.rel_actions, made.rel_actions, atol=2e-5)
    notes = split.examine([]).notes
    assert "rel_actions are made of action and the state" in notes
    assert any(note.startswith("actions is action: absolute, as in 44 of 44 frames") for note in notes)


def test_relative_actions_are_taken_as_they_are(tmp_path: Path, shown: list[Episode]) -> None:
    split = opened(tmp_path, shown, relative)
    for demonstration, made in zip(split.demonstrations, shown):
        np.testing.assert_array_equal(split.read(demonstration).rel_actions, made.rel_actions)


def moved(seed: int, step: np.ndarray, start: list[float] | None = None) -> Episode:
    """An episode in which the robot moves by `step` (6,) each frame."""
    count = 10
    pose = np.array(start or [0.1, -0.2, 0.5, 3.1, -0.1, 1.5]) + np.arange(count + 1)[:, None] * step
    pose[:, 3:6] = (pose[:, 3:6] + np.pi) % (2 * np.pi) - np.pi
    pose = pose.astype(np.float32).astype(np.float64)
    episode = sets.recorded(seed, count)
    states = np.c_[pose[:-1], episode.robot_obs[:, 6:14], np.ones(count)]
    return Episode(
        **{
            **vars(episode),
            "robot_obs": states,
            "actions": np.c_[pose[1:], np.ones(count)],
            "rel_actions": relative_action(pose[:-1], pose[1:], 1.0),
        }
    )


#: Motions that make the two hard to tell apart.
MOTIONS = {
    "across the jump at pi": [moved(n, np.array([0.001, 0, 0, 0.02, 0, 0])) for n in range(2)],
    "always at the limit": [moved(n, np.full(6, 0.1)) for n in range(2)],
    "still": [moved(n, np.zeros(6)) for n in range(2)],
    "near zero": [moved(n, np.full(6, 0.004), [0.01, 0.02, 0.03, 0.0, 0.05, 0.1]) for n in range(2)],
    "slow": [moved(n, np.full(6, 1e-4)) for n in range(2)],
}


@pytest.mark.parametrize("motion", MOTIONS)
@pytest.mark.parametrize("kind", [absolute, relative])
def test_every_motion_tells(tmp_path: Path, motion: str, kind: Change) -> None:
    split = opened(tmp_path, MOTIONS[motion], kind)
    word = "actions is action: absolute" if kind is absolute else "rel_actions is action: relative"
    assert any(note.startswith(word) for note in split.examine([]).notes)
    for demonstration, made in zip(split.demonstrations, MOTIONS[motion]):
        np.testing.assert_allclose(split.read(demonstration).rel_actions, made.rel_actions, atol=3e-5)


def scaled(change: Callable[[np.ndarray], np.ndarray], kind: Change = relative) -> Change:
    def action(episode: Episode) -> np.ndarray:
        return change(kind(episode).copy())

    return action


def in_metres(values: np.ndarray) -> np.ndarray:
    return values * np.array([0.02] * 3 + [0.05] * 3 + [1])


def in_degrees(values: np.ndarray) -> np.ndarray:
    values[:, 3:6] = np.degrees(values[:, 3:6])
    return values


def in_millimetres(values: np.ndarray) -> np.ndarray:
    values[:, :3] *= 1000
    return values


def other_angles(values: np.ndarray) -> np.ndarray:
    values[:, 3:6] = Rotation.from_euler("xyz", values[:, 3:6]).as_rotvec()
    return values


def mirrored(values: np.ndarray) -> np.ndarray:
    values[:, 1] *= -1
    return values


def gripper_0_1(values: np.ndarray) -> np.ndarray:
    values[:, 6] = values[:, 6] > 0
    return values


def gripper_reversed(values: np.ndarray) -> np.ndarray:
    values[:, 6] *= -1
    return values


#: What is neither, and what the sentence says of it.
NEITHER: dict[str, tuple[Change, str]] = {
    "relative, of the frame before": (
        scaled(lambda values: np.roll(values, 1, axis=0)),
        "its values are the relative actions of 1 frame earlier",
    ),
    "relative, of the frame after": (
        scaled(lambda values: np.roll(values, -1, axis=0)),
        "its values are the relative actions of 1 frame later",
    ),
    "absolute, of the frame before": (
        scaled(lambda values: np.roll(values, 1, axis=0), absolute),
        "its values are the absolute actions of 1 frame earlier",
    ),
    "relative, not scaled": (scaled(in_metres), "metres"),
    "relative, mirrored": (scaled(mirrored), "positions"),
    "absolute, in degrees": (scaled(in_degrees, absolute), "angles are in degrees"),
    "absolute, in millimetres": (scaled(in_millimetres, absolute), "positions are in millimetres"),
    "absolute, other angles": (scaled(other_angles, absolute), "its angles are not"),
    "noise": (scaled(lambda values: np.random.RandomState(0).uniform(-1, 1, values.shape)), "action"),
    "zero": (scaled(lambda values: np.c_[np.zeros((len(values), 6)), values[:, 6]]), "zero"),
    "a gripper of 0 and 1": (scaled(gripper_0_1), "gripper's command is not 1 or -1, but 0 and 1"),
    "a reversed gripper": (scaled(gripper_reversed), "gripper's commands are the opposite"),
}


@pytest.mark.parametrize("what", NEITHER)
def test_what_is_neither_is_an_error_that_says_why(tmp_path: Path, shown: list[Episode], what: str) -> None:
    action, told = NEITHER[what]
    with pytest.raises(
        DatasetError, match="action is neither CALVIN's relative nor absolute action"
    ) as refused:
        opened(tmp_path, shown, action)
    assert told in str(refused.value), str(refused.value)


def test_a_few_odd_frames_are_told_and_no_fault(tmp_path: Path) -> None:
    shown = [sets.recorded(seed, 30) for seed in range(4)]

    def one_off(episode: Episode) -> np.ndarray:
        values = episode.rel_actions.copy()
        values[4, 0] = -values[4, 0] if abs(values[4, 0]) > 0.1 else 0.9
        return values

    notes = opened(tmp_path, shown, one_off).examine([]).notes
    assert any(
        "in 112 of 116 frames it leads" in note and "(not in frame 4 of episode 0)" in note for note in notes
    )


def test_of_several_columns_each_is_what_its_values_say(tmp_path: Path, shown: list[Episode]) -> None:
    columns = {
        "action.relative": [relative(e) for e in shown],
        "action.noise": [e.rel_actions * 0.3 for e in shown],
    }
    root = sets.write_v2(tmp_path / "set", shown, action="actions", columns=columns)
    split = open_split(root, TRAINING, NONE)
    np.testing.assert_array_equal(split.read(split.demonstrations[0]).rel_actions, shown[0].rel_actions)
    np.testing.assert_array_equal(split.read(split.demonstrations[0]).actions, absolute(shown[0]))
    assert any(note.startswith("action.noise is not used: it is neither") for note in split.examine([]).notes)
    wrong = Reading((("rel_actions", "action"),), "none")
    with pytest.raises(
        DatasetError, match=r"data\.columns\.rel_actions is action, which is absolute and not relative"
    ):
        open_split(root, TRAINING, wrong)


def test_a_column_of_any_name_is_an_action_where_its_values_are(tmp_path: Path, shown: list[Episode]) -> None:
    columns = {"target": [absolute(e) for e in shown], "joints": [e.robot_obs[:, 7:14] for e in shown]}
    root = sets.write_v2(tmp_path / "set", shown, columns=columns)
    sets.rename(root, {"action": "command"})
    split = open_split(root, TRAINING, NONE)
    np.testing.assert_array_equal(split.read(split.demonstrations[0]).rel_actions, shown[0].rel_actions)
    np.testing.assert_array_equal(split.read(split.demonstrations[0]).actions, absolute(shown[0]))
    notes = split.examine([]).notes
    assert any(note.startswith("rel_actions is command: relative, as in") for note in notes)
    assert any(note.startswith("joints is not used: it is neither") for note in notes)


def test_eight_numbers_are_no_action(tmp_path: Path, shown: list[Episode]) -> None:
    quaternions = [np.c_[e.rel_actions, np.ones(len(e))] for e in shown]
    root = sets.write_v2(tmp_path / "set", shown, columns={"action": quaternions})
    with pytest.raises(DatasetError, match=r"action is float32 of 8 \(position, quaternion and gripper\?\)"):
        open_split(root, TRAINING, NONE)


def test_states_in_degrees_are_refused(tmp_path: Path, shown: list[Episode]) -> None:
    turned = [Episode(**{**vars(e), "robot_obs": in_degrees(e.robot_obs.copy())}) for e in shown]
    with pytest.raises(
        DatasetError, match=r"is not CALVIN's robot_obs: its angles reach \d+; robot_obs has radians"
    ):
        open_split(sets.write_v2(tmp_path / "set", turned), TRAINING, NONE)
