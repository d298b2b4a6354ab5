"""Which scene a demonstration shows: as its dataset says, else by a vote of its pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmark.observations import SLIDE
from calvin.scenes import SAMPLED, SceneTold, sampled, scene_of_episode, scene_seen
from calvin.split import TRAINING, VALIDATION, Reading, open_split, settled
from errors import DatasetError
from tests.calvin import lerobot_sets as sets
from tests.calvin.samples import make_episode
from tests.calvin.scene_frames import film, like

NOTHING = np.zeros((200, 200, 3), dtype=np.uint8)


def frames(*pictures: np.ndarray, slide: float | None = None) -> list[dict[str, np.ndarray]]:
    state = np.zeros(24)
    if slide is not None:
        state[SLIDE] = slide
    return [{"rgb_static": one} | ({} if slide is None else {"scene_obs": state}) for one in pictures]


def test_half_of_the_pictures_are_enough_and_fewer_are_not() -> None:
    assert scene_seen(frames(like("C"), NOTHING)) == SceneTold("C", "its pictures")
    told = scene_seen(frames(like("C"), NOTHING, NOTHING))
    assert told == SceneTold("unknown", "only 1 of 3 pictures show C")


def test_pictures_of_two_scenes_are_none() -> None:
    told = scene_seen(frames(like("C"), like("C", "egl"), like("B")))
    assert told == SceneTold("unknown", "its pictures show several scenes (1 B and 2 C)")


def test_no_picture_like_a_scene_is_none() -> None:
    assert scene_seen(frames(NOTHING)) == SceneTold(
        "unknown", "its pictures are like none of CALVIN's scenes"
    )


@pytest.mark.parametrize(("scene", "most"), [("A", 0.28), ("B", 0.304), ("C", 0.24), ("D", 0.28)])
def test_a_door_that_slides_too_far_contradicts_the_pictures(scene: str, most: float) -> None:
    assert scene_seen(frames(like(scene), slide=most + 0.003)).scene == scene
    told = scene_seen(frames(like(scene), slide=most + 0.02))
    assert told.scene == "unknown" and f"whose door slides {most:g} m, and scene_obs has" in told.by


def test_only_the_door_of_b_slides_so_far() -> None:
    assert scene_seen(frames(NOTHING, slide=0.30)) == SceneTold("B", "scene_obs")
    assert scene_seen(frames(NOTHING, slide=0.26)).scene == "unknown"


def test_what_the_dataset_says_is_not_looked_at() -> None:
    episode = make_episode(0, 9, scene="A", rgb_static=film("B", 9))
    assert scene_of_episode(episode) == SceneTold("A", "the dataset")
    unknown = replace(episode, scene="unknown", scene_obs=None)
    assert scene_of_episode(unknown) == SceneTold("B", "its pictures")


def test_frames_are_taken_from_all_of_a_demonstration() -> None:
    assert sampled(1) == [0] and sampled(3) == [0, 1, 2]
    assert len(sampled(60)) == SAMPLED and sampled(60)[0] == 0 and sampled(60)[-1] == 59


def opened(root: Path, scenes: str | None, split: str = TRAINING, held_out: str = "none") -> list[str]:
    reading = Reading(validation_episodes=held_out, scenes=scenes)
    first = open_split(root, split, reading)
    again = open_split(root, split, settled(first, reading))
    assert [d.scene for d in again.demonstrations] == [d.scene for d in first.demonstrations]
    return [d.scene for d in first.demonstrations]


def test_a_user_says_the_scenes_of_episodes(tmp_path: Path) -> None:
    root = sets.write_v2(tmp_path / "set", sets.episodes(4))
    assert opened(root, None) == ["unknown"] * 4
    assert opened(root, "D") == ["D"] * 4
    assert opened(root, " A=0-1; C = 3") == ["A", "A", "unknown", "C"]
    assert opened(root, "A=0-1;C=2:4", held_out="1-2") == ["A", "C"]
    assert opened(root, "A=0-1;C=2:4", VALIDATION, held_out="1-2") == ["A", "C"]


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("E", r"data\.scenes: 'E' is no scene"),
        ("A=", r"data\.scenes: 'A=' is no scene"),
        ("A=0-9", r"data\.scenes: '0-9' are no episodes of the set, which has 0 to 3"),
        ("A=x", r"data\.scenes: 'x' is no number of an episode"),
        ("A=0-2;B=2", r"data\.scenes: episode 2 is said to show A and B"),
        ("", r"data\.scenes: '' is no scene"),
    ],
)
def test_scenes_that_cannot_be_are_refused(tmp_path: Path, said: str, sentence: str) -> None:
    root = sets.write_v2(tmp_path / "set", sets.episodes(4))
    with pytest.raises(DatasetError, match=sentence):
        open_split(root, TRAINING, Reading(validation_episodes="none", scenes=said))


def test_scenes_of_calvins_own_files_are_in_scene_info(tmp_path: Path) -> None:
    (tmp_path / "training").mkdir()
    with pytest.raises(DatasetError, match=r"data\.scenes: .* says that itself"):
        open_split(tmp_path, TRAINING, Reading(scenes="D"))


def test_what_is_said_changes_what_is_planned_and_what_is_seen_does_not(tmp_path: Path) -> None:
    root = sets.write_v2(tmp_path / "set", [sets.recorded(1, 6, rgb_static=film("D", 6))])

    def prints(scenes: str | None) -> list[str]:
        split = open_split(root, TRAINING, Reading(validation_episodes="none", scenes=scenes))
        return [split.fingerprint(d) for d in split.demonstrations]

    assert prints(None) == prints(None) != prints("D")
