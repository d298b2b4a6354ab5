"""Reads real CALVIN-format frames."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calvin.dataset import open_dataset
from tests.calvin.dataset_folder import change_annotations, change_frame, open_folder
from tests.calvin.dataset_folder import folder as folder
from tests.calvin.samples import make_episode
from tests.calvin.writing import write_split


@pytest.mark.parametrize("split", ["training", "validation"])
def test_reads_what_is_on_disk(calvin_mini: Path, split: str) -> None:
    opened = open_dataset(calvin_mini, split)
    stated = json.loads((calvin_mini / split / "demos.json").read_text())
    assert [(d.task, d.instruction, d.start, d.end) for d in opened.demonstrations] == [
        (d["task"], d["ann"], d["start"], d["end"]) for d in stated
    ]
    assert [f"calvin_scene_{d.scene}" for d in opened.demonstrations] == [d["scene"] for d in stated]
    demonstration = opened.demonstrations[-1]
    episode = opened.read(demonstration)
    assert len(episode) == stated[-1]["frames"]
    with np.load(next((calvin_mini / split).glob(f"episode_*{demonstration.end}.npz"))) as last:
        for field in ("rgb_static", "rgb_gripper", "robot_obs", "scene_obs", "actions", "rel_actions"):
            np.testing.assert_array_equal(getattr(episode, field)[-1], last[field])
    boxes = json.loads((calvin_mini / split / "boxes.json").read_text())[f"{demonstration.start:07d}"]
    assert episode.boxes is not None
    assert episode.boxes[0] == {
        name: None if entry["box"] is None else tuple(entry["box"]) for name, entry in boxes.items()
    }


def test_validation_instructions(calvin_mini: Path) -> None:
    assert len(open_dataset(calvin_mini, "validation").validation_instructions) == 34
    assert open_dataset(calvin_mini, "training").validation_instructions == {}


@pytest.mark.parametrize("digits", [3, 6, 9])
def test_finds_how_many_digits_frame_names_have(tmp_path: Path, digits: int) -> None:
    write_split(tmp_path, "training", [make_episode(100, 2)], digits=digits)
    split = open_dataset(tmp_path, "training")
    assert split.frames.digits == digits
    assert len(split.read(split.demonstrations[0])) == 2


def test_opening_does_not_list_the_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*args: Any) -> None:
        raise AssertionError("the folder was listed")

    for name in ("os.listdir", "os.scandir"):
        monkeypatch.setattr(name, forbidden)
    assert len(open_folder(folder).demonstrations) == 2


def test_float32_vectors_are_read_as_float64(folder: Path) -> None:
    change_frame(folder, 101, robot_obs=np.full(15, 0.1, dtype=np.float32))
    split = open_folder(folder)
    episode = split.read(split.demonstrations[0])
    assert episode.robot_obs.dtype == np.float64
    assert episode.robot_obs[1, 0] == np.float64(np.float32(0.1))


def test_annotations_beside_the_frames(folder: Path) -> None:
    (folder / "lang_annotations" / "auto_lang_ann.npy").rename(folder / "auto_lang_ann.npy")
    assert len(open_folder(folder).demonstrations) == 2


def test_overlapping_annotations_of_one_episode(folder: Path) -> None:
    change_annotations(folder, lambda content: content["info"].update(indx=[(100, 102), (101, 103)]))
    split = open_folder(folder)
    first, second = map(split.read, split.demonstrations)
    np.testing.assert_array_equal(first.rgb_static[1:], second.rgb_static[:2])


def test_scene_of_a_frame(tmp_path: Path) -> None:
    episodes = [
        make_episode(10, 2, scene="B"),
        make_episode(20, 2, scene="C"),
        make_episode(22, 2, scene="C"),
    ]
    write_split(tmp_path, "training", episodes)
    split = open_dataset(tmp_path, "training")
    assert [split.scene_of(frame) for frame in (9, 10, 11, 12, 20, 23, 24)] == [
        "unknown", "B", "B", "unknown", "C", "C", "unknown",
    ]  # fmt: skip
    assert [d.scene for d in split.demonstrations] == ["B", "C", "C"]


def test_scene_is_unknown_without_scene_info(folder: Path) -> None:
    (folder / "scene_info.npy").unlink()
    assert {d.scene for d in open_folder(folder).demonstrations} == {"unknown"}


def test_boxes_are_none_without_their_file(folder: Path) -> None:
    (folder / "boxes.json").unlink()
    split = open_folder(folder)
    assert split.read(split.demonstrations[0]).boxes is None


def test_fingerprint_is_of_the_content(folder: Path, tmp_path: Path) -> None:
    split = open_folder(folder)
    prints = [split.fingerprint(d) for d in split.demonstrations]
    assert len(set(prints)) == 2
    shutil.copytree(folder, tmp_path / "copy" / "training", copy_function=shutil.copyfile)
    copied = open_dataset(tmp_path / "copy", "training")
    assert [copied.fingerprint(d) for d in copied.demonstrations] == prints

    change_frame(folder, 103, actions=np.ones(7))  # in the first demonstration only
    changed = open_folder(folder)
    assert changed.fingerprint(changed.demonstrations[0]) != prints[0]
    assert changed.fingerprint(changed.demonstrations[1]) == prints[1]


def test_fingerprint_depends_on_the_instruction(folder: Path) -> None:
    before = open_folder(folder)
    change_annotations(folder, lambda content: content["language"].update(ann=["other", "words"]))
    after = open_folder(folder)
    assert before.fingerprint(before.demonstrations[0]) != after.fingerprint(after.demonstrations[0])
