"""The folders that ReconVLA's original scripts make, from a small dataset."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from calvin.annotations import read_embeddings
from calvin.dataset import open_dataset
from calvin.writer import write_split
from detectors.registry import make_detector
from errors import DatasetError, InvalidInput
from models.images import compose
from tasks.extract import extract
from tests.calvin.samples import make_episode

EPISODE = make_episode(
    100, 6, split="validation", task="open_drawer",
    boxes=tuple({"drawer": (20, 40, 60, 90), "drawer_handle": (30, 50, 40, 60)} if t != 3 else
                {"drawer": None, "drawer_handle": None} for t in range(6)),
)  # fmt: skip


@pytest.fixture
def out(tmp_path: Path) -> Path:
    write_split(tmp_path / "data", "validation", [EPISODE])
    dataset = open_dataset(tmp_path / "data", "validation")
    counts = list(extract(dataset, tmp_path / "out", make_detector("oracle")))
    assert counts == [{"frames": 6, "crops": 5}]
    return tmp_path / "out"


def test_each_demonstration_has_its_folder(out: Path) -> None:
    folder = out / "tasks" / "validation" / "0_open_drawer"
    about = yaml.safe_load((folder / "lang_ann" / "lang_ann.yaml").read_text())
    assert about["indx"] == [100, 105]
    assert (about["ann"], about["task"]) == (EPISODE.instruction, "open_drawer")
    assert np.shape(about["emb"]) == (1, 384)
    for offset in range(6):
        picture = np.asarray(Image.open(folder / "img" / f"frame_{100 + offset:07d}.png"))
        np.testing.assert_array_equal(picture, EPISODE.rgb_static[offset])
    lines = [json.loads(line) for line in (folder / "crop" / "crop_info.jsonl").read_text().splitlines()]
    assert [line["crop_image"] is None for line in lines] == [False, False, False, True, False, False]
    left, top, right, bottom = lines[0]["coordinates"].values()
    size = Image.open(folder / "crop" / "frame_0000100.jpg").size
    assert size == (right - left, bottom - top)
    assert not (folder / "crop" / "frame_0000103.jpg").exists()


def test_items_have_the_original_form(out: Path) -> None:
    items = json.loads((out / "validation_r5.json").read_text())
    assert [item["id"].rpartition("_")[2] for item in items] == [
        f"{f:07d}" for f in (100, 101, 102, 104, 105)
    ]
    item = items[3]
    assert set(item) == {"id", "image", "image_target", "conversations", "embody"}
    asked, answered = (turn["value"] for turn in item["conversations"])
    first, image, second, state = asked.split("\n")
    assert (first, image, second) == (EPISODE.instruction, "<image>", EPISODE.instruction)
    np.testing.assert_array_equal([float(x) for x in state.split()], EPISODE.robot_obs[4])
    actions = np.reshape([float(x) for x in answered.split()], (5, 7))
    np.testing.assert_array_equal(actions[:2], EPISODE.rel_actions[4:])
    np.testing.assert_array_equal(actions[2:, :6], 0)  # no motion past the end, the gripper held
    np.testing.assert_array_equal(actions[2:, 6], EPISODE.rel_actions[5, 6])
    picture = np.asarray(Image.open(out / "vla_processed_r5" / item["image"])).astype(int)
    drawn = compose(EPISODE.rgb_static[4], EPISODE.rgb_gripper[4]).astype(int)
    assert picture.shape == (334, 334, 3)
    assert np.abs(picture - drawn).mean() < 40  # JPEG of noise
    assert (out / "vla_processed_r5" / item["image_target"]).is_file()


def test_nothing_is_written_twice(out: Path) -> None:
    dataset = open_dataset(out.parent / "data", "validation")
    with pytest.raises(InvalidInput, match="already holds an extracted validation split"):
        list(extract(dataset, out, make_detector("oracle")))


def test_embeddings_that_do_not_fit_are_named(tmp_path: Path) -> None:
    boxed = np.empty((), dtype=object)
    boxed[()] = {"language": {"ann": ["a", "b"], "emb": np.zeros((3, 1, 4))}}
    np.save(tmp_path / "auto_lang_ann.npy", boxed, allow_pickle=True)
    with pytest.raises(
        DatasetError, match=r"language.emb is float64 of shape \(3, 1, 4\), not one row for each of 2"
    ):
        read_embeddings(tmp_path / "auto_lang_ann.npy")
