"""The contact sheet of a dataset."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from calvin.preview import MOST, _chosen, contact_sheet
from calvin.split import TRAINING, VALIDATION, Reading, open_split
from tests.calvin import lerobot_sets as sets
from tests.calvin.samples import make_episode
from tests.calvin.scene_frames import film
from tests.calvin.writing import write_split

SPLITS = (TRAINING, VALIDATION)


def pixels(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB")).astype(int)


def test_frames_and_words_are_on_the_sheet(tmp_path: Path) -> None:
    def sheet(name: str, told: tuple[str, str], level: int) -> np.ndarray:
        picture = np.full((6, 200, 200, 3), level, dtype=np.uint8)
        root = sets.write_v2(tmp_path / name, [sets.recorded(1, 6, told, rgb_static=picture)])
        return pixels(contact_sheet([open_split(root, TRAINING, Reading(validation_episodes="none"))]))

    one, same = sheet("a", sets.TRAINED[0], 77), sheet("b", sets.TRAINED[0], 77)
    np.testing.assert_array_equal(one, same)
    assert (one == 77).all(axis=2).sum() > 3 * 120 * 120, "three frames"
    other = sheet("c", (sets.TRAINED[0][0], "pull the drawer out, please"), 77)
    assert (one != other).any() and ((one == 77) == (other == 77)).all(), "only the words differ"


def test_episodes_have_the_numbers_that_settings_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words: list[str] = []
    monkeypatch.setattr(ImageDraw.ImageDraw, "text", lambda _, place, text, *a, **b: words.append(str(text)))
    root = sets.write_v2(tmp_path / "set", sets.episodes(3))
    contact_sheet([open_split(root, name, Reading(validation_episodes="0,2")) for name in SPLITS])
    assert [word.split("  ")[0] for word in words if "scene" in word] == [
        "episode 1",
        "episode 0",
        "episode 2",
    ]


def test_a_frame_that_cannot_be_read_does_not_end_it(tmp_path: Path) -> None:
    folder = write_split(
        tmp_path, "training", [make_episode(100, 6, rgb_static=film("D", 6)), make_episode(200, 6)]
    )
    (folder / "episode_0000100.npz").write_bytes(b"no archive")
    assert pixels(contact_sheet([open_split(tmp_path, TRAINING)])).shape[2] == 3


def test_each_task_is_shown_and_there_is_an_end(tmp_path: Path) -> None:
    shown = [make_episode(10 * n, 1, task="open_drawer" if n < 50 else "stack_block") for n in range(1, 55)]
    write_split(tmp_path, "training", shown)
    chosen = _chosen(open_split(tmp_path, TRAINING))
    assert len(chosen) == MOST and {one.task for one in chosen} == {"open_drawer", "stack_block"}
    assert [one.index for one in chosen] == sorted({one.index for one in chosen})
