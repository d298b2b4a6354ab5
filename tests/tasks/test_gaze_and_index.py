"""From an episode to gaze regions to the training index, through the real bodies."""

from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors import safe_open

from calvin.episode_file import save_episode
from detectors.base import NoTarget, Reason
from errors import BatonError
from tasks import gaze, index
from tasks.context import InputFile
from tests.calvin.samples import make_episode
from tests.tasks.fake_context import FakeContext, input_file

FRAMES = 4
BOX = (20, 30, 60, 70)


def episode_of(**fields):
    boxes = tuple(
        {"drawer_handle": None if frame == 2 else BOX, "red_block": (0, 0, 5, 5)} for frame in range(FRAMES)
    )
    return make_episode(frames=FRAMES, boxes=boxes, **fields)


@pytest.fixture
def episode_file(tmp_path) -> InputFile:
    path = tmp_path / "episode.safetensors"
    save_episode(episode_of(), path)
    return input_file("episode", "episode", "task_3", path)


def extract(tmp_path, episode_file: InputFile) -> tuple[FakeContext, gaze.Finished]:
    spec = {"number": 3, "detector": "oracle", "options": {}}
    context = FakeContext(tmp_path / "gaze", spec, [episode_file])
    return context, gaze.run(context)


def test_gaze_keeps_crops_and_counts_every_frame(tmp_path, episode_file):
    _, result = extract(tmp_path, episode_file)
    (draft,) = result.artifacts
    with safe_open(draft.file, framework="numpy") as tensors:
        rows = json.loads(tensors.metadata()["gaze"])["rows"]
        names = sorted(tensors.keys())
        crop = tensors.get_tensor("crop_00000")
    assert names == ["crop_00000", "crop_00001", "crop_00003"]
    np.testing.assert_array_equal(crop, episode_of().rgb_static[0, 30:70, 20:60])
    assert rows[0] == {"box": list(BOX), "score": 1.0}
    assert rows[2]["reason"] == "occluded"
    assert result.result["frames"] == FRAMES
    assert sum(figures["frames"] for figures in result.result["figures"].values()) == FRAMES
    for figures in result.result["figures"].values():
        assert sum(figures["outcomes"].values()) == figures["frames"]
    assert result.result["figures"]["absent"]["outcomes"] == {"occluded": 1}


def test_an_instruction_nobody_understands_is_a_counted_absence():
    results, targets = gaze.find_regions(
        episode_of(task="polish_the_floor", instruction="wax on"), gaze.make_detector("oracle")
    )
    assert isinstance(targets, NoTarget)
    assert {r.reason for r in results} == {Reason.UNKNOWN_WORDING}
    scored = gaze.score(episode_of(), results, targets)
    assert [frame.outcome for frame in scored] == ["unknown_wording"] * FRAMES


def test_index_has_one_item_and_one_picture_a_frame(tmp_path, episode_file):
    context, found = extract(tmp_path, episode_file)
    kept = context.keep(found.artifacts[0], 0, role="gaze")
    spec = {"numbers": [3], "image_size": 48, "split": "training"}
    result = index.run(FakeContext(tmp_path / "index", spec, [episode_file, kept]))
    files = [input_file("index", "index", draft.name, draft.file) for draft in result.artifacts]
    read = index.load_index(files)
    assert len(read) == FRAMES == result.result["items"]
    assert result.result["with_target"] == 3
    assert [item["id"] for item in read.items] == [f"task_3_frame_{frame}" for frame in range(FRAMES)]
    assert read.images.shape == (FRAMES, 48, 48, 3)
    assert read.has_target.tolist() == [True, True, False, True]
    assert not read.targets[2].any()
    assert read.items[2]["crop"] is None and read.items[2]["crop_source"] is None
    assert read.items[1]["image_source"] == f"{episode_file.reference}#rgb_static[1]"
    # The gripper half of input and target is the same picture.
    np.testing.assert_array_equal(read.images[0][30:], read.targets[0][30:])
    assert (read.images[0][:20] != read.targets[0][:20]).any()


def test_gaze_of_another_length_is_refused(tmp_path, episode_file):
    context, found = extract(tmp_path, episode_file)
    kept = context.keep(found.artifacts[0], 0, role="gaze")
    longer = tmp_path / "longer.safetensors"
    save_episode(make_episode(frames=FRAMES + 1), longer)
    spec = {"numbers": [3], "image_size": 48, "split": "training"}
    inputs = [input_file("episode", "episode", "task_3", longer), kept]
    with pytest.raises(BatonError, match="gaze rows for 4 of 5 frames"):
        index.run(FakeContext(tmp_path / "index", spec, inputs))
