"""`data convert` and `data generate`: what is printed, refused, and gone on with."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import cli
from calvin.split import TRAINING, open_split
from tests.calvin import lerobot_sets as sets
from tests.calvin.conversion.converting import assert_same_dataset, bytes_of, dataset


@pytest.fixture(scope="module")
def npz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return dataset(tmp_path_factory.mktemp("made") / "npz")


def convert(*words: object) -> int:
    return cli.main(["data", "convert", *map(str, words)])


def test_says_what_is_written_and_what_is_left_out(
    npz: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "set"
    assert convert(npz, out, "--to", "lerobot-v3") == 0
    first, room, done, losses, tokens = capsys.readouterr().out.splitlines()
    assert first.endswith("npz: 3 training demonstrations, 1 validation demonstrations, 26 frames")
    assert re.match(rf"{out}: up to [1-9][\d.]* [kM]B are written, ", room)
    assert done == f"{out}: 4 demonstrations, 26 frames, as lerobot-v3"
    assert losses == "  pictures are AV1 films (yuv420p) and lost detail; --lossless keeps them"
    assert "of 390 state tokens and" in tokens and "of 182 action tokens are others than of float64" in tokens
    assert convert(npz, out, "--to", "lerobot-v3") == 0
    assert "as lerobot-v3, 4 of them there already" in capsys.readouterr().out
    before = bytes_of(out)
    assert convert(npz, out, "--to", "lerobot-v3", "--lossless") == 2
    assert "set already has content, and is not this conversion" in capsys.readouterr().err
    assert bytes_of(out) == before


@pytest.mark.parametrize("form", ["lerobot-v3", "lerobot-v2.1", "calvin"])
def test_every_form_is_a_sound_dataset(npz: Path, tmp_path: Path, form: str) -> None:
    assert convert(npz, tmp_path / "out", "--to", form, "--lossless") == 0
    assert_same_dataset(npz, tmp_path / "out")


def test_what_tells_the_validation_of_a_set_can_be_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = sets.write_v2(tmp_path / "set", sets.episodes(4))
    assert convert(root, tmp_path / "out", "--to", "lerobot-v3") == 2
    assert "nothing tells which of its 4 demonstrations are CALVIN's validation" in capsys.readouterr().err
    assert convert(root, tmp_path / "out", "--to", "lerobot-v3", "--validation-episodes", "1,3") == 0
    told = capsys.readouterr().out
    assert "2 training demonstrations, 2 validation demonstrations" in told
    assert "left out: not of training: 2 demonstrations are of the validation" in told
    assert len(open_split(tmp_path / "out", TRAINING).demonstrations) == 2
    assert convert(root, tmp_path / "npz", "--to", "calvin", "--validation-episodes", "none") == 2
    assert "have no scene_obs, which CALVIN's layout has of each frame" in capsys.readouterr().err
    assert not (tmp_path / "npz").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--to", "lerobot-v3", "--float32"), "--float32 belongs to --lossless"),
        (("--to", "calvin", "--lossless", "--float32"), "--float32 is of LeRobot sets"),
        (("--to", "zarr"), "'zarr' is not one of"),
        ((), "Missing option '--to'"),
        (("--to", "calvin", "--validation-episodes", "1"), "says that itself; this is for LeRobot sets"),
    ],
)
def test_wrong_use_is_one_sentence(
    npz: Path, tmp_path: Path, words: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert convert(npz, tmp_path / "out", *words) == 2
    told = capsys.readouterr().err
    assert says in told and len(told.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_bad_input_is_one_sentence(npz: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert convert(tmp_path / "nowhere", tmp_path / "out", "--to", "calvin") == 2
    assert "nowhere is not a folder" in capsys.readouterr().err
    damaged = tmp_path / "damaged"
    shutil.copytree(npz, damaged)
    (damaged / "validation" / "ep_start_end_ids.npy").unlink()
    assert convert(damaged, tmp_path / "out", "--to", "lerobot-v3") == 2
    assert "ep_start_end_ids.npy cannot be read" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["damaged"]


def test_too_little_room_is_said_before_anything_is_written(
    npz: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=10_000))
    for form in ("calvin", "lerobot-v2.1"):
        assert convert(npz, tmp_path / "deep" / "out", "--to", form) == 3
        assert (
            "and 10.0 kB are free there; make room, or name a folder on another disk"
            in capsys.readouterr().err
        )
    assert not list(tmp_path.iterdir())


def test_interrupted_it_goes_on(
    npz: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("calvin.conversion.convert.PART", 2)
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        frames: list[int] = []
        from calvin.conversion import calvin_target

        def interrupted(path: Path, arrays: dict[str, np.ndarray]) -> None:
            frames.append(1)
            if len(frames) == 14:
                raise KeyboardInterrupt
            np.savez_compressed(path, **arrays)

        patch.setattr(calvin_target, "write_frame", interrupted)
        assert convert(npz, out, "--to", "calvin") == 4
    assert (
        "stopped after 2 of 4 demonstrations; the same command goes on from there" in capsys.readouterr().err
    )
    assert not out.exists()
    assert convert(npz, out, "--to", "calvin") == 0
    assert "as calvin, 2 of them there already" in capsys.readouterr().out
    assert convert(npz, tmp_path / "whole", "--to", "calvin") == 0
    assert bytes_of(out) == bytes_of(tmp_path / "whole")


def test_generates_any_form(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--tasks", "turn_on_led", "--demonstrations-per-task", "1", "--scene", "B", "--seed", "3"]
    for form in ("calvin", "lerobot-v3", "lerobot-v2.1"):
        assert cli.main(["data", "generate", str(tmp_path / form), *words, "--to", form, "--lossless"]) == 0
        assert "validation: 1 demonstrations of 1 tasks" in capsys.readouterr().out
    for form in ("lerobot-v3", "lerobot-v2.1"):
        assert_same_dataset(tmp_path / "calvin", tmp_path / form)
        told = open_split(tmp_path / form, TRAINING).recording()
        assert (told.renderer, told.scenes) == ("tiny", "baton")
    info = json.loads((tmp_path / "lerobot-v3" / "meta" / "info.json").read_text())
    assert info["splits"] == {"train": "0:1", "validation": "1:2"}
