from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

from calvin.dataset import open_dataset
from calvin.episode import Episode
from errors import DatasetError, InvalidInput
from tests.calvin.samples import assert_same_episode, make_episode
from tests.calvin.writing import write_split


def test_reads_back_the_same_episodes(tmp_path: Path) -> None:
    episodes = [
        make_episode(5, 3, 1, scene="A", task="lift_red_block_table", instruction="grab it"),
        make_episode(50, 4, 2, scene="B"),
        make_episode(8, 2, 3, scene="A"),
    ]
    write_split(tmp_path, "training", iter(episodes))
    split = open_dataset(tmp_path, "training")
    for demonstration, episode in zip(split.demonstrations, episodes, strict=True):
        assert_same_episode(split.read(demonstration), episode)


def test_without_boxes(tmp_path: Path) -> None:
    folder = write_split(tmp_path, "training", [make_episode(boxes=None)])
    assert not (folder / "boxes.json").exists()


def test_small_files_are_in_calvins_form(tmp_path: Path) -> None:
    first, second = make_episode(20, 3, 1), make_episode(10, 4, 2)
    folder = write_split(tmp_path, "training", [first, second])
    assert np.load(folder / "ep_start_end_ids.npy").tolist() == [[10, 13], [20, 22]]
    assert np.load(folder / "ep_lens.npy").tolist() == [4, 3]
    assert np.load(folder / "scene_info.npy", allow_pickle=True).item() == {"calvin_scene_D": [10, 22]}
    annotations = np.load(folder / "lang_annotations" / "auto_lang_ann.npy", allow_pickle=True).item()
    assert annotations["info"]["indx"] == [(20, 22), (10, 13)]
    assert annotations["language"]["emb"].shape == (2, 1, 384)


def test_statistics(tmp_path: Path) -> None:
    episodes = [make_episode(20, 3, 1), make_episode(10, 4, 2)]
    folder = write_split(tmp_path, "training", episodes)
    statistics = yaml.safe_load((folder / "statistics.yaml").read_text())
    states = np.concatenate([e.robot_obs for e in episodes])
    np.testing.assert_allclose(statistics["robot_obs"][0]["mean"], states.mean(0))
    np.testing.assert_allclose(statistics["robot_obs"][0]["std"], states.std(0))
    actions = np.concatenate([e.actions for e in episodes])
    np.testing.assert_allclose(statistics["act_max_bound"], actions.max(0))


def test_validation_instructions(tmp_path: Path) -> None:
    phrases = {"open_drawer": "open it", "stack_block": "stack it"}
    write_split(tmp_path, "validation", [make_episode()], validation_instructions=phrases)
    assert open_dataset(tmp_path, "validation").validation_instructions == phrases


def test_half_written_split_does_not_open(tmp_path: Path) -> None:
    def episodes() -> Iterator[Episode]:
        yield make_episode()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_split(tmp_path, "training", episodes())
    with pytest.raises(DatasetError):
        open_dataset(tmp_path, "training")


def test_same_episodes_give_same_bytes(tmp_path: Path) -> None:
    folders = [write_split(tmp_path / name, "training", [make_episode()]) for name in "ab"]
    names = sorted(p.relative_to(folders[0]) for p in folders[0].rglob("*") if p.is_file())
    assert len(names) == 12
    for name in names:
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes(), name


@pytest.mark.parametrize(
    ("episodes", "message"),
    [
        ([], "there is no episode to write"),
        ([make_episode(10, 3), make_episode(12, 3)], "shares frames with the episode 10-12"),
        ([make_episode(10, 3), make_episode(20, 3, boxes=None)], "either all episodes of a split have boxes"),
        ([make_episode(10, 3, boxes=None), make_episode(20, 3)], "either all episodes of a split have boxes"),
        (
            [make_episode(s, 2, scene=c) for s, c in ((10, "A"), (20, "B"), (30, "A"))],
            "Frame 30 is in scene A again",
        ),
    ],
)
def test_refuses(tmp_path: Path, episodes: list, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        write_split(tmp_path, "training", episodes)


def test_refuses_a_folder_with_content(tmp_path: Path) -> None:
    write_split(tmp_path, "training", [make_episode()])
    with pytest.raises(InvalidInput, match="training already has content"):
        write_split(tmp_path, "training", [make_episode()])
