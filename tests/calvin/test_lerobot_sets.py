"""LeRobot sets of all layouts, read as CALVIN's frames; and what is wrong with one in a sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from calvin.episode import Episode
from calvin.episode_file import load_episode, save_episode
from calvin.lerobot_format import films
from calvin.split import TRAINING, VALIDATION, Reading, open_split, survey_split
from errors import DatasetError
from tests.calvin import lerobot_sets as sets

NONE = Reading(validation_episodes="none")

WRITERS: dict[str, Callable[[Path, list[Episode]], Path]] = {
    "v2.0 bytes": lambda root, shown: sets.write_v2(root, shown, version="v2.0"),
    "v2.1 bytes": sets.write_v2,
    "v2.1 files": lambda root, shown: sets.write_v2(root, shown, pictures="files"),
    "v3.0 bytes": sets.write_v3,
    "v3.0 in two files": lambda root, shown: sets.write_v3(root, shown, files=2),
    "v3.0 in one group of rows": lambda root, shown: sets.write_v3(root, shown, one_group=True),
}


def with_numbers(shown: list[Episode]) -> list[Episode]:
    """The same with pictures that a codec leaves apart."""
    found, first = [], 0
    for episode in shown:
        pictures = {
            field: sets.numbered(first, len(episode), size)
            for field, size in (("rgb_static", 200), ("rgb_gripper", 84))
        }
        found.append(Episode(**{**vars(episode), **pictures}))
        first += len(episode)
    return found


@pytest.mark.parametrize("layout", WRITERS)
def test_every_layout_gives_the_same_frames(tmp_path: Path, layout: str) -> None:
    shown = sets.episodes(4)
    opened = open_split(WRITERS[layout](tmp_path / "set", shown), TRAINING, NONE)
    assert [(d.task, d.instruction) for d in opened.demonstrations] == [
        (e.task, e.instruction) for e in shown
    ]
    for demonstration, made in zip(opened.demonstrations, shown):
        read = opened.read(demonstration)
        assert len(read) == len(made)
        for field in ("rgb_static", "rgb_gripper", "robot_obs", "rel_actions"):
            np.testing.assert_array_equal(getattr(read, field), getattr(made, field))
            frame = opened.read_frame(demonstration.start + 2)
            np.testing.assert_array_equal(frame[field], getattr(made, field)[2])
        assert read.scene_obs is None and read.actions is None


def test_what_is_absent_is_absent_in_the_file_of_an_episode(tmp_path: Path) -> None:
    opened = open_split(sets.write_v2(tmp_path / "set", sets.episodes(1)), TRAINING, NONE)
    save_episode(opened.read(opened.demonstrations[0]), tmp_path / "one.safetensors")
    kept = load_episode(tmp_path / "one.safetensors")
    assert kept.scene_obs is None and kept.actions is None
    np.testing.assert_array_equal(kept.rel_actions, opened.read(opened.demonstrations[0]).rel_actions)


@pytest.mark.parametrize("layout", ["v2.1", "v3.0 libx264", "v3.0 libsvtav1"])
def test_frames_of_films_are_found_by_their_number(tmp_path: Path, layout: str) -> None:
    shown = with_numbers([*sets.episodes(3), sets.recorded(9, 23), sets.recorded(10, 5)])
    version, _, codec = layout.partition(" ")
    if version == "v2.1":
        root = sets.write_v2(tmp_path / "set", shown, pictures="films")
    else:
        root = sets.write_v3(tmp_path / "set", shown, pictures="films", files=2, codec=codec)
    opened = open_split(root, TRAINING, NONE)
    frames = [frame for d in opened.demonstrations for frame in range(d.start, d.end + 1)]
    assert frames == list(range(sum(map(len, shown))))
    in_order = [opened.read(d) for d in opened.demonstrations]
    for field in sets.CAMERAS:
        originals = np.concatenate([getattr(e, field) for e in shown]).astype(int)
        decoded = np.concatenate([getattr(episode, field) for episode in in_order])
        for frame in frames:
            apart = np.abs(originals - decoded[frame].astype(int)).mean(axis=(1, 2, 3))
            assert int(np.argmin(apart)) == frame
        for frame in np.random.RandomState(1).permutation(frames)[:12].tolist():
            np.testing.assert_array_equal(opened.read_frame(frame)[field], decoded[frame])
    losses = opened.recording().losses
    assert losses is not None and losses.split()[0] in ("h264", "av1")
    assert any("lost detail" in note for note in opened.examine(frames).notes)


def test_a_wrong_rate_is_said_and_not_believed(tmp_path: Path) -> None:
    shown = with_numbers(sets.episodes(3))
    root = sets.write_v3(tmp_path / "set", shown, pictures="films", info={"fps": 7})
    opened = open_split(root, TRAINING, NONE)
    last = opened.read(opened.demonstrations[2])
    assert np.abs(last.rgb_static.astype(int) - shown[2].rgb_static).mean() < 8
    assert any(note.startswith("fps is 7") for note in opened.examine([]).notes)


@pytest.mark.parametrize("write", [sets.write_v2, sets.write_v3])
@pytest.mark.parametrize("pictures", ["bytes", "films"])
def test_a_fingerprint_follows_the_content(tmp_path: Path, write: Any, pictures: str) -> None:
    shown = with_numbers(sets.episodes(2))
    here = open_split(write(tmp_path / "here", shown, pictures=pictures), TRAINING, NONE)
    there = open_split(write(tmp_path / "there", shown, pictures=pictures), TRAINING, NONE)
    prints = [here.fingerprint(d) for d in here.demonstrations]
    assert prints == [there.fingerprint(d) for d in there.demonstrations] and len(set(prints)) == 2
    still = shown[0].rel_actions.copy()
    still[0, 0] += 1e-3 if still[0, 0] < 0.5 else -1e-3
    changes: dict[str, dict[str, Any]] = {
        "pictures": {"rgb_static": sets.numbered(77, len(shown[0]), 200)},
        "numbers": {"rel_actions": still},
        "words": dict(zip(("task", "instruction"), sets.TRAINED[1])),
    }
    for what, changed in changes.items():
        other = [Episode(**{**vars(shown[0]), **changed}), shown[1]]
        opened = open_split(write(tmp_path / what, other, pictures=pictures), TRAINING, NONE)
        assert opened.fingerprint(opened.demonstrations[0]) != prints[0], what


def test_image_files_count_in_the_fingerprint(tmp_path: Path) -> None:
    root = sets.write_v2(tmp_path / "set", sets.episodes(1), pictures="files")
    opened = open_split(root, TRAINING, NONE)
    before = opened.fingerprint(opened.demonstrations[0])
    picture = next((root / "images" / sets.TOP).rglob("*.png"))
    picture.write_bytes(sets.png(np.zeros((200, 200, 3), dtype=np.uint8)))
    assert opened.fingerprint(opened.demonstrations[0]) != before


def test_columns_are_found_by_name_shape_and_modality(tmp_path: Path) -> None:
    shown = sets.episodes(2)
    other = "observation.other"
    columns = {sets.SCENE: [e.scene_obs for e in shown], other: [e.robot_obs for e in shown]}
    root = sets.write_v2(tmp_path / "set", shown, columns=columns)
    opened = open_split(root, TRAINING, NONE)
    notes = opened.examine([]).notes
    assert "robot_obs is observation.state: it is float32 of 15, and its name says so" in notes
    assert "scene_obs is observation.environment_state: it alone is float32 of 24" in notes
    assert "actions is absent: no column is an absolute pose" in notes
    assert any(note.startswith("rel_actions is action: relative, as in") for note in notes)
    np.testing.assert_array_equal(opened.read(opened.demonstrations[0]).scene_obs, shown[0].scene_obs)
    said = open_split(root, TRAINING, Reading((("robot_obs", other),), "none"))
    assert "robot_obs is observation.other: data.columns says so" in said.examine([]).notes
    with pytest.raises(
        DatasetError, match=r"data\.columns\.robot_obs: action is float32 of 7; robot_obs is 15"
    ):
        open_split(root, TRAINING, Reading((("robot_obs", "action"),), "none"))
    sets.rename(root, {sets.STATE: "proprio_a", other: "proprio_b"})
    with pytest.raises(DatasetError, match=r"proprio_a and proprio_b could each be robot_obs; say which"):
        open_split(root, TRAINING, NONE)
    modality = {"state": {"all": {"start": 0, "end": 15, "original_key": "proprio_b"}}}
    (root / "meta" / "modality.json").write_text(json.dumps(modality))
    notes = open_split(root, TRAINING, NONE).examine([]).notes
    assert "robot_obs is proprio_b: it is float32 of 15, and modality.json names it" in notes


def test_unknown_tasks_are_left_out_and_counted(tmp_path: Path) -> None:
    shown = sets.episodes(3)
    shown[1] = Episode(**{**vars(shown[1]), "instruction": "water the plants"})
    opened = open_split(sets.write_v2(tmp_path / "set", shown, named=False), TRAINING, NONE)
    assert len(opened.demonstrations) == 2
    notes = "\n".join(opened.examine([]).notes)
    assert "left out: 1 episodes show no task of CALVIN's" in notes and "water the plants" in notes
    assert opened.read(opened.demonstrations[1]).instruction == shown[2].instruction


@pytest.mark.parametrize("named", [True, False])
def test_spaces_around_an_instruction_are_kept_and_counted(tmp_path: Path, named: bool) -> None:
    shown = sets.episodes(4)
    spaced = [replace(shown[0], instruction=" pull the drawer  "), *shown[1:]]
    root = sets.write_v2(tmp_path / "set", spaced, named=named)
    split = open_split(root, TRAINING, Reading(validation_episodes="none"))
    assert split.demonstrations[0].instruction == " pull the drawer  "
    assert split.demonstrations[0].task == "open_drawer"
    (note,) = [note for note in split.examine([]).notes if "spaces" in note]
    assert note.startswith("1 instructions have spaces around them, which are kept")


def test_other_texts_beside_the_task_are_no_matter(tmp_path: Path) -> None:
    root = sets.write_v2(tmp_path / "set", sets.episodes(1))
    path = root / "meta" / "episodes.jsonl"
    (listed,) = map(json.loads, path.read_text().splitlines())
    sets.lines(path, [{**listed, "tasks": [*listed["tasks"], "valid"]}])
    assert len(open_split(root, TRAINING, NONE).demonstrations) == 1
    sets.lines(path, [{**listed, "tasks": [*listed["tasks"], "open the drawer", "close the drawer"]}])
    with pytest.raises(DatasetError, match="1 episodes show no task of CALVIN's"):
        open_split(root, TRAINING, NONE)


@pytest.mark.parametrize(
    "columns",
    [{"rgb_static": "nope"}, {"else": "action"}, {"robot_obs": "action"}, {"robot_obs": sets.STATE}],
)
def test_settled_columns_of_a_stranger_are_looked_at(tmp_path: Path, columns: dict[str, str]) -> None:
    root = sets.write_v2(tmp_path / "set", sets.episodes(1))
    with pytest.raises(DatasetError, match="columns"):
        open_split(root, TRAINING, Reading(tuple(columns.items()), "none", is_settled=True))


def test_jpeg_is_told_to_be_lossy(tmp_path: Path) -> None:
    opened = open_split(sets.write_v2(tmp_path / "set", sets.episodes(1), pictures="jpeg"), TRAINING, NONE)
    assert opened.recording().losses == "JPEG"


def first_table(root: Path) -> Path:
    return sorted((root / "data").rglob("*.parquet"))[0]


def not_finished(root: Path) -> None:
    path = first_table(root)
    path.write_bytes(path.read_bytes()[:-30])


def shorter_listing(root: Path) -> None:
    path = root / "meta" / "episodes.jsonl"
    listed = [json.loads(line) for line in path.read_text().splitlines()]
    listed[0]["length"] += 1
    listed[1]["length"] -= 1
    sets.lines(path, listed)


def nan_state(root: Path) -> None:
    states = np.array(pq.read_table(first_table(root))[sets.STATE].to_pylist(), dtype=np.float32)
    states[2, 3] = np.nan
    sets.change_table(first_table(root), **{sets.STATE: states})


def other_robot(root: Path) -> None:
    info = json.loads((root / "meta" / "info.json").read_text())
    info["features"][sets.STATE]["shape"] = [14]
    info["robot_type"] = "aloha"
    (root / "meta" / "info.json").write_text(json.dumps(info))


#: What is done to a set, and the sentence on it.
FAULTS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no info.json": (lambda root: (root / "meta" / "info.json").unlink(), r"info\.json is missing"),
    "unknown version": (
        lambda root: sets.change_info(root, codebase_version="v9.1"),
        r"info\.json: codebase_version is 'v9\.1'; v2\.0, v2\.1, v3\.0 are read",
    ),
    "not finished": (not_finished, r"episode_000000\.parquet has no footer"),
    "a file is absent": (lambda root: first_table(root).unlink(), r"episode_000000\.parquet is missing"),
    "lengths disagree": (shorter_listing, r"episode_000000\.parquet has 5 rows, and episodes\.jsonl says 6"),
    "count disagrees": (
        lambda root: sets.change_info(root, total_episodes=4),
        r"info\.json: total_episodes is 4, and episodes\.jsonl has 3 episodes",
    ),
    "frames disagree": (
        lambda root: sets.change_info(root, total_frames=9),
        r"info\.json: total_frames is 9, and the episodes of episodes\.jsonl have 18 frames",
    ),
    "a column is absent": (
        lambda root: sets.change_table(first_table(root), **{sets.STATE: None}),
        r"episode_000000\.parquet has no column observation\.state",
    ),
    "a column is misshapen": (
        lambda root: sets.change_table(first_table(root), **{sets.STATE: np.zeros((5, 8), dtype=np.float32)}),
        r"parquet: observation\.state has 8 numbers in a row, not 15",
    ),
    "not a number": (nan_state, r"observation\.state of frame 2 of episode 0 is not finite"),
    "a task that is none": (
        lambda root: sets.change_table(first_table(root), task_index=np.full(5, 77)),
        r"task_index 77 of episode 0 is out of range: tasks\.jsonl has 3 tasks",
    ),
    "another robot": (
        other_robot,
        r"15 numbers for robot_obs; observation\.state is float32 of 14 \(robot_type aloha",
    ),
    "no list of episodes": (
        lambda root: (root / "meta" / "episodes.jsonl").unlink(),
        r"episodes\.jsonl is missing",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_sentence(tmp_path: Path, fault: str) -> None:
    root = sets.write_v2(tmp_path / "set", sets.episodes(3))
    change, told = FAULTS[fault]
    change(root)
    for look in (open_split, survey_split):
        with pytest.raises(DatasetError, match=told) as refused:
            look(root, TRAINING, NONE)
        assert "\n" not in str(refused.value)


def test_a_film_that_is_shorter_than_its_episode_is_refused(tmp_path: Path) -> None:
    shown = sets.episodes(2)
    root = sets.write_v2(tmp_path / "set", shown, pictures="films")
    path = root / "videos" / "chunk-000" / sets.TOP / "episode_000001.mp4"
    sets.write_film(path, shown[1].rgb_static[:-1])
    with pytest.raises(
        DatasetError, match=r"episode_000001\.mp4 has 5 frames, and its episodes have 6: it is shorter"
    ):
        open_split(root, TRAINING, NONE)
    path.unlink()
    with pytest.raises(DatasetError, match=r"episode_000001\.mp4 is missing"):
        open_split(root, TRAINING, NONE)
    sets.write_film(path, np.concatenate([shown[1].rgb_static, shown[1].rgb_static[:1]]))
    notes = open_split(root, TRAINING, NONE).examine([]).notes
    assert any(note.startswith("1 films have more frames than their episode") for note in notes)


def test_times_that_contradict_the_lengths_are_refused(tmp_path: Path) -> None:
    root = sets.write_v3(tmp_path / "set", sets.episodes(3), pictures="films")
    path = root / "meta" / "episodes" / "chunk-000" / "file-000.parquet"
    rows = pq.read_table(path).to_pylist()
    rows[1][f"videos/{sets.TOP}/from_timestamp"] += 0.1
    sets.write_rows(path, rows)
    with pytest.raises(DatasetError, match=r"episode 1 is 0\.2\S*, frame 8, and the episodes before have 5"):
        open_split(root, TRAINING, NONE)
    path = root / "videos" / sets.TOP / "chunk-000" / "file-000.mp4"
    with pytest.raises(
        DatasetError, match=r"from_timestamp 0\.3 is its frame 9, and the episodes before have 5"
    ):
        films.places_in_film(path, films.film_index(path, (200, 200, 3)), [0.0, 0.3], [5, 13])


def test_episodes_of_a_film_that_has_more_frames_are_found_by_their_times(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    sets.write_film(path, sets.numbered(0, 20, 84))
    index = films.film_index(path, (84, 84, 3))
    assert len(index) == 20
    assert films.places_in_film(path, index, [10 / 30 + 1e-4, 2 / 30], [6, 8]) == [10, 2]
    with pytest.raises(DatasetError, match="within the episode before"):
        films.places_in_film(path, index, [9 / 30, 2 / 30], [6, 8])


def test_columns_of_calvins_folders_cannot_be_said(tmp_path: Path) -> None:
    (tmp_path / VALIDATION).mkdir()
    with pytest.raises(DatasetError, match=r"data\.validation_episodes: .* this is for LeRobot sets"):
        open_split(tmp_path, VALIDATION, NONE)
