"""Damaged and hostile datasets: one sentence, exit code 2, and nothing changed."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import cli
from tests.refusals import _sound as _sound
from tests.refusals import at as at
from tests.refusals import data as data
from tests.refusals import refused, submit

ANNOTATIONS = Path("training/lang_annotations/auto_lang_ann.npy")
FRAME = Path("training/episode_0000102.npz")


class Hostile:
    """Makes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.mkdir, (str(self.mark),)


def _hostile(root: Path) -> None:
    np.save(
        root / ANNOTATIONS, np.array({"language": Hostile(root / "it-ran")}, dtype=object), allow_pickle=True
    )


def _bare_hostile(root: Path) -> None:
    (root / ANNOTATIONS).write_bytes(pickle.dumps(Hostile(root / "it-ran")))


def _without_tasks(root: Path) -> None:
    value = {"language": {"ann": ["x"]}, "info": {"indx": [(100, 105)]}}
    np.save(root / ANNOTATIONS, np.array(value, dtype=object), allow_pickle=True)


def _outside(root: Path) -> None:
    value = {"language": {"ann": ["x"], "task": ["open_drawer"]}, "info": {"indx": [(100, 250)]}}
    np.save(root / ANNOTATIONS, np.array(value, dtype=object), allow_pickle=True)


def _truncated(root: Path) -> None:
    (root / FRAME).write_bytes((root / FRAME).read_bytes()[:5000])


def _flipped(root: Path) -> None:
    """One byte in the middle of the pictures: the archive's directory is sound, a checksum is not."""
    bytes_ = bytearray((root / FRAME).read_bytes())
    bytes_[len(bytes_) // 2] ^= 0xFF
    (root / FRAME).write_bytes(bytes(bytes_))


def _changed(field: str, value: np.ndarray | None) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        with np.load(root / FRAME) as archive:
            arrays = dict(archive)
        if value is None:
            del arrays[field]
        else:
            arrays[field] = value
        np.savez_compressed(root / FRAME, **arrays)

    return change


def _called_otherwise(root: Path) -> None:
    root.rename(root.with_name(f"{root.name}s"))


def _pickled_in_archive(root: Path) -> None:
    """An npz whose member is a hostile pickle."""
    buffer = io.BytesIO()
    np.save(buffer, np.array(Hostile(root / "it-ran"), dtype=object), allow_pickle=True)
    with zipfile.ZipFile(root / FRAME, "w") as archive:
        archive.writestr("actions.npy", buffer.getvalue())


DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "no folder": (shutil.rmtree, "is not a folder"),
    "another name": (_called_otherwise, "; did you mean "),
    "no split": (lambda root: shutil.rmtree(root / "validation"), "validation is missing"),
    "no annotations": (lambda root: (root / ANNOTATIONS).unlink(), "auto_lang_ann.npy"),
    "annotations cut short": (
        lambda root: (root / ANNOTATIONS).write_bytes((root / ANNOTATIONS).read_bytes()[:200]),
        "auto_lang_ann.npy",
    ),
    "annotations of noise": (
        lambda root: (root / ANNOTATIONS).write_bytes(b"noise" * 50),
        "auto_lang_ann.npy",
    ),
    "annotations without tasks": (_without_tasks, "'task'"),
    "annotation outside all episodes": (_outside, "info.indx[0]"),
    "hostile annotations": (_hostile, "nothing in the file was run"),
    "hostile bare pickle": (_bare_hostile, "nothing in the file was run"),
    "hostile pickle in a frame": (_pickled_in_archive, FRAME.name),
    "no bounds": (lambda root: (root / "training/ep_start_end_ids.npy").unlink(), "ep_start_end_ids.npy"),
    "truncated frame": (_truncated, f"{FRAME.name} is damaged"),
    "flipped byte in a frame": (_flipped, f"{FRAME.name} is damaged"),
    "empty frame": (lambda root: (root / FRAME).write_bytes(b""), f"{FRAME.name} is damaged"),
    "frame gap": (lambda root: (root / FRAME).unlink(), "gap at frame 102"),
    "wrong action shape": (_changed("rel_actions", np.zeros(6)), "rel_actions has shape (6,)"),
    "wrong picture shape": (
        _changed("rgb_static", np.zeros((100, 200, 3), np.uint8)),
        "rgb_static has shape",
    ),
    "wrong picture type": (_changed("rgb_gripper", np.zeros((84, 84, 3))), "rgb_gripper is float64"),
    "field missing": (_changed("robot_obs", None), "has no robot_obs"),
    "not a number": (_changed("actions", np.full(7, np.nan)), "actions is not finite"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_dataset_is_refused_before_anything_is_made(
    damage: str, data: Path, at: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    break_it, says = DAMAGE[damage]
    break_it(data)
    line = refused(submit(at, "--arms", "recon", "--data", str(data)), capsys)
    assert says in line
    assert str(data) in line, "the sentence names the place"
    assert not at.exists()
    assert not (data / "it-ran").exists()


def test_a_sound_dataset_is_accepted(data: Path, at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same folder undamaged, or the refusals above show nothing."""
    assert cli.main([*submit(at, "--arms", "recon", "--data", str(data)), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["jobs_added"] > 5
