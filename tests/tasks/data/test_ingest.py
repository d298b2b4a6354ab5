"""Demonstrations from CALVIN's files and from the expert."""

from __future__ import annotations

import shutil

import pytest

from calvin.dataset import open_dataset
from calvin.episode_file import load_episode
from errors import DatasetError
from tasks.context import Finished, Yielded
from tasks.data import ingest
from tests.calvin import lerobot_sets as sets
from tests.calvin.samples import assert_same_episode, make_episode
from tests.calvin.scene_frames import film
from tests.calvin.writing import write_split
from tests.tasks.fake_context import FakeContext


@pytest.fixture
def dataset(tmp_path):
    episodes = [make_episode(start=100, seed=1), make_episode(start=200, seed=2)]
    write_split(tmp_path / "data", "training", episodes)
    return tmp_path / "data"


def spec_of(dataset):
    entries = [{"number": 0}, {"number": 1}]
    return {"source": "calvin", "root": str(dataset), "split": "training", "demonstrations": entries}


def test_reads_calvin_files_as_they_are(tmp_path, dataset):
    context = FakeContext(tmp_path / "home", spec_of(dataset))
    assert isinstance(ingest.run(context), Finished)
    split = open_dataset(dataset, "training")
    assert [file.name for file in context.published] == ["task_0", "task_1"]
    for file, demonstration in zip(context.published, split.demonstrations):
        assert_same_episode(load_episode(file.path), split.read(demonstration))


def test_stops_between_demonstrations_and_goes_on_with_the_next(tmp_path, dataset):
    first = FakeContext(tmp_path / "home", spec_of(dataset), checks=1, reason="preempted")
    assert ingest.run(first) == Yielded("preempted")
    assert [file.name for file in first.published] == ["task_0"]
    second = FakeContext(tmp_path / "home", spec_of(dataset), earlier=first)
    assert isinstance(ingest.run(second), Finished)
    assert [file.name for file in second.published] == ["task_0", "task_1"]


def test_scenes_that_the_dataset_does_not_say_are_counted_by_their_pictures(tmp_path):
    shown = [sets.recorded(1, 6, rgb_static=film(scene, 6)) for scene in ("C", "C", "A")] + [
        sets.recorded(2, 6)
    ]
    spec = {
        "source": "calvin", "root": str(sets.write_v2(tmp_path / "set", shown)), "split": "training",
        "demonstrations": [{"number": number} for number in range(4)], "held_out": "none",
        "columns": {**sets.CAMERAS, "robot_obs": sets.STATE, "rel_actions": "action"},
    }  # fmt: skip
    first = FakeContext(tmp_path / "home", spec, checks=2, reason="preempted")
    assert ingest.run(first) == Yielded("preempted")
    finished = ingest.run(FakeContext(tmp_path / "home", spec, earlier=first))
    assert finished.result.scenes_seen == {"A": 1, "C": 2, "unknown": 1}, "those of the attempt before, too"
    context = FakeContext(tmp_path / "said", {**spec, "scenes": "D=0-2"})
    assert ingest.run(context).result.scenes_seen == {"unknown": 1}
    assert [load_episode(file.path).scene for file in context.published] == ["D", "D", "D", "unknown"]


def planned_spec(dataset):
    split = open_dataset(dataset, "training")
    return {**spec_of(dataset), "identity": [split.fingerprint(d) for d in split.demonstrations]}


def test_a_worker_reads_what_lies_there_now_and_not_what_it_opened_for_another_job(tmp_path, dataset):
    memory = {}
    ingest.run(FakeContext(tmp_path / "one", planned_spec(dataset), memory=memory))
    shutil.rmtree(dataset)
    write_split(dataset, "training", [make_episode(start=100, seed=3), make_episode(start=200, seed=4)])
    context = FakeContext(tmp_path / "two", planned_spec(dataset), memory=memory)
    ingest.run(context)
    split = open_dataset(dataset, "training")
    assert_same_episode(load_episode(context.published[0].path), split.read(split.demonstrations[0]))


def test_a_dataset_that_changed_since_it_was_planned_is_refused(tmp_path, dataset):
    spec = planned_spec(dataset)
    shutil.rmtree(dataset)
    write_split(dataset, "training", [make_episode(start=100, seed=1), make_episode(start=200, seed=5)])
    context = FakeContext(tmp_path / "home", spec)
    with pytest.raises(
        DatasetError, match="demonstration 1 is not the one that the ablation was planned with"
    ):
        ingest.run(context)
    assert [file.name for file in context.published] == ["task_0"]


def test_the_expert_makes_the_same_demonstration_twice(tmp_path):
    entry = {"number": 0, "scene": "B", "task": "turn_on_led", "seed": 11, "starts": "varied"}
    spec = {"source": "playtable", "split": "training", "demonstrations": [entry]}
    digests = set()
    for name in ("one", "two"):
        context = FakeContext(tmp_path / name, spec)
        ingest.run(context)
        (file,) = context.published
        digests.add(file.sha256)
    assert len(digests) == 1
    episode = load_episode(file.path)
    assert (episode.task, episode.scene) == ("turn_on_led", "B")
    assert episode.boxes is not None and episode.boxes[0]["button"] is not None
    assert episode.pixels is not None and len(episode.pixels) == len(episode)
    for boxes, pixels in zip(episode.boxes, episode.pixels, strict=True):
        assert {name for name, box in boxes.items() if box} == {
            name for name, count in pixels.items() if count
        }
    assert episode.scene_obs[0, 5] == 0 and episode.scene_obs[-1, 5] == 1  # the green light went on
