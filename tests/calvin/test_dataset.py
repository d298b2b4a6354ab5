"""Reads real CALVIN-format frames, and refuses every damaged folder in one sentence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calvin.dataset import CalvinSplit, open_dataset
from calvin.writer import write_split
from errors import DatasetError, UnsafePickle
from tests.calvin.samples import make_episode


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A split of two episodes of four frames: 100-103 and 104-107."""
    return write_split(
        tmp_path, "training", [make_episode(100, 4), make_episode(104, 4, 1, task="close_drawer")]
    )


def open_folder(folder: Path) -> CalvinSplit:
    return open_dataset(folder.parent, "training")


@pytest.mark.parametrize("split", ["training", "validation"])
def test_reads_what_is_on_disk(calvin_mini: Path, split: str) -> None:
    opened = open_dataset(calvin_mini, split)
    stated = json.loads((calvin_mini / split / "demos.json").read_text())
    assert [(d.task, d.instruction, d.start, d.end) for d in opened.demonstrations] == [
        (d["task"], d["ann"], d["start"], d["end"]) for d in stated
    ]
    assert [f"calvin_scene_{d.scene}" for d in opened.demonstrations] == [d["scene"] for d in stated]
    demonstration = opened.demonstrations[-1]
    episode = opened.read(demonstration)
    assert len(episode) == stated[-1]["frames"]
    with np.load(next((calvin_mini / split).glob(f"episode_*{demonstration.end}.npz"))) as last:
        for field in ("rgb_static", "rgb_gripper", "robot_obs", "scene_obs", "actions", "rel_actions"):
            np.testing.assert_array_equal(getattr(episode, field)[-1], last[field])
    boxes = json.loads((calvin_mini / split / "boxes.json").read_text())[f"{demonstration.start:07d}"]
    assert episode.boxes is not None
    assert episode.boxes[0] == {
        name: None if entry["box"] is None else tuple(entry["box"]) for name, entry in boxes.items()
    }


def test_validation_instructions(calvin_mini: Path) -> None:
    assert len(open_dataset(calvin_mini, "validation").validation_instructions) == 34
    assert open_dataset(calvin_mini, "training").validation_instructions == {}


@pytest.mark.parametrize("digits", [3, 6, 9])
def test_finds_how_many_digits_frame_names_have(tmp_path: Path, digits: int) -> None:
    write_split(tmp_path, "training", [make_episode(100, 2)], digits=digits)
    split = open_dataset(tmp_path, "training")
    assert split.frames.digits == digits
    assert len(split.read(split.demonstrations[0])) == 2


def test_opening_does_not_list_the_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*args: Any) -> None:
        raise AssertionError("the folder was listed")

    for name in ("os.listdir", "os.scandir"):
        monkeypatch.setattr(name, forbidden)
    assert len(open_folder(folder).demonstrations) == 2


def test_float32_vectors_are_read_as_float64(folder: Path) -> None:
    change_frame(folder, 101, robot_obs=np.full(15, 0.1, dtype=np.float32))
    split = open_folder(folder)
    episode = split.read(split.demonstrations[0])
    assert episode.robot_obs.dtype == np.float64
    assert episode.robot_obs[1, 0] == np.float64(np.float32(0.1))


def test_annotations_beside_the_frames(folder: Path) -> None:
    (folder / "lang_annotations" / "auto_lang_ann.npy").rename(folder / "auto_lang_ann.npy")
    assert len(open_folder(folder).demonstrations) == 2


def test_overlapping_annotations_of_one_episode(folder: Path) -> None:
    change_annotations(folder, lambda content: content["info"].update(indx=[(100, 102), (101, 103)]))
    split = open_folder(folder)
    first, second = map(split.read, split.demonstrations)
    np.testing.assert_array_equal(first.rgb_static[1:], second.rgb_static[:2])


def test_scene_of_a_frame(tmp_path: Path) -> None:
    episodes = [
        make_episode(10, 2, scene="B"),
        make_episode(20, 2, scene="C"),
        make_episode(22, 2, scene="C"),
    ]
    write_split(tmp_path, "training", episodes)
    split = open_dataset(tmp_path, "training")
    assert [split.scene_of(frame) for frame in (9, 10, 11, 12, 20, 23, 24)] == [
        "unknown", "B", "B", "unknown", "C", "C", "unknown",
    ]  # fmt: skip
    assert [d.scene for d in split.demonstrations] == ["B", "C", "C"]


def test_scene_is_unknown_without_scene_info(folder: Path) -> None:
    (folder / "scene_info.npy").unlink()
    assert {d.scene for d in open_folder(folder).demonstrations} == {"unknown"}


def test_boxes_are_none_without_their_file(folder: Path) -> None:
    (folder / "boxes.json").unlink()
    split = open_folder(folder)
    assert split.read(split.demonstrations[0]).boxes is None


def test_fingerprint_is_of_the_content(folder: Path, tmp_path: Path) -> None:
    split = open_folder(folder)
    prints = [split.fingerprint(d) for d in split.demonstrations]
    assert len(set(prints)) == 2
    shutil.copytree(folder, tmp_path / "copy" / "training", copy_function=shutil.copyfile)
    copied = open_dataset(tmp_path / "copy", "training")
    assert [copied.fingerprint(d) for d in copied.demonstrations] == prints

    change_frame(folder, 103, actions=np.ones(7))  # in the first demonstration only
    changed = open_folder(folder)
    assert changed.fingerprint(changed.demonstrations[0]) != prints[0]
    assert changed.fingerprint(changed.demonstrations[1]) == prints[1]


def test_fingerprint_depends_on_the_instruction(folder: Path) -> None:
    before = open_folder(folder)
    change_annotations(folder, lambda content: content["language"].update(ann=["other", "words"]))
    after = open_folder(folder)
    assert before.fingerprint(before.demonstrations[0]) != after.fingerprint(after.demonstrations[0])


# --- bad input ---------------------------------------------------------------------------------


def change_frame(folder: Path, frame: int, without: str = "", **changes: np.ndarray) -> None:
    path = folder / f"episode_{frame:07d}.npz"
    with np.load(path) as archive:
        arrays: dict[str, Any] = {name: archive[name] for name in archive.files if name != without}
    np.savez_compressed(path, **(arrays | changes))


def change_annotations(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    path = folder / "lang_annotations" / "auto_lang_ann.npy"
    content = np.load(path, allow_pickle=True).item()
    change(content)
    np.save(path, content, allow_pickle=True)


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


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, 0.99])
def test_frame_cut_short(folder: Path, kept: float) -> None:
    path = folder / "episode_0000102.npz"
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    split = open_folder(folder)
    with pytest.raises(DatasetError, match=r"episode_0000102\.npz is damaged: "):
        split.read(split.demonstrations[0])


def test_frame_with_a_flipped_byte(folder: Path) -> None:
    path = folder / "episode_0000102.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    split = open_folder(folder)
    with pytest.raises(DatasetError, match=r"episode_0000102\.npz is damaged: "):
        split.read(split.demonstrations[0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"without": "rel_actions"}, " has no rel_actions"),
        ({"rgb_static": np.zeros((100, 100, 3), np.uint8)}, r": rgb_static has shape \(100, 100, 3\), not"),
        ({"rgb_gripper": np.zeros((84, 84, 3))}, ": rgb_gripper is float64, not uint8"),
        ({"scene_obs": np.zeros(24, np.int32)}, ": scene_obs is int32, not floating point"),
        ({"robot_obs": np.full(15, np.inf)}, ": robot_obs is not finite"),
        ({"actions": np.array([None] * 7)}, ": actions is an array of objects"),
    ],
)
def test_malformed_frame(folder: Path, changes: dict[str, Any], message: str) -> None:
    change_frame(folder, 101, **changes)
    split = open_folder(folder)
    with pytest.raises(DatasetError, match=rf"episode_0000101\.npz{message}"):
        split.read(split.demonstrations[0])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "is not a file of boxes"),
        ("[" * 100_000, "is not a file of boxes"),
        ("[]", "content is a list"),
        ('{"x": {}}', "'x' is no number of a frame"),
        (f'{{"{"9" * 5000}": {{}}}}', "is no number of a frame"),
        ('{"0000100": 3}', "frame 0000100 is a int"),
        ('{"0000100": {"a": [1, 2, 3, 4]}}', "frame 0000100, a: "),
    ],
)
def test_malformed_file_of_boxes(folder: Path, content: str, sentence: str) -> None:
    (folder / "boxes.json").write_text(content)
    split = open_folder(folder)
    with pytest.raises(DatasetError, match=rf"boxes\.json.* {sentence}"):
        split.read(split.demonstrations[0])


@pytest.mark.parametrize(
    ("box", "sentence"),
    [
        *((box, "which holds no pixel") for box in ("[5, 5, 5, 9]", "[50, 50, 40, 60]", "[200, 5, 210, 9]")),
        *(
            (box, "not four numbers")
            for box in ("[1, 2]", "7", '"1234"', '[1, 2, 3, "4"]', "[1, 2, 3, 4, 5]")
        ),
        *((box, "not four numbers") for box in ("[0, 0, Infinity, 5]", "[0, 0, 1e999, 5]", "[0, 0, NaN, 5]")),
    ],
)
def test_a_malformed_box_is_named_by_frame_and_object(folder: Path, box: str, sentence: str) -> None:
    (folder / "boxes.json").write_text(f'{{"0000100": {{"red_block": {{"box": {box}}}}}}}')
    split = open_folder(folder)
    with pytest.raises(DatasetError, match=rf"boxes\.json: frame 0000100, red_block: .*{sentence}"):
        split.read(split.demonstrations[0])


def test_a_number_of_hundreds_of_digits_is_not_read(folder: Path) -> None:
    (folder / "boxes.json").write_text(f'{{"0000100": {{"red_block": {{"box": [0, 0, 1{"0" * 400}, 5]}}}}}}')
    split = open_folder(folder)
    with pytest.raises(
        DatasetError, match=r"boxes\.json is not a file of boxes: a number is written with 401 "
    ):
        split.read(split.demonstrations[0])


def test_boxes_keep_fractions_of_pixels(folder: Path) -> None:
    content = json.loads((folder / "boxes.json").read_text())
    first = content["0000100"]
    first[next(iter(first))]["box"] = [89.9, 89.5, 106.25, 107.0]
    (folder / "boxes.json").write_text(json.dumps(content))
    split = open_folder(folder)
    (episode_boxes, *_) = split.read(split.demonstrations[0]).boxes or ()
    assert next(iter(episode_boxes.values())) == (89.9, 89.5, 106.25, 107)


def test_boxes_missing_for_a_frame(folder: Path) -> None:
    content = json.loads((folder / "boxes.json").read_text())
    del content["0000102"]
    (folder / "boxes.json").write_text(json.dumps(content))
    split = open_folder(folder)
    with pytest.raises(DatasetError, match=r"boxes\.json has no boxes for frame 102"):
        split.read(split.demonstrations[0])


@pytest.mark.parametrize("entry", [{"ann": []}, {"ann": [3]}, {}, []])
def test_malformed_validation_instructions(folder: Path, entry: Any) -> None:
    path = folder / "lang_annotations" / "embeddings.npy"
    np.save(path, np.array({"open_drawer": entry}, dtype=object), allow_pickle=True)
    with pytest.raises(DatasetError, match=r"embeddings\.npy"):
        _ = open_folder(folder).validation_instructions


def test_a_frame_twice_in_the_boxes_is_refused(tmp_path: Path) -> None:
    folder = write_split(tmp_path, "training", [make_episode(100, 2)])
    boxes = '{"0000100": {"drawer": {"box": [0, 0, 9, 9]}},\n"0000100": {"drawer": {"box": null}}}'
    (folder / "boxes.json").write_text(boxes)
    with pytest.raises(DatasetError, match=r"boxes\.json .*line 2: the key '0000100' is given twice"):
        _ = open_dataset(tmp_path, "training").boxes
