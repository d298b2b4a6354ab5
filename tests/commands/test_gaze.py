"""`gaze` on a small dataset in CALVIN's layout: tables, contact sheets, bad input."""

import json
import shutil

import numpy as np
import pytest

import cli
from detectors.contact_sheet import MOST_FRAMES
from settings.home import Home
from tests.detectors.calvin_mini import CALVIN_MINI, needs_calvin_mini


def run(capsys, *arguments):
    code = cli.main(["gaze", *map(str, arguments)])
    return code, capsys.readouterr()


@needs_calvin_mini
def test_scores_previews_and_counts_add_up(capsys, tmp_path):
    out = tmp_path / "sheets"
    code, printed = run(
        capsys,
        CALVIN_MINI,
        "--split",
        "validation",
        "--limit",
        2,
        "--score",
        "--preview",
        "--out",
        out,
        "--json",
    )
    result = json.loads(printed.out)
    assert code == 0
    assert result["demonstrations"] == 2
    assert sum(result["sources"].values()) == result["frames"] > 0
    assert sum(figures["frames"] for figures in result["figures"].values()) == result["frames"]
    assert result["objects"]["all"]["frames"] == result["frames"]
    assert sorted(map(str, out.glob("*.png"))) == sorted(result["sheets"])
    assert len(result["sheets"]) == 2
    assert 0 < result["frames_shown"] <= result["frames"]


@needs_calvin_mini
def test_frames_that_no_sheet_shows_are_said(capsys, tmp_path):
    arguments = ("--split", "validation", "--limit", 1, "--preview", "--out", tmp_path)
    result = json.loads(run(capsys, CALVIN_MINI, *arguments, "--json")[1].out)
    shown, frames = result["frames_shown"], result["frames"]
    assert shown == min(frames, MOST_FRAMES)
    assert f"{shown} of {frames} frames shown" in run(capsys, CALVIN_MINI, *arguments)[1].out


@needs_calvin_mini
def test_stages_one_after_the_other(capsys, tmp_path):
    arguments = ("--split", "validation", "--limit", 1, "--by-stage", "--cache", tmp_path / "answers.sqlite")
    code, printed = run(capsys, CALVIN_MINI, *arguments, "--json")
    results = json.loads(printed.out)
    assert code == 0
    assert results[0]["stages"] == [] and results[-1]["stages"][-1] == "key_frames"
    assert [len(result["stages"]) for result in results] == list(range(len(results)))
    assert (tmp_path / "answers.sqlite").is_file()
    assert run(capsys, CALVIN_MINI, *arguments)[0] == 0


@needs_calvin_mini
def test_answers_are_kept_in_the_home_where_there_is_one(capsys, tmp_path):
    arguments = (CALVIN_MINI, "--split", "validation", "--limit", 1, "--home", tmp_path / "home", "--json")
    assert "cache" not in json.loads(run(capsys, *arguments)[1].out)
    home = Home(tmp_path / "home")
    home.create()
    home.state_db.touch()
    first = json.loads(run(capsys, *arguments)[1].out)
    again = json.loads(run(capsys, *arguments)[1].out)
    assert first["cache"]["file"] == str(home.cache / "gaze.sqlite")
    assert first["cache"]["new"] > 0 and first["cache"]["known"] == 0
    assert again["cache"]["new"] == 0 and again["cache"]["known"] == first["cache"]["new"]
    assert {**first, "cache": None} == {**again, "cache": None}


@needs_calvin_mini
def test_the_oracle_is_always_right(capsys):
    code, printed = run(
        capsys, CALVIN_MINI, "--split", "validation", "--limit", 1, "--detector", "oracle", "--json"
    )
    whole = json.loads(printed.out)["objects"]["all"]
    assert code == 0
    assert whole["detected"] == whole["visible"] == whole["frames"]


@needs_calvin_mini
def test_without_true_boxes_nothing_is_scored(capsys, tmp_path):
    split = tmp_path / "validation"
    shutil.copytree(CALVIN_MINI / "validation", split)
    (split / "boxes.json").unlink()
    code, printed = run(capsys, tmp_path, "--score", "--limit", 1)
    assert code == 0
    assert "nothing can be scored" in printed.out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--detector", "yolo"], "unknown detector 'yolo'"),
        (["--stages", "magic"], "unknown gaze stage 'magic'"),
        (["--detector", "oracle", "--stages", "size"], "has no stages"),
        (["--detector", "oracle", "--by-stage"], "has no stages"),
    ],
)
def test_wrong_options_are_one_sentence(capsys, tmp_path, arguments, sentence):
    code, printed = run(capsys, tmp_path, *arguments)
    assert code == 2
    assert sentence in printed.err and printed.err.count("\n") == 1


def test_a_folder_that_is_no_dataset(capsys, tmp_path):
    code, printed = run(capsys, tmp_path)
    assert code == 2
    assert "is no CALVIN dataset" in printed.err
    code, printed = run(capsys, tmp_path / "nowhere")
    assert code == 2 and "nowhere is not a folder" in printed.err


@needs_calvin_mini
def test_grey_images_are_refused(capsys, tmp_path):
    split = tmp_path / "validation"
    shutil.copytree(CALVIN_MINI / "validation", split)
    for path in sorted(split.glob("episode_*.npz"))[:1]:
        frame = dict(np.load(path))
        frame["rgb_static"] = frame["rgb_static"][..., 0]
        np.savez(path, **frame)
    code, printed = run(capsys, tmp_path, "--limit", 1)
    assert code == 2
    assert "rgb_static" in printed.err


@needs_calvin_mini
@pytest.mark.parametrize("options", [[], ["--python", "/no/such/python"]])
def test_an_absent_environment_is_exit_code_3(capsys, monkeypatch, options):
    monkeypatch.delenv("BATON_GROUNDINGDINO_PYTHON", raising=False)
    weights = CALVIN_MINI / "validation" / "demos.json"
    monkeypatch.setattr("detectors.grounding_dino.py_package.weights_digest", lambda path: "0")
    code, printed = run(
        capsys, CALVIN_MINI, "--detector", "groundingdino_py", "--weights", weights, "--limit", 1, *options
    )
    assert code == 3
    assert "groundingdino-py" in printed.err
