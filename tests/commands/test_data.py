"""`data check` and `data generate` on real files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import cli
from calvin.dataset import open_dataset
from calvin.instructions import evaluation_instruction
from tests.calvin import lerobot_sets as sets
from tests.calvin.samples import make_episode
from tests.calvin.writing import write_split


@pytest.fixture
def data(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    write_split(root, "training", [make_episode(100, 6), make_episode(200, 6, task="close_drawer")])
    write_split(root, "validation", [make_episode(300, 6, split="validation")])
    return root


def test_a_sound_dataset(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "check", str(data)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if "annotated frames" in line] == [
        "training: 2 demonstrations of 2 tasks, 12 annotated frames, 0 problems",
        "validation: 1 demonstrations of 1 tasks, 6 annotated frames, 0 problems",
    ]
    assert sum("no .hydra/merged_config.yaml" in line for line in lines) == 2
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in lines if line.startswith("│")]
    assert rows.count(["open_drawer", "1", "1", "6-6", "6"]) == 2
    assert [row[1] for row in rows if row[0] == "rel_actions"] == ["0 x"]
    assert [row for row in rows if row[:2] == ["", "6 gripper command"]][-1][-2:] == ["-1 to 1", ""]


def test_the_table_is_in_the_json_too(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "check", str(data), "--json"]) == 0
    training = json.loads(capsys.readouterr().out)["splits"]["training"]["table"]
    assert training["tasks"]["close_drawer"] == {
        "demonstrations": 1,
        "scenes": {"D": 1},
        "lengths": {"shortest": 6, "median": 6.0, "longest": 6},
    }
    assert training["scenes"] == {"D": {"the dataset": 2}}
    command = training["ranges"]["rel_actions"][6]
    assert command == {"name": "gripper command", "range": [-1.0, 1.0], "calvin": [-1.0, 1.0], "odd": False}
    assert training["ranges"]["scene_obs"][6]["calvin"] is None
    assert any("of 34 tasks have no demonstration" in sentence for sentence in training["odd"])


def test_a_preview_is_written_and_a_wrong_name_is_refused_at_once(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet = tmp_path / "sheet.png"
    assert cli.main(["data", "check", str(data), "--preview", str(sheet)]) == 0
    assert sheet.read_bytes().startswith(b"\x89PNG")
    assert "sheet.png: some demonstrations with their instructions" in capsys.readouterr().out
    for name, sentence in (("sheet.jpg", "is no name of a PNG file"), ("no/sheet.png", "no such folder")):
        assert cli.main(["data", "check", str(data), "--preview", str(tmp_path / name)]) == 2
        assert sentence in capsys.readouterr().err


def test_a_preview_that_cannot_be_written_in_the_end_is_one_sentence(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "goes"
    folder.mkdir()

    def sheet(splits: object) -> bytes:
        folder.rmdir()
        return b"png"

    monkeypatch.setattr("calvin.preview.contact_sheet", sheet)
    assert cli.main(["data", "check", str(data), "--preview", str(folder / "sheet.png")]) == 2
    err = capsys.readouterr().err
    assert err.endswith("sheet.png' cannot be written: No such file or directory\n") and err.count("\n") == 1


def test_scenes_are_said_of_a_lerobot_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = sets.write_v2(tmp_path / "set", sets.episodes(3))
    arguments = ["data", "check", str(root), "--validation-episodes", "none", "--json"]
    assert cli.main([*arguments, "--scenes", "A=0;D=1-2"]) == 0
    training = json.loads(capsys.readouterr().out)["splits"]["training"]["table"]
    assert training["scenes"] == {"A": {"the dataset": 1}, "D": {"the dataset": 2}}


@pytest.mark.parametrize(
    ("said", "says"),
    [
        (("--column", "rgb_static=nowhere"), "has no column 'nowhere'"),
        (("--scenes", "Z"), "data.scenes: 'Z' is no scene"),
        (("--episodes", "900"), "data.episodes: '900' are no episodes of the set"),
        (("--validation-episodes", "x"), "data.validation_episodes: 'x' is no number of an episode"),
    ],
)
def test_what_is_wrongly_said_of_a_set_is_no_problem_of_its(
    said: tuple[str, str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = sets.write_v2(tmp_path / "set", sets.episodes(2))
    assert cli.main(["data", "check", str(root), *said]) == 2
    assert says in capsys.readouterr().err


def test_extracts_the_folders_of_the_original_scripts(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert cli.main(["data", "extract", str(data), str(out)]) == 0
    assert "validation_r5.json: " in capsys.readouterr().out
    assert (out / "tasks" / "training" / "1_close_drawer" / "img" / "frame_0000200.png").is_file()
    assert cli.main(["data", "extract", str(data), str(out)]) == 2
    assert "already holds an extracted training and validation split" in capsys.readouterr().err


def test_a_damaged_split_is_named_before_anything_is_extracted(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "validation" / "ep_start_end_ids.npy").unlink()
    assert cli.main(["data", "extract", str(data), str(tmp_path / "out")]) == 2
    assert "ep_start_end_ids.npy cannot be read" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_extraction_goes_on_where_it_was_stopped(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    frame = data / "validation" / "episode_0000303.npz"
    content = frame.read_bytes()
    frame.unlink()
    assert cli.main(["data", "extract", str(data), str(out)]) == 2
    assert "episode_0000303.npz is missing" in capsys.readouterr().err
    assert not out.exists()
    frame.write_bytes(content)
    assert cli.main(["data", "extract", str(data), str(out), "--split", "training"]) == 0
    with monkeypatch.context() as patch:
        patch.setattr("tasks.data.extract.find_regions", interrupted)
        assert cli.main(["data", "extract", str(data), str(out)]) == 4
    assert (
        "stopped after 0 of 1 validation demonstrations; the same command goes on" in capsys.readouterr().err
    )
    assert cli.main(["data", "extract", str(data), str(out)]) == 0
    left, extracted = capsys.readouterr().out.splitlines()
    assert "training_r5.json is there already and is left as it is" in left
    assert "validation_r5.json: " in extracted


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


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


def test_faulty_annotations_do_not_hide_the_rest(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = data / "training" / "lang_annotations" / "auto_lang_ann.npy"
    content = np.load(path, allow_pickle=True).item()
    for field in ("task", "ann"):
        content["language"][field] = [content["language"][field][0]] * 4
    content["info"]["indx"] = [(100, 105), (150, 160), (200, 205), (203, 300)]
    np.save(path, content, allow_pickle=True)
    (data / "training" / "episode_0000100.npz").unlink()
    assert cli.main(["data", "check", str(data), "--json"]) == 1
    training = json.loads(capsys.readouterr().out)["splits"]["training"]
    assert (training["demonstrations"], training["frames"]) == (2, 12)
    first, second, third = training["problems"]
    assert "info.indx[1] runs from frame 150 to 160" in first
    assert "info.indx[3] runs from frame 203 to 300" in second
    assert "there is a gap at frame 100" in third


def test_what_keeps_a_set_from_being_opened_is_told_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = sets.write_v2(tmp_path / "set", sets.episodes(3))
    sets.change_info(root, total_episodes=4)
    assert cli.main(["data", "check", str(root)]) == 1
    head, problem, *rest = capsys.readouterr().out.splitlines()
    assert head.startswith("training and validation: 0 demonstrations") and rest == []
    assert problem.strip() == (
        f"{root}/meta/info.json: total_episodes is 4, and episodes.jsonl has 3 episodes."
    )
    assert cli.main(["data", "check", str(root), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["splits"].keys() == {"training", "validation"}


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
    assert cli.main(["data", "check", str(tmp_path / "nowhere")]) == 2
    assert "nowhere is not a folder" in capsys.readouterr().err


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
    assert cli.main(arguments) == 0
    assert "as calvin, 4 of them there already" in capsys.readouterr().out
    assert cli.main([*arguments, "--seed", "4"]) == 2
    assert "already has content" in capsys.readouterr().err


def test_generate_names_an_unknown_task(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "generate", str(tmp_path / "made"), "--tasks", "dance"]) == 2
    assert "unknown task 'dance'" in capsys.readouterr().err
    assert not (tmp_path / "made").exists()


def test_actions_in_metres_are_a_problem_and_nothing_is_made_of_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`data check` ends with 1, whatever works on the data with 2 and without a change."""
    data, out, home = tmp_path / "data", tmp_path / "out", tmp_path / "home"
    for split, start in (("training", 100), ("validation", 300)):
        episode = make_episode(start, 8, split=split)
        metres = episode.rel_actions * [0.02, 0.02, 0.02, 1, 1, 1, 1]
        write_split(data, split, [make_episode(start, 8, split=split, rel_actions=metres)])
    assert cli.main(["data", "check", str(data)]) == 1
    told = capsys.readouterr().out
    assert "rel_actions of 8 of 8 frames (first: 100)" in told and "off by a factor of 1/50 (metres" in told
    submit = ["--home", str(home), "submit-ablation", "--preset", "smoke", "--data", str(data), "--detach"]
    for words in (["data", "extract", str(data), str(out)], submit, ["evaluate", "--replay", str(data)]):
        assert cli.main(words) == 2, words
        assert "off by a factor of 1/50 (metres" in capsys.readouterr().err
    assert not out.exists() and not home.exists()
