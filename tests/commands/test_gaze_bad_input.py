"""What people point `gaze` at by mistake: one clear sentence, or frames that are counted with their reason."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cli
from calvin.frames import FrameFiles
from tests.calvin.samples import make_episode
from tests.calvin.writing import write_split
from tests.detectors.scenes import PAINT, paint, table

FIRST, FRAMES = 100, 4
BY_TASK = ("--unknown-wording", "task")


def scene() -> np.ndarray:
    image = table()
    paint(image, (90, 90, 106, 106), PAINT["red_block"])
    return image


def dataset(folder: Path, frames: int = FRAMES, **fields: Any) -> Path:
    """One demonstration that lifts the red block, which is in sight in all frames."""
    usual = {"rgb_static": np.stack([scene()] * frames), "task": "lift_red_block_table", "boxes": None}
    episode = make_episode(start=FIRST, frames=frames, split="validation", **(usual | fields))
    write_split(folder, "validation", [episode])
    return folder


def gaze(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = cli.main(["gaze", *map(str, arguments), "--json"])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_another_language_is_counted_and_what_to_do_is_said(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = dataset(tmp_path, instruction="hebe den roten Klotz vom Tisch")
    absent, taken = (json.loads(gaze(capsys, folder, *asked)[1]) for asked in ((), BY_TASK))
    assert absent["sources"] == {"unknown_wording": FRAMES} and absent["by_task"]["frames"] == 0
    assert "unknown_wording" not in taken["sources"] and taken["trusted"] == FRAMES
    assert taken["by_task"] == {"demonstrations": 1, "frames": FRAMES}
    said = []
    for asked in ((), BY_TASK):
        assert cli.main(["gaze", str(folder), *asked]) == 0
        said.append(capsys.readouterr().out)
    assert "gaze.unknown_wording=task (here --unknown-wording task) takes the task's target." in said[0]
    assert f"In 1 of 1 demonstrations ({FRAMES} frames) the instruction is not understood" in said[1]
    assert "gaze.unknown_wording" not in said[1]
    code, _, refused = gaze(capsys, folder, "--unknown-wording", "guess")
    assert code == 2 and "'guess'" in refused


@pytest.mark.parametrize(
    "spoil",
    [
        lambda image: image[:64, :64],
        lambda image: image.mean(axis=2).astype(np.uint8),
        lambda image: np.concatenate([image, image[..., :1]], axis=2),
        lambda image: image / np.float32(255),
    ],
    ids=["smaller", "grey", "RGBA", "float"],
)
def test_other_pictures_than_calvins_are_refused_by_file_and_field(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, spoil: Callable[[np.ndarray], np.ndarray]
) -> None:
    file = FrameFiles(dataset(tmp_path) / "validation", 7).path(FIRST + 2)
    frame = dict(np.load(file))
    frame["rgb_static"] = spoil(frame["rgb_static"])
    np.savez(file, **frame)
    code, _, said = gaze(capsys, tmp_path)
    assert code == 2 and said.count("\n") == 1
    assert file.name in said and "rgb_static" in said


def counts(capsys: pytest.CaptureFixture[str], folder: Path, *asked: str) -> dict[str, int]:
    code, out, _ = gaze(capsys, folder, *asked)
    result = json.loads(out)
    assert code == 0
    assert sum(result["sources"].values()) == result["frames"]
    assert sum(figures["frames"] for figures in result["figures"].values()) == result["frames"]
    return dict(result["sources"])


def test_an_episode_of_one_frame(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert counts(capsys, dataset(tmp_path, frames=1)) == {"first_pass": 1}


def test_blank_frames_are_counted(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    images = np.stack([scene(), np.zeros_like(scene()), np.full_like(scene(), 255), scene()])
    assert counts(capsys, dataset(tmp_path, rgb_static=images)) == {
        "blank_frame": 2,
        "first_pass": 1,
        "unchanged": 1,
    }


def test_nothing_but_blank_frames(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    images = np.zeros((FRAMES, 200, 200, 3), np.uint8)
    assert counts(capsys, dataset(tmp_path, rgb_static=images)) == {"blank_frame": FRAMES}


@pytest.mark.parametrize("words", ["nimm den roten Block", "抓住红色方块", "🤖"])
def test_words_of_another_language_are_counted_or_do_no_harm(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, words: str
) -> None:
    folder = dataset(tmp_path, instruction=words)
    assert counts(capsys, folder) == {"unknown_wording": FRAMES}
    assert counts(capsys, folder, *BY_TASK) == {"first_pass": 1, "unchanged": 3}


def test_true_boxes_are_asked_for_where_the_task_tells_the_target(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = dataset(tmp_path, instruction="hebe den roten Klotz", boxes=({"drawer": None},) * FRAMES)
    assert gaze(capsys, folder, "--detector", "oracle")[0] == 0
    code, _, said = gaze(capsys, folder, "--detector", "oracle", *BY_TASK)
    assert code == 2 and "no entry for 'red_block'" in said


def test_contact_sheets_need_a_folder(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder, file = dataset(tmp_path / "data"), tmp_path / "sheets"
    file.write_text("not a folder")
    for out in (file, file / "below"):
        code, _, said = gaze(capsys, folder, "--preview", "--out", out)
        assert code == 2 and said.count("\n") == 1
        assert "--out" in said and str(out) in said
    assert gaze(capsys, folder, "--out", file)[0] == 0, "nothing is written without --preview"


@pytest.mark.parametrize("wrong", [["/no/such/dataset"], ["--detector", "yolo"], ["--split", "training"]])
def test_what_cannot_be_used_leaves_nothing_behind(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, wrong: list[str]
) -> None:
    folder = [] if wrong[0].startswith("/") else [dataset(tmp_path / "data")]
    out, cache = tmp_path / "sheets", tmp_path / "below" / "answers.sqlite"
    assert gaze(capsys, *folder, *wrong, "--preview", "--out", out, "--cache", cache)[0] == 2
    assert not out.exists() and not cache.parent.exists()


def test_another_programs_database_is_no_cache(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE job (id INTEGER)")
    code, _, said = gaze(capsys, dataset(tmp_path / "data"), "--cache", file)
    assert code == 2 and str(file) in said and said.count("\n") == 1


@pytest.mark.parametrize(
    "box", ["[0, 0, Infinity, 5]", "[0, 0, 1e999, 5]", "[50, 50, 40, 60]", "[1, 2, 3, 4, 5]"]
)
def test_a_true_box_that_is_none_is_named_by_frame_and_object(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, box: str
) -> None:
    (dataset(tmp_path) / "validation" / "boxes.json").write_text(
        f'{{"0000100": {{"red_block": {{"box": {box}}}}}}}'
    )
    code, _, said = gaze(capsys, tmp_path, "--score")
    assert code == 2 and said.count("\n") == 1
    assert "boxes.json: frame 0000100, red_block: " in said


def test_the_oracle_without_true_boxes_is_refused_by_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, _, said = gaze(capsys, dataset(tmp_path), "--detector", "oracle")
    assert code == 2 and said.count("\n") == 1
    assert str(tmp_path / "validation" / "boxes.json") in said and "oracle" in said


@pytest.mark.parametrize("name", ["Oracle", "ORACLE", "segmentation"])
def test_a_detector_that_does_not_exist_is_named_with_those_that_do(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str
) -> None:
    code, _, said = gaze(capsys, dataset(tmp_path), "--detector", name)
    assert code == 2 and repr(name) in said and "oracle" in said


def test_a_task_that_is_none_of_calvins_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, said = gaze(capsys, dataset(tmp_path, task="pick_up_thing", instruction="nimm es"))
    assert code == 2 and "'pick_up_thing'" in said and said.count("\n") == 1


def test_weights_that_are_not_there_and_weights_that_are_none(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = dataset(tmp_path / "data")
    options = ("--detector", "grounding_dino", "--weights")
    missing = tmp_path / "none.pth"
    code, _, said = gaze(capsys, folder, *options, missing)
    assert code == 3 and str(missing) in said and said.count("\n") == 1
    missing.write_bytes(b"no checkpoint")
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n")
    code, _, said = gaze(capsys, folder, *options, missing)
    assert code == 2 and str(missing) in said and "Traceback" not in said
