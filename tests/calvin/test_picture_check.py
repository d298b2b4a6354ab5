"""Pictures that show nothing are found by `data check`, and refused before work begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calvin.check import examine
from calvin.dataset import open_dataset
from calvin.sampled_check import check_sample
from calvin.split import annotated_frames
from errors import DatasetError
from tests.calvin.samples import make_episode
from tests.calvin.writing import write_split

FRAMES = 8


def written(root: Path, **fields: Any) -> Path:
    return write_split(root, "training", [make_episode(100, FRAMES, **fields)]).parent


def pictures(side: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (FRAMES, side, side, 3), dtype=np.uint8)


WRONG: list[tuple[dict[str, Any], str]] = [
    (
        {"rgb_gripper": np.zeros_like(pictures(84))},
        "rgb_gripper of 8 of 8 frames (first: 100) shows one colour",
    ),
    (
        {"rgb_static": np.full_like(pictures(200), 127)},
        "rgb_static of 8 of 8 frames (first: 100) shows one colour",
    ),
    (
        {"rgb_static": (pictures(200) / 255).astype(np.uint8)},
        "rgb_static of 8 of 8 frames (first: 100) has values of 0 to 1; pictures are bytes of 0 to 255",
    ),
    (
        {"rgb_static": np.repeat(pictures(200)[:1], FRAMES, axis=0)},
        "rgb_static of 8 of 8 frames (first: 100) is one and the same picture, while the robot moves",
    ),
    (
        {"rgb_gripper": np.r_[pictures(84)[:2], np.repeat(pictures(84, 1)[:1], FRAMES - 2, axis=0)]},
        "rgb_gripper of 6 of 8 frames (first: 102) is one and the same picture, while the robot moves",
    ),
]


@pytest.mark.parametrize(("fields", "sentence"), WRONG)
def test_pictures_that_show_nothing(tmp_path: Path, fields: dict[str, Any], sentence: str) -> None:
    split = open_dataset(written(tmp_path, **fields), "training")
    assert examine(split, annotated_frames(split)).problems == (f"{split.folder}: {sentence}.",)
    with pytest.raises(DatasetError) as refused:
        check_sample(split)
    assert str(refused.value) == (
        f"{split.folder}: {sentence} (looked at 8 of 8 frames; data check reads all)"
    )


def test_a_few_such_pictures_are_a_note(tmp_path: Path) -> None:
    some = pictures(84)
    some[3:5] = 90
    split = open_dataset(written(tmp_path, rgb_gripper=some), "training")
    found = examine(split, annotated_frames(split))
    assert found.problems == ()
    assert f"{split.folder}: rgb_gripper of 2 of 8 frames (first: 103) shows one colour" in found.notes
    check_sample(split)


def test_a_robot_at_rest_may_show_one_picture(tmp_path: Path) -> None:
    made = make_episode(100, FRAMES)
    still = np.repeat(made.robot_obs[:1], FRAMES, axis=0)
    fields = {
        "rgb_static": np.repeat(made.rgb_static[:1], FRAMES, axis=0),
        "robot_obs": still,
        "actions": np.c_[still[:, :6], np.ones(FRAMES)],
        "rel_actions": np.c_[np.zeros((FRAMES, 6)), np.ones(FRAMES)],
    }
    split = open_dataset(written(tmp_path, **fields), "training")
    assert examine(split, annotated_frames(split)).problems == ()
    check_sample(split)
