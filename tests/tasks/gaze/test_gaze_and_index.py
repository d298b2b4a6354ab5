"""From an episode to gaze regions to the training index, through the real bodies."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open

from calvin.episode_file import save_episode
from detectors.base import Detection, NoTarget, Reason, Source
from detectors.oracle import OracleDetector
from errors import BatonError, EnvironmentLacks, InvalidInput
from tasks.context import InputFile
from tasks.data import index
from tasks.data.index_reader import load_index
from tasks.gaze import run as gaze
from tests.calvin.samples import make_episode
from tests.detectors.grounding_dino.tiny import write_tiny_model
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
    assert rows[0] == {
        "box": list(BOX),
        "score": 1.0,
        "source": "first_pass",
        "trusted": True,
        "uncertainty_pixels": 0.0,
        "true_box": list(BOX),
    }
    assert rows[2]["reason"] == "occluded" and rows[2]["true_box"] is None
    assert result.result.row()["frames"] == FRAMES
    assert sum(figures["frames"] for figures in result.result.row()["figures"].values()) == FRAMES
    for figures in result.result.row()["figures"].values():
        assert sum(figures["outcomes"].values()) == figures["frames"]
    assert result.result.row()["figures"]["absent"]["outcomes"] == {"occluded": 1}


def test_another_process_of_the_home_asks_about_no_picture_again(tmp_path, episode_file):
    """Worker processes share nothing but the home: each begins with an empty memory."""
    spec = {"number": 3, "detector": "colour", "options": {}}
    caches, digests = [], []
    for name in ("first", "second"):
        context = FakeContext(tmp_path / name, spec, [episode_file], cache=tmp_path / "cache")
        (draft,) = gaze.run(context).artifacts
        digests.append(draft.file.read_bytes())
        caches.append(context.memory["gaze cache"])
    assert digests[0] == digests[1]
    assert caches[0].misses > 0 and caches[0].hits == 0
    assert caches[1].misses == 0 and caches[1].hits == caches[0].misses


def test_another_detector_than_planned_is_refused(tmp_path, episode_file):
    """Weights may differ from machine to machine; the job's key stands for those that it was planned with."""
    planned = gaze.make_detector("colour").version
    spec = {"number": 3, "detector": "colour", "options": {}, "version": planned}
    assert gaze.run(FakeContext(tmp_path / "same", spec, [episode_file])).artifacts
    with pytest.raises(EnvironmentLacks, match="planned with 'older'"):
        gaze.run(FakeContext(tmp_path / "other", spec | {"version": "older"}, [episode_file]))


def test_what_auto_meant_is_on_record(tmp_path, episode_file):
    weights = str(write_tiny_model(tmp_path / "weights"))
    spec = {
        "number": 3,
        "detector": "grounding_dino",
        "options": {"weights": weights, "stages": ["key_frames"], "interval": 8},
    }
    done = gaze.run(FakeContext(tmp_path / "gaze", spec, [episode_file]))
    with safe_open(done.artifacts[0].file, framework="numpy") as tensors:
        about = json.loads(tensors.metadata()["gaze"])
    assert " auto " in about["detector"]
    expected = "fp16" if torch.cuda.is_available() else "fp32"
    assert about["precision"] == done.result.row()["precision"] == expected


def test_an_instruction_nobody_understands_is_a_counted_absence():
    odd = episode_of(task="polish_the_floor", instruction="wax on")
    regions = gaze.find_regions(odd, gaze.make_detector("oracle"))
    assert isinstance(regions.targets, NoTarget)
    assert {r.reason for r in regions.results} == {Reason.UNKNOWN_WORDING}
    assert [frame.outcome for frame in regions.scored] == ["unknown_wording"] * FRAMES
    summary = gaze.summary_of([regions])
    assert summary["sources"] == {"unknown_wording": FRAMES} and summary["trusted"] == 0


GERMAN = "schiebe den Griff nach links"


def test_another_language_is_a_counted_absence_or_the_tasks_target(tmp_path):
    path = tmp_path / "episode.safetensors"
    save_episode(episode_of(task="open_drawer", instruction=GERMAN), path)
    told = {}
    for choice in ({}, {"unknown_wording": "no_target"}, {"unknown_wording": "task"}):
        spec = {"number": 3, "detector": "oracle", "options": {}} | choice
        context = FakeContext(
            tmp_path / str(choice), spec, [input_file("episode", "episode", "task_3", path)]
        )
        result = gaze.run(context).result.row()
        told[choice.get("unknown_wording", "")] = result["sources"], result["by_task"]
    absent = {"unknown_wording": FRAMES}, {"demonstrations": 0, "frames": 0}
    assert told[""] == told["no_target"] == absent
    assert told["task"] == ({"first_pass": 3, "occluded": 1}, {"demonstrations": 1, "frames": FRAMES})
    understood = gaze.find_regions(episode_of(), gaze.make_detector("oracle"), "task")
    assert gaze.summary_of([understood])["by_task"] == {"demonstrations": 0, "frames": 0}


def test_a_carried_block_is_followed_by_its_destination(tmp_path):
    hand = np.zeros((FRAMES, 15))
    hand[:, 0] = np.linspace(0, 0.3, FRAMES)
    boxes = tuple({"red_block": BOX, "drawer": (40, 120, 180, 190)} for _ in range(FRAMES))
    carried = make_episode(frames=FRAMES, boxes=boxes, task="place_in_drawer", robot_obs=hand)
    regions = gaze.find_regions(carried, gaze.make_detector("oracle"))
    assert [target.object for target in regions.targets] == ["block", "block", "drawer", "drawer"]
    assert [result.box for result in regions.results] == [BOX, BOX, (40, 120, 180, 190), (40, 120, 180, 190)]
    assert [frame.outcome for frame in regions.scored] == ["detected"] * FRAMES
    assert [frame.object for frame in regions.scored] == ["red_block", "red_block", "drawer", "drawer"]


def test_which_block_is_carried_is_not_known_without_true_boxes():
    carried = make_episode(frames=FRAMES, boxes=None, task="unstack_block")
    regions = gaze.find_regions(carried, gaze.make_detector("colour"))
    assert {frame.object for frame in regions.scored} == {"block"}


def test_what_is_hidden_is_told_by_pixels_where_they_are_counted():
    boxes = tuple({"drawer_handle": BOX} for _ in range(FRAMES))
    pixels = tuple({"drawer_handle": count} for count in (900, 900, 300, 900))
    for counted, levels in ((pixels, ["simple", "simple", "complex", "simple"]), (None, ["simple"] * FRAMES)):
        regions = gaze.find_regions(
            make_episode(frames=FRAMES, boxes=boxes, pixels=counted), gaze.make_detector("oracle")
        )
        assert [frame.difficulty for frame in regions.scored] == levels


def test_frames_need_not_name_the_same_things():
    """The first frame names another block than the one that is carried; the second names none."""
    hand = np.zeros((FRAMES, 15))
    seen = {"red_block": BOX}
    boxes = ({"blue_block": (0, 0, 4, 4)}, {}, seen, seen)
    carried = make_episode(frames=FRAMES, boxes=boxes, task="unstack_block", robot_obs=hand)
    regions = gaze.find_regions(carried, gaze.make_detector("colour"))
    assert {frame.object for frame in regions.scored} == {"red_block"}
    assert [frame.difficulty == "unlabelled" for frame in regions.scored] == [True, True, False, False]


def test_a_task_that_its_instruction_denies_is_a_counted_absence():
    odd = episode_of(task="open_drawer", instruction="lift the red block")
    for name in ("oracle", "colour"):
        regions = gaze.find_regions(odd, gaze.make_detector(name))
        assert gaze.summary_of([regions])["sources"] == {"other_than_the_task": FRAMES}


def test_index_has_one_item_a_frame_and_composes_their_pictures(tmp_path, episode_file):
    context, found = extract(tmp_path, episode_file)
    kept = context.keep(found.artifacts[0], 0, role="gaze")
    spec = {"numbers": [3], "split": "training"}
    result = index.run(FakeContext(tmp_path / "index", spec, [episode_file, kept]))
    files = [input_file("index", "index", draft.name, draft.file) for draft in result.artifacts]
    frames = input_file("index_frames", "episode", episode_file.name, episode_file.path)
    read = load_index([*files, frames], 48)
    assert len(read) == FRAMES == result.result.row()["items"]
    assert result.result.row()["with_target"] == 3
    assert [item["id"] for item in read.items] == [f"task_3_frame_{frame}" for frame in range(FRAMES)]
    assert [read.images[row].shape for row in range(FRAMES)] == [(48, 48, 3)] * FRAMES
    assert [read.targets[row] is not None for row in range(FRAMES)] == [True, True, False, True]
    assert read.items[2]["crop"] is None and read.items[2]["crop_source"] is None
    assert read.items[1]["image_source"] == f"{episode_file.reference}#rgb_static[1]"
    # The gripper half of input and target is the same picture.
    np.testing.assert_array_equal(read.images[0][30:], read.targets[0][30:])
    assert (read.images[0][:20] != read.targets[0][:20]).any()


def test_the_official_index_repeats_the_last_motion(tmp_path, episode_file):
    context, found = extract(tmp_path, episode_file)
    kept = context.keep(found.artifacts[0], 0, role="gaze")
    spec = {"numbers": [3], "split": "training", "repeat_motion": True}
    result = index.run(FakeContext(tmp_path / "index", spec, [episode_file, kept]))
    last = json.loads(result.artifacts[0].file.read_text())[-1]["actions"]
    assert last == [last[0]] * 5 and any(last[0][:6])


def test_gaze_of_another_length_is_refused(tmp_path, episode_file):
    context, found = extract(tmp_path, episode_file)
    kept = context.keep(found.artifacts[0], 0, role="gaze")
    longer = tmp_path / "longer.safetensors"
    save_episode(make_episode(frames=FRAMES + 1), longer)
    spec = {"numbers": [3], "split": "training"}
    inputs = [input_file("episode", "episode", "task_3", longer), kept]
    with pytest.raises(BatonError, match="gaze rows for 4 of 5 frames"):
        index.run(FakeContext(tmp_path / "index", spec, inputs))


@pytest.mark.parametrize(
    ("untrusted", "items", "weights"),
    [("keep", 4, [1.0, 1.0, 1.0, 1.0]), ("weigh", 4, [1.0, 0.25, 1.0, 1.0]), ("drop", 2, [1.0, 1.0])],
)
def test_frames_without_a_trusted_region(tmp_path, episode_file, monkeypatch, untrusted, items, weights):
    doubtful = Detection(BOX, 0.25, "drawer handle", Source.REMEMBERED, 3.0)

    class Doubting(OracleDetector):
        def detect(self, images, targets, context=None):
            found = super().detect(images, targets, context)
            return [found[0], doubtful, *found[2:]]

    monkeypatch.setattr(gaze, "make_detector", lambda name, **options: Doubting())
    context, found = extract(tmp_path, episode_file)
    assert found.result.row()["trusted"] == 2
    kept = context.keep(found.artifacts[0], 0, role="gaze")
    spec = {"numbers": [3], "split": "training", "untrusted": untrusted}
    result = index.run(FakeContext(tmp_path / "index", spec, [episode_file, kept]))
    read = json.loads(result.artifacts[0].file.read_text())
    assert [item["gaze"]["weight"] for item in read] == weights
    assert result.result.row()["items"] == items == len(read)
    assert result.result.row()["dropped"] == FRAMES - items
    assert result.result.row()["weighed_down"] == (untrusted == "weigh")


def test_an_index_of_which_everything_is_dropped_names_the_setting(tmp_path):
    hidden = tmp_path / "hidden.safetensors"
    save_episode(make_episode(frames=FRAMES, boxes=({"drawer_handle": None},) * FRAMES), hidden)
    episode = input_file("episode", "episode", "task_3", hidden)
    context, found = extract(tmp_path, episode)
    kept = context.keep(found.artifacts[0], 0, role="gaze")
    spec = {"numbers": [3], "split": "training", "untrusted": "drop"}
    with pytest.raises(InvalidInput, match=r"gaze\.untrusted.* none of the 4 frames of 1 demonstrations"):
        index.run(FakeContext(tmp_path / "index", spec, [episode, kept]))
