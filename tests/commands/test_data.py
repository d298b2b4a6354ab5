"""`data check` and `data generate` on real files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import cli
from calvin.dataset import open_dataset
from calvin.instructions import evaluation_instruction
from calvin.writer import write_split
from tests.calvin.samples import make_episode


@pytest.fixture
def data(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    write_split(root, "training", [make_episode(100, 6), make_episode(200, 6, task="close_drawer")])
    write_split(root, "validation", [make_episode(300, 6, split="validation")])
    return root


def test_a_sound_dataset(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "check", str(data)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if not line.startswith("  note: ")] == [
        "training: 2 demonstrations of 2 tasks, 12 annotated frames, 0 problems",
        "validation: 1 demonstrations of 1 tasks, 6 annotated frames, 0 problems",
    ]
    assert sum("no .hydra/merged_config.yaml" in line for line in lines) == 2


def test_extracts_the_folders_of_the_original_scripts(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert cli.main(["data", "extract", str(data), str(out)]) == 0
    assert "validation_r5.json: " in capsys.readouterr().out
    assert (out / "tasks" / "training" / "1_close_drawer" / "img" / "frame_0000200.png").is_file()
    assert cli.main(["data", "extract", str(data), str(out)]) == 2
    assert "already holds an extracted training split" in capsys.readouterr().err


def test_every_bad_frame_is_listed_once(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data / "training" / "episode_0000102.npz").write_bytes(b"no archive")
    (data / "training" / "episode_0000204.npz").unlink()
    assert cli.main(["data", "check", str(data), "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    damaged, missing = document["splits"]["training"]["problems"]
    assert "episode_0000102.npz is damaged" in damaged
    assert "episode_0000204.npz is missing" in missing
    assert document["splits"]["validation"]["problems"] == []
    assert document["sound"] is False


def test_only_the_named_split_is_read(data: Path) -> None:
    (data / "training" / "episode_0000102.npz").unlink()
    assert cli.main(["data", "check", str(data), "--split", "validation"]) == 0
    assert cli.main(["data", "check", str(data), "--split", "training"]) == 1


def test_damaged_annotations_are_a_problem_of_their_split(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "validation" / "lang_annotations" / "auto_lang_ann.npy").write_bytes(b"")
    assert cli.main(["data", "check", str(data)]) == 1
    assert "auto_lang_ann.npy" in capsys.readouterr().out


def test_a_folder_without_splits_is_no_dataset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "check", str(tmp_path)]) == 2
    assert "is no CALVIN dataset" in capsys.readouterr().err


def test_generated_demonstrations_pass_the_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "made"
    arguments = ["data", "generate", str(root), "--tasks", "turn_on_led,open_drawer", "--scene", "B"]
    arguments += ["--demonstrations-per-task", "1", "--validation", "1", "--seed", "3"]
    assert cli.main(arguments) == 0
    assert cli.main(["data", "check", str(root)]) == 0
    training, validation = open_dataset(root, "training"), open_dataset(root, "validation")
    assert [d.task for d in training.demonstrations] == ["turn_on_led", "open_drawer"]
    assert {d.scene for d in training.demonstrations} == {"B"}
    first, second = training.demonstrations
    assert second.start == first.end + 1
    assert [d.instruction for d in validation.demonstrations] == [
        evaluation_instruction("turn_on_led"),
        evaluation_instruction("open_drawer"),
    ]
    capsys.readouterr()
    assert cli.main(arguments) == 2
    assert "already has content" in capsys.readouterr().err


def test_generate_names_an_unknown_task(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "generate", str(tmp_path / "made"), "--tasks", "dance"]) == 2
    assert "unknown task 'dance'" in capsys.readouterr().err
    assert not (tmp_path / "made").exists()
