"""A damaged frame, or damaged boxes of one, is refused in one sentence that names it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calvin.dataset import open_dataset
from errors import DatasetError
from tests.calvin.dataset_folder import change_frame, open_folder
from tests.calvin.dataset_folder import folder as folder
from tests.calvin.samples import make_episode
from tests.calvin.writing import write_split


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, 0.99])
def test_frame_cut_short(folder: Path, kept: float) -> None:
    path = folder / "episode_0000102.npz"
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    split = open_folder(folder)
    with pytest.raises(DatasetError, match=r"episode_0000102\.npz is damaged: "):
        split.read(split.demonstrations[0])


def test_frame_with_a_flipped_byte(folder: Path) -> None:
    path = folder / "episode_0000102.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    split = open_folder(folder)
    with pytest.raises(DatasetError, match=r"episode_0000102\.npz is damaged: "):
        split.read(split.demonstrations[0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"without": "rel_actions"}, " has no rel_actions"),
        ({"rgb_static": np.zeros((100, 100, 3), np.uint8)}, r": rgb_static has shape \(100, 100, 3\), not"),
        ({"rgb_gripper": np.zeros((84, 84, 3))}, ": rgb_gripper is float64, not uint8"),
        ({"scene_obs": np.zeros(24, np.int32)}, ": scene_obs is int32, not floating point"),
        ({"robot_obs": np.full(15, np.inf)}, ": robot_obs is not finite"),
        ({"actions": np.array([None] * 7)}, ": actions is an array of objects"),
    ],
)
def test_malformed_frame(folder: Path, changes: dict[str, Any], message: str) -> None:
    change_frame(folder, 101, **changes)
    split = open_folder(folder)
    with pytest.raises(DatasetError, match=rf"episode_0000101\.npz{message}"):
        split.read(split.demonstrations[0])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "is not a file of boxes"),
        ("[" * 100_000, "is not a file of boxes"),
        ("[]", "content is a list"),
        ('{"x": {}}', "'x' is no number of a frame"),
        (f'{{"{"9" * 5000}": {{}}}}', "is no number of a frame"),
        ('{"0000100": 3}', "frame 0000100 is a int"),
        ('{"0000100": {"a": [1, 2, 3, 4]}}', "frame 0000100, a: "),
    ],
)
def test_malformed_file_of_boxes(folder: Path, content: str, sentence: str) -> None:
    (folder / "boxes.json").write_text(content)
    split = open_folder(folder)
    with pytest.raises(DatasetError, match=rf"boxes\.json.* {sentence}"):
        split.read(split.demonstrations[0])


@pytest.mark.parametrize(
    ("box", "sentence"),
    [
        *((box, "which holds no pixel") for box in ("[5, 5, 5, 9]", "[50, 50, 40, 60]", "[200, 5, 210, 9]")),
        *(
            (box, "not four numbers")
            for box in ("[1, 2]", "7", '"1234"', '[1, 2, 3, "4"]', "[1, 2, 3, 4, 5]")
        ),
        *((box, "not four numbers") for box in ("[0, 0, Infinity, 5]", "[0, 0, 1e999, 5]", "[0, 0, NaN, 5]")),
    ],
)
def test_a_malformed_box_is_named_by_frame_and_object(folder: Path, box: str, sentence: str) -> None:
    (folder / "boxes.json").write_text(f'{{"0000100": {{"red_block": {{"box": {box}}}}}}}')
    split = open_folder(folder)
    with pytest.raises(DatasetError, match=rf"boxes\.json: frame 0000100, red_block: .*{sentence}"):
        split.read(split.demonstrations[0])


def test_a_number_of_hundreds_of_digits_is_not_read(folder: Path) -> None:
    (folder / "boxes.json").write_text(f'{{"0000100": {{"red_block": {{"box": [0, 0, 1{"0" * 400}, 5]}}}}}}')
    split = open_folder(folder)
    with pytest.raises(
        DatasetError, match=r"boxes\.json is not a file of boxes: a number is written with 401 "
    ):
        split.read(split.demonstrations[0])


def test_boxes_keep_fractions_of_pixels(folder: Path) -> None:
    content = json.loads((folder / "boxes.json").read_text())
    first = content["0000100"]
    first[next(iter(first))]["box"] = [89.9, 89.5, 106.25, 107.0]
    (folder / "boxes.json").write_text(json.dumps(content))
    split = open_folder(folder)
    (episode_boxes, *_) = split.read(split.demonstrations[0]).boxes or ()
    assert next(iter(episode_boxes.values())) == (89.9, 89.5, 106.25, 107)


def test_boxes_missing_for_a_frame(folder: Path) -> None:
    content = json.loads((folder / "boxes.json").read_text())
    del content["0000102"]
    (folder / "boxes.json").write_text(json.dumps(content))
    split = open_folder(folder)
    with pytest.raises(DatasetError, match=r"boxes\.json has no boxes for frame 102"):
        split.read(split.demonstrations[0])


def test_a_frame_twice_in_the_boxes_is_refused(tmp_path: Path) -> None:
    folder = write_split(tmp_path, "training", [make_episode(100, 2)])
    boxes = '{"0000100": {"drawer": {"box": [0, 0, 9, 9]}},\n"0000100": {"drawer": {"box": null}}}'
    (folder / "boxes.json").write_text(boxes)
    with pytest.raises(DatasetError, match=r"boxes\.json .*line 2: the key '0000100' is given twice"):
        _ = open_dataset(tmp_path, "training").boxes
