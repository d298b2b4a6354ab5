"""What `data check` finds in a split, fault by fault."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from calvin.check import annotated_frames, examine, stray_frames
from calvin.dataset import open_dataset
from calvin.writer import write_split
from tests.calvin.samples import make_episode

FRAME = "episode_0000102.npz"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_split(
        tmp_path, "training", [make_episode(100, 6), make_episode(106, 6, task="close_drawer")]
    )


def change(field: str, value: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        with np.load(folder / FRAME) as archive:
            arrays = dict(archive)
        arrays[field] = value(arrays[field])
        np.savez_compressed(folder / FRAME, **arrays)

    return damage


def with_gripper(value: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda action: np.append(action[:6], value)


def truncate(folder: Path) -> None:
    content = (folder / FRAME).read_bytes()
    (folder / FRAME).write_bytes(content[: len(content) // 2])


def configured_badly(folder: Path) -> None:
    (folder / ".hydra").mkdir()
    (folder / ".hydra" / "merged_config.yaml").write_text("env: [")


def object_array(value: object) -> np.ndarray:
    boxed = np.empty((), dtype=object)
    boxed[()] = value
    return boxed


def findings(folder: Path):
    split = open_dataset(folder.parent, "training")
    return examine(split, annotated_frames(split))


def test_a_sound_split_has_no_problem(folder: Path) -> None:
    assert findings(folder).problems == ()


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (truncate, "episode_0000102.npz is damaged"),
        (configured_badly, "merged_config.yaml is not YAML"),
        (lambda folder: (folder / FRAME).unlink(), "there is a gap at frame 102"),
        (change("rel_actions", with_gripper(0.5)), "gripper's command in rel_actions is 0.5, not 1 or -1"),
        (change("rel_actions", lambda a: np.append(a[:6] * 0 + 7, 1.0)), "rel_actions reach 7; they are scaled"),
        (change("rgb_static", lambda picture: picture[1:]), "rgb_static has shape (199, 200, 3)"),
        (change("robot_obs", lambda state: state.astype(np.int64)), "robot_obs is int64, not floating point"),
        (change("scene_obs", lambda state: state * np.nan), "scene_obs is not finite"),
        (
            lambda folder: [
                np.save(folder / "ep_start_end_ids.npy", np.array([[100, 107], [106, 111]])),
                np.save(folder / "ep_lens.npy", np.array([8, 6])),
            ],
            "the episode 100-107 overlaps the one that starts at frame 106",
        ),
        (lambda folder: np.save(folder / "ep_lens.npy", np.array([6, 7])), "does not hold the lengths"),
        (
            lambda folder: np.save(
                folder / "scene_info.npy",
                object_array({"calvin_scene_A": [0, 102], "calvin_scene_B": [103, 200]}),
                allow_pickle=True,
            ),
            "the demonstration 100-105 lies in scenes A and B",
        ),
        (
            lambda folder: np.save(
                folder / "scene_info.npy",
                object_array({"calvin_scene_A": [0, 900], "calvin_scene_B": [901, 1_795_044]}),
                allow_pickle=True,
            ),
            "not that of the ABC download since September 2022",
        ),
    ],
)  # fmt: skip
def test_each_fault_is_one_sentence(folder: Path, damage: Callable[[Path], None], sentence: str) -> None:
    damage(folder)
    problems = findings(folder).problems
    assert len([problem for problem in problems if sentence in problem]) == 1, problems
    assert len(problems) == 1


def test_stray_frames_are_noted_not_used(folder: Path) -> None:
    (folder / "episode_0000002.npz").write_bytes((folder / FRAME).read_bytes())
    (folder / "episode_of_nothing.npz").write_bytes(b"")
    assert stray_frames(open_dataset(folder.parent, "training")) == [2]
    assert any(
        "1 frames lie outside every recorded episode (first: 2)" in note for note in findings(folder).notes
    )


def test_actions_that_lead_elsewhere_are_noted(folder: Path) -> None:
    change("robot_obs", lambda state: state + 0.5)(folder)
    assert findings(folder).problems == ()
    assert any("rel_actions of " in note for note in findings(folder).notes)


def test_an_unknown_scene_is_noted(folder: Path) -> None:
    (folder / "scene_info.npy").unlink()
    assert any("the scene of 2 demonstrations is unknown" in note for note in findings(folder).notes)
