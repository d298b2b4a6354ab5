"""LeRobot sets of real CALVIN frames against the npz files that they were made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calvin.episode import Episode
from calvin.split import TRAINING, VALIDATION, Reading, open_split, settled

PICTURES = ("rgb_static", "rgb_gripper")
VECTORS = ("robot_obs", "scene_obs", "actions", "rel_actions")
#: Sets with pictures as they were drawn: the reading that opens them, and the arrays they have.
LOSSLESS = {
    ("v21_images_relative", TRAINING): (Reading(), ("robot_obs", "rel_actions")),
    ("v21_images_relative", VALIDATION): (Reading(), ("robot_obs", "rel_actions")),
    ("v21_validation", VALIDATION): (Reading(), ("robot_obs", "rel_actions")),
    ("v30_images_relative", TRAINING): (
        Reading(validation_episodes="none"),
        ("robot_obs", "scene_obs", "rel_actions"),
    ),
}


def original(calvin_mini: Path, split: str, episode: Episode) -> Episode:
    dataset = open_split(calvin_mini, split)
    same = [
        d for d in dataset.demonstrations if (d.task, d.instruction) == (episode.task, episode.instruction)
    ]
    assert len(same) == 1
    return dataset.read(same[0])


@pytest.mark.parametrize(("name", "split"), LOSSLESS)
def test_a_set_is_the_npz_rounded_to_float32(
    lerobot_mini: Path, calvin_mini: Path, name: str, split: str
) -> None:
    reading, arrays = LOSSLESS[name, split]
    opened = open_split(lerobot_mini / name, split, reading)
    assert opened.demonstrations
    for demonstration in opened.demonstrations:
        read = opened.read(demonstration)
        made_of = original(calvin_mini, split, read)
        for field in PICTURES:
            np.testing.assert_array_equal(getattr(read, field), getattr(made_of, field))
        for field in VECTORS:
            rounded = getattr(made_of, field).astype(np.float32).astype(np.float64)
            if field in arrays:
                np.testing.assert_array_equal(getattr(read, field), rounded)
            else:
                assert getattr(read, field) is None
        for frame in range(demonstration.start, demonstration.end + 1):
            one = opened.read_frame(frame)
            for field in (*PICTURES, *arrays):
                np.testing.assert_array_equal(one[field], getattr(read, field)[frame - demonstration.start])


def test_every_frame_of_a_film_is_the_right_one(lerobot_mini: Path, calvin_mini: Path) -> None:
    """The nearest original is the frame itself, but where the encoder gave the picture before once more."""
    opened = open_split(lerobot_mini / "v30_video_absolute", TRAINING, Reading(validation_episodes="none"))
    originals = [original(calvin_mini, TRAINING, opened.read(d)) for d in opened.demonstrations]
    all_frames = {field: np.concatenate([getattr(e, field) for e in originals]) for field in PICTURES}
    in_order = {d.index: opened.read(d) for d in opened.demonstrations}
    count = 0
    for field in PICTURES:
        decoded = np.concatenate([getattr(in_order[d.index], field) for d in opened.demonstrations])
        wanted = all_frames[field].astype(np.int16)
        for place, picture in enumerate(decoded):
            apart = np.abs(wanted - picture.astype(np.int16)).mean(axis=(1, 2, 3))
            count += int(np.argmin(apart)) == place
            assert np.argmin(apart) == place or apart[place] == np.partition(apart, 1)[1]
    assert count >= 2 * sum(map(len, originals)) - 3
    shuffled = np.random.RandomState(0).permutation(
        [frame for d in opened.demonstrations for frame in range(d.start, d.end + 1)]
    )
    for frame in shuffled.tolist():
        of = next(d for d in opened.demonstrations if d.start <= frame <= d.end)
        one = opened.read_frame(frame)
        for field in PICTURES:
            np.testing.assert_array_equal(one[field], getattr(in_order[of.index], field)[frame - of.start])


def test_absolute_actions_are_told_apart_from_relative_ones(lerobot_mini: Path, calvin_mini: Path) -> None:
    none = Reading(validation_episodes="none")
    opened = open_split(lerobot_mini / "v30_video_absolute", TRAINING, none)
    for demonstration in opened.demonstrations:
        read = opened.read(demonstration)
        made_of = original(calvin_mini, TRAINING, read)
        for field in ("actions", "rel_actions"):
            rounded = getattr(made_of, field).astype(np.float32).astype(np.float64)
            np.testing.assert_array_equal(getattr(read, field), rounded)
    only_absolute = Reading((("actions", "action"),), "none")
    for demonstration in (opened := open_split(opened.folder, TRAINING, only_absolute)).demonstrations:
        made_of = original(calvin_mini, TRAINING, read := opened.read(demonstration))
        np.testing.assert_allclose(read.rel_actions, made_of.rel_actions, atol=2e-5)


def test_the_validation_is_found_by_its_instructions_and_by_its_states(
    lerobot_mini: Path, calvin_mini: Path
) -> None:
    root = lerobot_mini / "v21_images_relative"
    assert len(open_split(root, TRAINING).demonstrations) == 6
    for validation in (lerobot_mini / "v21_validation", calvin_mini):
        by_states = open_split(root, TRAINING, Reading(validation_root=str(validation)))
        assert [d.index for d in by_states.demonstrations] == list(range(6))


@pytest.mark.parametrize("name", ["v21_images_relative", "v30_images_relative", "v30_video_absolute"])
def test_what_was_settled_is_the_same_without_another_look(lerobot_mini: Path, name: str) -> None:
    reading = Reading(validation_episodes="1,3-4")
    for part in (TRAINING, VALIDATION):
        opened = open_split(lerobot_mini / name, part, reading)
        again = open_split(lerobot_mini / name, part, settled(opened, reading))
        assert again.demonstrations == opened.demonstrations
        for demonstration in opened.demonstrations:
            assert again.fingerprint(demonstration) == opened.fingerprint(demonstration)
