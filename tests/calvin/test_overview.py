"""A split at a glance, in every format: demonstrations, scenes, ranges and what is odd."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.observations import BLOCKS, LAMPS, TRAVEL
from benchmark.tasks import TASKS
from calvin.episode import Episode
from calvin.overview import Lengths, Overview
from calvin.split import TRAINING, Reading, Split, annotated_frames, open_split
from tests.calvin import lerobot_sets as sets
from tests.calvin.scene_frames import film
from tests.calvin.writing import write_split

NONE = Reading(validation_episodes="none")


def shown(start: int, frames: int, told: tuple[str, str], scene: str, **fields: Any) -> Episode:
    """In CALVIN's ranges, with pictures of a scene."""
    made = sets.recorded(start, frames, told, rgb_static=film(scene, frames))
    state = np.zeros((frames, 24))
    state[:, TRAVEL], state[:, LAMPS], state[:, BLOCKS] = 0.01, 1.0, 0.1
    robot = made.robot_obs.copy()
    robot[:, :3], robot[:, 3:6] = (0.1, -0.2, 0.5), 0.2 + np.arange(frames)[:, None] * 1e-3
    robot[:, 7:14] = (0.0, 0.5, 1.0, -2.0, -1.0, 1.5, 0.5)
    return replace(
        made, start=start, end=start + frames - 1, robot_obs=robot, scene_obs=state, scene="unknown", **fields
    )


def episodes() -> list[Episode]:
    return [
        shown(100, 32, sets.TRAINED[0], "A"),
        shown(200, 40, sets.TRAINED[0], "B"),
        shown(300, 65, sets.TRAINED[1], "B"),
    ]


def as_npz(root: Path) -> Split:
    write_split(root, "training", episodes())
    return open_split(root, TRAINING)


def as_tar(root: Path) -> Split:
    folder = write_split(root, "training", episodes())
    with tarfile.open(root / "shard.tar", "w") as shard:
        for file in sorted(folder.glob("episode_*.npz")):
            shard.add(file, f"training/{file.name}")
            file.unlink()
    return open_split(root, TRAINING)


def as_lerobot(root: Path) -> Split:
    made = episodes()
    columns = {sets.SCENE: [one.scene_obs for one in made]}
    robots = [replace(one, robot_obs=one.robot_obs, actions=None) for one in made]
    return open_split(sets.write_v2(root / "set", with_actions(robots), columns=columns), TRAINING, NONE)


def with_actions(made: list[Episode]) -> list[Episode]:
    """Relative actions that lead from a state to the next."""
    from benchmark.actions import relative_action

    found = []
    for one in made:
        states = one.robot_obs.astype(np.float32).astype(np.float64)
        following = np.r_[states[1:], states[-1:]]
        found.append(replace(one, rel_actions=relative_action(states, following, following[:, 14])))
    return found


OPENED: dict[str, Callable[[Path], Split]] = {"npz": as_npz, "tar": as_tar, "lerobot": as_lerobot}


def overview(split: Split) -> Overview:
    found = split.examine(annotated_frames(split)).overview
    assert found is not None
    return found


@pytest.mark.parametrize("form", OPENED)
def test_every_format_is_counted_alike(tmp_path: Path, form: str) -> None:
    found = overview(OPENED[form](tmp_path))
    first, second = found.tasks
    assert (first.task, first.demonstrations, dict(first.scenes)) == ("open_drawer", 2, {"A": 1, "B": 1})
    assert first.lengths == Lengths(32, 36.0, 40)
    assert (second.task, second.lengths) == ("close_drawer", Lengths(65, 65.0, 65))
    assert found.lengths == Lengths(32, 40.0, 65)
    assert found.scenes == {"A": {"its pictures": 1}, "B": {"its pictures": 2}}
    assert found.drawn_like == {"tiny": 15}
    assert found.wrong_scenes is None
    z = next(one for one in found.ranges if (one.array, one.name) == ("robot_obs", "z"))
    assert (z.number, z.least, z.most, z.is_odd) == (2, 0.5, 0.5, False)
    (sentence,) = (one for one in found.odd if "rel_actions" not in one and " in actions" not in one)
    assert sentence.startswith("32 of 34 tasks have no demonstration: rotate_red_block_right, ")


def test_numbers_outside_of_calvins_and_other_lengths_are_odd(tmp_path: Path) -> None:
    made = [shown(100, 7, sets.TRAINED[0], "A"), shown(200, 66, sets.TRAINED[1], "A")]
    robot = made[0].robot_obs.copy()
    robot[3, 2] = 1.4
    write_split(tmp_path, "training", [replace(made[0], robot_obs=robot), made[1]])
    odd = overview(open_split(tmp_path, TRAINING)).odd
    assert (
        "1 demonstrations have fewer than 32 frames, which CALVIN's have not (first: frames 100-106)" in odd
    )
    assert "1 demonstrations have more than 65 frames, which CALVIN's have not (first: frames 200-265)" in odd
    assert "z in robot_obs is 0.5 to 1.4; CALVIN's is 0.195 to 0.82" in odd


def test_a_scene_that_the_pictures_contradict_is_a_problem(tmp_path: Path) -> None:
    made = [replace(one, scene="D") for one in episodes()]
    folder = write_split(tmp_path / "npz", "training", made)
    split = open_split(tmp_path / "npz", TRAINING)
    problems = split.examine(annotated_frames(split)).problems
    assert (
        f"{folder / 'scene_info.npy'}: the scene of 2 demonstrations is said to be D, and their pictures show B "
        "(first: frames 200-239) (1 more contradict otherwise)." in problems
    )
    root = sets.write_v2(tmp_path / "set", [sets.recorded(1, 6, rgb_static=film("C", 6))])
    said = open_split(root, TRAINING, replace(NONE, scenes="A"))
    (problem,) = said.examine(annotated_frames(said)).problems
    assert problem.startswith(
        "data.scenes: the scene of 1 demonstrations is said to be A, and their pictures show C"
    )
    right = open_split(root, TRAINING, replace(NONE, scenes="C"))
    assert right.examine(annotated_frames(right)).problems == ()


def test_scenes_that_nothing_tells_are_asked_for(tmp_path: Path) -> None:
    root = sets.write_v2(
        tmp_path / "set", [sets.recorded(1, 6), sets.recorded(2, 6, rgb_static=film("C", 6))]
    )
    split = open_split(root, TRAINING, NONE)
    notes = split.examine(annotated_frames(split)).notes
    assert "the scene of 1 demonstrations is C: told by its pictures" in notes
    assert (
        "the scene of 1 demonstrations is unknown, as its pictures are like none of CALVIN's scenes; say it with "
        "data.scenes where you know it" in notes
    )
    said = open_split(root, TRAINING, replace(NONE, scenes="A=0"))
    assert not any("data.scenes" in note for note in said.examine(annotated_frames(said)).notes)


def test_all_tasks_in_order_are_nothing_odd(tmp_path: Path) -> None:
    made = [shown(100 * n, 32, (task, "do it"), "D") for n, task in enumerate(reversed(TASKS[:6]), 1)]
    write_split(tmp_path, "training", made)
    found = overview(open_split(tmp_path, TRAINING))
    assert [row.task for row in found.tasks] == list(TASKS[:6])
