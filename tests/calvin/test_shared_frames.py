"""Validation that is trained on too is told, as CALVIN's debug dataset has it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from calvin.dataset import CalvinSplit, open_dataset
from calvin.shared_frames import shared_demonstrations, told_shared
from tests.calvin.samples import make_episode
from tests.calvin.writing import write_split


def both(root: Path) -> tuple[CalvinSplit, CalvinSplit]:
    return open_dataset(root, "validation"), open_dataset(root, "training")


def test_a_copy_of_the_training_is_not_held_out(tmp_path: Path) -> None:
    write_split(tmp_path, "training", [make_episode(100, 6), make_episode(200, 6, seed=1)])
    shutil.copytree(tmp_path / "training", tmp_path / "validation")
    held_out, trained = both(tmp_path)
    assert shared_demonstrations(held_out, trained) == 2
    note = told_shared(held_out, trained)
    assert note is not None and note.startswith("frames of 2 of 2 demonstrations are in training/ too: ")


@pytest.mark.parametrize(("start", "seed", "shared"), [(500, 1, 1), (200, 1, 1), (200, 7, 0), (500, 7, 0)])
def test_frames_are_the_same_by_content(tmp_path: Path, start: int, seed: int, shared: int) -> None:
    """Under the same number or another; other frames under the same number are held out."""
    write_split(tmp_path, "training", [make_episode(100, 6), make_episode(200, 6, seed=1)])
    write_split(tmp_path, "validation", [make_episode(start, 6, seed, split="validation")])
    assert shared_demonstrations(*both(tmp_path)) == shared


def test_a_stretch_within_one_that_is_trained_on(tmp_path: Path) -> None:
    whole = make_episode(100, 9)
    fields = ("rgb_static", "rgb_gripper", "robot_obs", "scene_obs", "actions", "rel_actions")
    part = make_episode(
        103, 4, split="validation", **{name: np.asarray(getattr(whole, name))[3:7] for name in fields}
    )
    write_split(tmp_path, "training", [whole])
    write_split(tmp_path, "validation", [part])
    assert shared_demonstrations(*both(tmp_path)) == 1
