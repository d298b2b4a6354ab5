"""What `data check` finds in a split, fault by fault."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from calvin.check import examine, stray_frames
from calvin.dataset import open_dataset, survey
from calvin.split import Findings, annotated_frames
from tests.calvin.samples import make_episode
from tests.calvin.writing import write_split

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


def store(value: object) -> Callable[[Path], None]:
    return lambda path: np.save(path, object_array(value), allow_pickle=True)


def change_annotations(folder: Path, **changes: object) -> None:
    path = folder / "lang_annotations" / "auto_lang_ann.npy"
    content = np.load(path, allow_pickle=True).item()
    for field, value in changes.items():
        content["info" if field == "indx" else "language"][field] = value
    store(content)(path)


def findings(folder: Path, split: str = "training"):
    opened, faults = survey(folder.parent, split)
    found = examine(opened, annotated_frames(opened))
    return Findings((*map(str, faults), *found.problems), found.notes)


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
    ],
)  # fmt: skip
def test_each_fault_is_one_sentence(folder: Path, damage: Callable[[Path], None], sentence: str) -> None:
    damage(folder)
    problems = findings(folder).problems
    assert len([problem for problem in problems if sentence in problem]) == 1, problems
    assert len(problems) == 1


def test_recorded_frames_without_an_annotation_are_counted(folder: Path) -> None:
    """As after an annotator that ended early: what is annotated is used."""
    assert not any("no annotation" in note for note in findings(folder).notes)

    file = folder / "lang_annotations" / "auto_lang_ann.npy"
    content = np.load(file, allow_pickle=True).item()
    content["info"]["indx"] = content["info"]["indx"][:-1]
    content["language"] = {name: values[:-1] for name, values in content["language"].items()}
    np.save(file, np.array(content, dtype=object), allow_pickle=True)
    found = findings(folder)
    assert found.problems == ()
    assert "6 of 12 frames of recorded episodes have no annotation; they are not used" in found.notes


def test_stray_frames_are_noted_not_used(folder: Path) -> None:
    (folder / "episode_0000002.npz").write_bytes((folder / FRAME).read_bytes())
    (folder / "episode_of_nothing.npz").write_bytes(b"")
    split = open_dataset(folder.parent, "training")
    assert stray_frames(split, split.frames.on_disk()) == [2]
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


def test_every_fault_is_listed_and_the_rest_is_read(folder: Path) -> None:
    write = [make_episode(start, 6) for start in (200, 206, 212, 218)]
    folder = write_split(folder.parent / "more", "training", write)
    change_annotations(
        folder, indx=[(200, 205), (206, 299), (90, 217), (218, 223)], task=["open_drawer", "open_drawer"] * 2
    )
    (folder / "episode_0000219.npz").unlink()
    opened, _ = survey(folder.parent, "training")
    assert [demonstration.index for demonstration in opened.demonstrations] == [0, 3]
    first, second, third = findings(folder).problems
    assert "info.indx[1] runs from frame 206 to 299, which no episode" in first
    assert "info.indx[2] runs from frame 90 to 217, which no episode" in second
    assert "there is a gap at frame 219" in third


def test_annotations_of_every_wrong_kind_are_listed(folder: Path) -> None:
    change_annotations(folder, task=["fly", "open_drawer"], ann=["draw", " "])
    first, second = findings(folder).problems
    assert "language.task[0] is 'fly'" in first
    assert "language.ann[1] is ' '" in second


def test_the_very_first_frame_missing_is_a_gap(folder: Path) -> None:
    (folder / "episode_0000100.npz").unlink()
    (problem,) = findings(folder).problems
    assert "there is a gap at frame 100" in problem


def test_frames_missing_in_a_row_are_one_problem(folder: Path) -> None:
    for frame in (102, 103, 104, 108):
        (folder / f"episode_0000{frame}.npz").unlink()
    run, single = findings(folder).problems
    assert "3 frames in a row are missing, from episode_0000102.npz to episode_0000104.npz" in run
    assert "there is a gap at frame 108" in single


def test_damaged_small_files_are_listed_together(folder: Path) -> None:
    (folder / "lang_annotations" / "auto_lang_ann.npy").write_bytes(b"")
    (folder / "ep_start_end_ids.npy").write_bytes(b"")
    (folder / "scene_info.npy").write_bytes(b"")
    (folder / "ep_lens.npy").write_bytes(b"")
    configured_badly(folder)
    problems = findings(folder).problems
    for name in ("auto_lang_ann", "ep_start_end_ids", "scene_info", "ep_lens", "merged_config"):
        assert len([problem for problem in problems if f"{name}." in problem]) == 1, (name, problems)
    assert len(problems) == 5


def test_frames_are_read_though_the_episodes_are_not_known(folder: Path) -> None:
    (folder / "ep_start_end_ids.npy").unlink()
    truncate(folder)
    first, second = findings(folder).problems
    assert "ep_start_end_ids.npy cannot be read" in first
    assert "episode_0000102.npz is damaged" in second


def test_damaged_instructions_are_a_problem(tmp_path: Path) -> None:
    folder = write_split(tmp_path, "validation", [make_episode(100, 6, split="validation")])
    (folder / "lang_annotations" / "embeddings.npy").write_bytes(b"")
    (problem,) = findings(folder, "validation").problems
    assert "embeddings.npy" in problem


@pytest.mark.parametrize(
    ("content", "sentence"),
    [("{", "boxes.json is not a file of boxes"), ("{}", "has no boxes for 12 annotated frames (first: 100)")],
)
def test_wrong_boxes_are_one_problem(folder: Path, content: str, sentence: str) -> None:
    (folder / "boxes.json").write_text(content)
    (problem,) = findings(folder).problems
    assert sentence in problem


def test_gaps_between_demonstrations_are_noted(folder: Path) -> None:
    change_annotations(folder, indx=[(100, 103), (106, 108)])
    assert not [note for note in findings(folder).notes if "missing" in note]
    (folder / "episode_0000105.npz").unlink()
    (folder / "episode_0000110.npz").unlink()
    found = findings(folder)
    assert found.problems == ()
    assert (
        "2 frames of recorded episodes are missing (first: 105); no demonstration needs them" in found.notes
    )


def test_episodes_of_absurd_length_are_only_counted(folder: Path) -> None:
    np.save(folder / "ep_start_end_ids.npy", np.array([[100, 10**15]]))
    np.save(folder / "ep_lens.npy", np.array([10**15 - 99]))
    found = findings(folder)
    assert found.problems == ()
    assert any(
        f"{10**15 - 111} frames of recorded episodes are missing (first: 112)" in n for n in found.notes
    )


def test_one_episode_may_have_its_length_alone(tmp_path: Path) -> None:
    """As `ep_lens.npy` of the debug dataset does."""
    folder = write_split(tmp_path, "training", [make_episode(100, 6)])
    for save in (np.save, lambda path, value: store(value)(path)):
        save(folder / "ep_lens.npy", 6)
        assert findings(folder).problems == ()
    np.save(folder / "ep_lens.npy", 7)
    assert "does not hold the lengths" in findings(folder).problems[0]


def test_repeated_annotations_are_noted(folder: Path) -> None:
    change_annotations(folder, indx=[(100, 105), (100, 105)], task=["open_drawer"] * 2)
    assert "1 annotations repeat task and frames of an earlier one" in findings(folder).notes
