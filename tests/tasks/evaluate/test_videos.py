"""Films of failures, read back."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from models.images import CANVAS, STATIC_ROWS
from tasks.evaluate.rollout import Failure
from tasks.evaluate.videos import split_look, write_failure


def failure(frames: int) -> Failure:
    views = {
        "rgb_static": np.full((200, 200, 3), (0, 0, 200), dtype=np.uint8),
        "rgb_gripper": np.full((84, 84, 3), (0, 200, 0), dtype=np.uint8),
    }
    return Failure("open_drawer", "pull the drawer", (views,) * frames)


def frames_of(file: Path) -> np.ndarray:
    """(frames, 384, 672, 3) RGB."""
    reader, found = cv2.VideoCapture(str(file)), []
    while True:
        read, frame = reader.read()
        if not read:
            return np.array(found)[..., ::-1]
        found.append(frame)


def test_both_views_stand_side_by_side_under_the_instruction(tmp_path: Path) -> None:
    write_failure(failure(3), tmp_path / "film.mp4")
    film = frames_of(tmp_path / "film.mp4")
    assert film.shape == (3, 384, 672, 3)
    np.testing.assert_allclose(film[1, 200, 100], (0, 0, 200), atol=12)
    np.testing.assert_allclose(film[1, 200, 500], (0, 200, 0), atol=12)
    assert film[1, :48].min() < 100 < film[1, :48].max()  # ink on paper


def test_attention_lies_over_the_view_it_belongs_to(tmp_path: Path) -> None:
    heat = np.zeros((336, 336), dtype=np.float32)
    heat[:168] = 1.0
    write_failure(failure(2), tmp_path / "film.mp4", [(heat, np.zeros_like(heat))] * 2)
    film = frames_of(tmp_path / "film.mp4").astype(int)
    assert film[1, 48 + 60, 100, 0] > 120  # orange over the upper half of the static view
    np.testing.assert_allclose(film[1, 48 + 280, 100], (0, 0, 200), atol=12)
    np.testing.assert_allclose(film[1, 48 + 60, 500], (0, 200, 0), atol=12)


@pytest.mark.parametrize("grid", [4, 27])
def test_a_map_is_cut_where_the_composed_picture_is(grid: int) -> None:
    attention = np.zeros((grid, grid))
    attention[0, 0] = 0.5
    static, gripper = split_look(attention, 1.0, STATIC_ROWS)
    assert static[0, 0] == pytest.approx(1.0)
    assert gripper.max() == 0.0
    attention[0, 0], attention[-1, -1] = 0.0, 0.1
    static, gripper = split_look(attention, 1.0, STATIC_ROWS)
    assert gripper[-1, -1] == pytest.approx(1.0)
    assert static.max() == 0.0


def test_pixels_of_no_patch_get_no_attention() -> None:
    static, gripper = split_look(np.ones((27, 27)), 378 / 384, STATIC_ROWS)
    assert static[:, 0].min() == 1.0
    assert gripper[-1, -1] == 0.0
    assert gripper[0, -1] == 0.0
    assert round(CANVAS * 378 / 384) < CANVAS
