"""A folder whose annotations, bounds, scenes or frames are damaged or missing is refused in one sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calvin.dataset import open_dataset
from errors import DatasetError, UnsafePickle
from tests.calvin.dataset_folder import change_annotations, open_folder
from tests.calvin.dataset_folder import folder as folder
from tests.calvin.samples import make_episode
from tests.calvin.writing import write_split


def test_missing_root(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="nowhere is not a folder; give the one that holds training/"):
        open_dataset(tmp_path / "nowhere", "training")


def test_missing_split(folder: Path) -> None:
    with pytest.raises(DatasetError, match="validation is missing; a CALVIN folder holds"):
        open_dataset(folder.parent, "validation")


@pytest.mark.parametrize("name", ["lang_annotations/auto_lang_ann.npy", "ep_start_end_ids.npy"])
def test_missing_file(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(DatasetError, match=f"{name} cannot be read: No such file"):
        open_folder(folder)


@pytest.mark.parametrize(
    "name", ["lang_annotations/auto_lang_ann.npy", "ep_start_end_ids.npy", "scene_info.npy"]
)
@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9])
def test_small_files_cut_short(folder: Path, name: str, kept: float) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: int(kept * len(content))])
    with pytest.raises(DatasetError, match=name):
        open_folder(folder)


def no_annotations(content: dict[str, Any]) -> None:
    content["info"]["indx"] = content["language"]["task"] = content["language"]["ann"] = []


def ranges(*pairs: tuple[float, ...]) -> Callable[[dict[str, Any]], None]:
    return lambda content: content["info"].update(indx=list(pairs))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("language"), "has no field 'language'"),
        (lambda c: c["info"].pop("indx"), "has no field 'indx'"),
        (lambda c: c.update(info=[]), "info is a list, not a dict"),
        (lambda c: c["language"].update(task="open_drawer"), r"language\.task is a str, not a list"),
        (lambda c: c["language"].update(ann=["one"]), "have 2, 1 and 2 entries instead of equally many"),
        (lambda c: c["language"].update(ann=["a", " "]), r"language\.ann\[1\] is ' ', not an instruction"),
        (lambda c: c["language"].update(ann=["a", 2]), r"language\.ann\[1\] is 2, not an instruction"),
        (lambda c: c["language"].update(task=["fly", "x"]), r"language\.task\[0\] is 'fly', which is none"),
        (ranges((100, 103), (104,)), r"info\.indx\[1\] is \(104,\), not a first and a last frame"),
        (ranges((100, 103), (104.5, 105)), r"info\.indx\[1\] is .*, not a first and a last frame"),
        (ranges((100, 103), (107, 104)), r"info\.indx\[1\] runs from frame 107 to frame 104"),
        (ranges((100, 103), (104, 108)), r"info\.indx\[1\] runs from frame 104 to 108, which no episode"),
        (ranges((99, 103), (104, 107)), r"info\.indx\[0\] runs from frame 99 to 103, which no episode"),
        (ranges((102, 105), (104, 107)), r"info\.indx\[0\] runs from frame 102 to 105, which no episode"),
        (no_annotations, "has no annotation"),
    ],
)
def test_malformed_annotations(folder: Path, change: Callable[[dict[str, Any]], Any], message: str) -> None:
    change_annotations(folder, change)
    with pytest.raises(DatasetError, match=rf"auto_lang_ann\.npy.*{message}"):
        open_folder(folder)


def test_annotations_that_are_no_dict(folder: Path) -> None:
    np.save(folder / "lang_annotations" / "auto_lang_ann.npy", np.arange(3))
    with pytest.raises(DatasetError, match="content is a ndarray, not a dict"):
        open_folder(folder)


def test_hostile_annotations(folder: Path) -> None:
    (folder / "lang_annotations" / "auto_lang_ann.npy").write_bytes(b"cposix\nsystem\n(Vtrue\ntR.")
    with pytest.raises(UnsafePickle, match=r"auto_lang_ann\.npy asks for posix\.system"):
        open_folder(folder)


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        (np.zeros((0, 2), int), "has no episode"),
        (np.arange(3), "is not an array of integers with two columns"),
        (np.array([[100.0, 107.0]]), "is not an array of integers with two columns"),
        (np.array([[107, 100]]), "has an episode from frame 107 to frame 100"),
    ],
)
def test_malformed_bounds(folder: Path, bounds: np.ndarray, message: str) -> None:
    np.save(folder / "ep_start_end_ids.npy", bounds)
    with pytest.raises(DatasetError, match=rf"ep_start_end_ids\.npy {message}"):
        open_folder(folder)


@pytest.mark.parametrize(
    ("info", "message"),
    [
        ({"calvin_scene_X": [100, 107]}, "names the scene 'calvin_scene_X', not"),
        ({"calvin_scene_A": 100}, "calvin_scene_A is a int, not a list"),
        ({"calvin_scene_A": [107, 100]}, "calvin_scene_A runs from frame 107 to frame 100"),
    ],
)
def test_malformed_scenes(folder: Path, info: dict[str, Any], message: str) -> None:
    np.save(folder / "scene_info.npy", np.array(info, dtype=object), allow_pickle=True)
    with pytest.raises(DatasetError, match=rf"scene_info\.npy.*{message}"):
        open_folder(folder)


def test_no_frame_files(folder: Path) -> None:
    for path in folder.glob("episode_*.npz"):
        path.unlink()
    with pytest.raises(DatasetError, match=r"training has no frame: there is no episode_\*\.npz in it"):
        open_folder(folder)


@pytest.mark.parametrize("digits", [5, 9])
def test_first_frame_missing(tmp_path: Path, digits: int) -> None:
    folder = write_split(tmp_path, "training", [make_episode(98, 4), make_episode(102, 4)], digits=digits)
    (folder / f"episode_{98:0{digits}d}.npz").unlink()
    split = open_folder(folder)
    assert split.frames.digits == digits
    assert len(split.read(split.demonstrations[1])) == 4
    with pytest.raises(DatasetError, match="there is a gap at frame 98"):
        split.read(split.demonstrations[0])


def test_gap_in_the_frames(folder: Path) -> None:
    (folder / "episode_0000105.npz").unlink()
    split = open_folder(folder)
    for use in (split.read, split.fingerprint):
        with pytest.raises(
            DatasetError, match=r"episode_0000105\.npz is missing: there is a gap at frame 105"
        ):
            use(split.demonstrations[1])


@pytest.mark.parametrize("entry", [{"ann": []}, {"ann": [3]}, {}, []])
def test_malformed_validation_instructions(folder: Path, entry: Any) -> None:
    path = folder / "lang_annotations" / "embeddings.npy"
    np.save(path, np.array({"open_drawer": entry}, dtype=object), allow_pickle=True)
    with pytest.raises(DatasetError, match=r"embeddings\.npy"):
        _ = open_folder(folder).validation_instructions
