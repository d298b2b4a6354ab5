"""Datasets of strangers: what an archive, a header or a range says is looked at before memory is asked for it."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cli
from benchmark.tasks import TASKS
from calvin import annotations, boxes, npz
from calvin.annotations import MOST_FRAMES
from calvin.check import examine
from calvin.dataset import survey
from calvin.episode import FRAME_SHAPES
from calvin.episode_file import load_episode, save_episode
from calvin.frames import FrameFiles
from calvin.instructions import read_instruction_file
from calvin.split import annotated_frames
from calvin.training_index import write_index
from errors import DatasetError, InvalidInput
from settings.shown import shown
from tests.calvin.samples import make_episode
from tests.calvin.writing import write_split
from tests.hostile.sentences import sentence

FRAME = "episode_0000001.npz"
_LOCAL, _CENTRAL, _END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def with_header(text: str, version: int = 1, data: bytes = b"") -> bytes:
    """An .npy file whose header is this text."""
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text.encode("latin1") + data


def header(shape: str, descr: str = "'|u1'") -> bytes:
    return with_header(f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n")


def members() -> dict[str, bytes]:
    episode = make_episode(1, 1)
    return {f"{field}.npy": npy(getattr(episode, field)[0]) for field in FRAME_SHAPES}


def archive(method: int = zipfile.ZIP_DEFLATED, **changed: bytes) -> bytes:
    """A frame's archive, with other content of some of its arrays."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as written:
        for name, content in (members() | {f"{name}.npy": data for name, data in changed.items()}).items():
            written.writestr(name, content)
    return stream.getvalue()


def patched(content: bytes, mark: bytes, offset: int, code: str, value: int) -> bytes:
    """With another number in every record that begins with `mark`."""
    data, at = bytearray(content), 0
    while (at := content.find(mark, at)) >= 0:
        struct.pack_into(code, data, at + offset, value)
        at += 4
    return bytes(data)


def twice(content: bytes, code: str, local: int, central: int, value: int) -> bytes:
    return patched(patched(content, _LOCAL, local, code, value), _CENTRAL, central, code, value)


def cut_lzma() -> bytes:
    content = bytearray(archive(zipfile.ZIP_LZMA))
    content[60:400] = bytes(340)
    return bytes(content)


FRAMES: dict[str, tuple[Callable[[], bytes], str]] = {
    "8 GiB by its header": (lambda: archive(rgb_static=header("(8589934592,)")), "damaged"),
    "10^13 rows": (lambda: archive(rgb_static=header("(10000000000000, 3)")), "damaged"),
    "10^18 rows of nothing": (lambda: archive(rgb_static=header("(999999999999999999, 0)")), "damaged"),
    "a side of many digits": (lambda: archive(actions=header(f"({'9' * 5000},)", "'<f8'")), "header"),
    "a side below zero": (lambda: archive(actions=header("(-7,)", "'<f8'")), "header"),
    "many sides": (lambda: archive(actions=header("(" + "1, " * 60 + ")", "'<f8'")), "header"),
    "levels in a header": (lambda: archive(actions=with_header("[" * 5000 + "]" * 5000)), "header"),
    "levels in a shape": (lambda: archive(actions=header("(" * 300 + ")" * 300)), "header"),
    "levels in a type": (lambda: archive(actions=header("(7,)", "[" * 300 + "]" * 300)), "header"),
    "a structure": (lambda: archive(actions=header("(7,)", "[('a', '<f8')]")), "header"),
    "a sum in a header": (lambda: archive(actions=header("(3 + 4,)", "'<f8'")), "header"),
    "a long header": (lambda: archive(actions=with_header(" " * 60_000)), "would take"),
    "a header longer than the file": (lambda: archive(actions=b"\x93NUMPY\x02\x00\xff\xff\xff\xff{}"), "header"),
    "a version of another time": (lambda: archive(actions=with_header("{}", 9)), "header"),
    "objects": (lambda: archive(actions=header("(7,)", "'|O'")), "objects"),
    "dates": (lambda: archive(actions=header("(7,)", "'<M8'")), "plain"),
    "texts of no width": (lambda: archive(actions=header("(7,)", "'<U0'")), "plain"),
    "no array": (lambda: archive(actions=b"text"), "header"),
    "an empty member": (lambda: archive(actions=b""), "header"),
    "a picture of another size": (lambda: archive(rgb_static=npy(np.zeros((1, 1, 3), np.uint8))), "has shape"),
    "a picture that would take much": (lambda: archive(rgb_static=bytes(2_000_000)), "would take 2000000 bytes"),
    "a member that grows much": (
        lambda: twice(archive(), "<I", 22, 24, 0x7FFFFFFF), "would take 2147483647 bytes"
    ),
    "a member of other size": (lambda: twice(archive(), "<I", 22, 24, 90), "damaged|CRC"),
    "another checksum": (lambda: twice(archive(), "<I", 14, 16, 1), "CRC"),
    "LZMA": (lambda: archive(zipfile.ZIP_LZMA), "zip method 14"),
    "damaged LZMA": (cut_lzma, "zip method 14|damaged"),
    "bzip2": (lambda: archive(zipfile.ZIP_BZIP2), "zip method 12"),
    "an unknown method": (lambda: twice(archive(), "<H", 8, 10, 99), "zip method 99"),
    "encrypted": (lambda: twice(archive(), "<H", 6, 8, 1), "encrypted"),
    "strongly encrypted": (lambda: twice(archive(), "<H", 6, 8, 0x41), "encrypted"),
    "patched data": (lambda: twice(archive(), "<H", 6, 8, 0x20), "damaged"),
    "another local name": (lambda: archive().replace(b"actions.npy", b"actionz.npy", 1), "damaged"),
    "a list elsewhere": (lambda: patched(archive(), _END, 16, "<I", 0x7FFFFFFF), "damaged"),
    "a long list": (lambda: patched(archive(), _END, 12, "<I", 0x7FFFFFFF), "damaged"),
    "members elsewhere": (lambda: patched(archive(), _CENTRAL, 42, "<I", 0x7FFFFFFF), "damaged"),
    "a version that nobody reads": (lambda: patched(archive(), _CENTRAL, 6, "<H", 255), "damaged"),
    "an array twice": (
        lambda: archive(actionz=npy(np.zeros(7))).replace(b"actionz.npy", b"actions.npy"), "holds actions twice"
    ),
    "numbers that float64 does not have": (
        lambda: archive(actions=npy(np.full(7, np.longdouble("1e4000")))), "actions is not finite"
    ),
    "an npy": (lambda: npy(np.zeros(7)), "damaged: File is not a zip file"),
    "a text": (lambda: b"frame", "damaged"),
    "nothing": (lambda: b"", "damaged"),
    "an end alone": (lambda: _END + bytes(18), "has no rgb_static"),
    "the beginning": (lambda: archive()[:5000], "damaged"),
    "the end": (lambda: archive()[-400:], "damaged"),
}  # fmt: skip


@pytest.mark.parametrize("case", FRAMES)
def test_a_frame_that_says_too_much_is_one_sentence(case: str, tmp_path: Path) -> None:
    make, says = FRAMES[case]
    (tmp_path / FRAME).write_bytes(make())
    with pytest.raises(DatasetError, match=says) as refused:
        FrameFiles(tmp_path, 7).read(1)
    sentence(refused, tmp_path / FRAME)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("type_", ["<f8", "<f4", "<f2", ">f8", "<f16"])
def test_frames_as_numpy_writes_them_are_read(method: int, type_: str, tmp_path: Path) -> None:
    values = np.arange(7).astype(type_)
    (tmp_path / FRAME).write_bytes(archive(method, actions=npy(values), other=b"not looked at"))
    read = FrameFiles(tmp_path, 7).read(1)
    assert read["actions"].tolist() == values.tolist() and read["actions"].dtype == np.float64
    assert {name: array.shape for name, array in read.items()} == FRAME_SHAPES


def test_an_archive_above_the_limit_is_not_opened(tmp_path: Path) -> None:
    (file := tmp_path / FRAME).write_bytes(archive())
    for read in (lambda: npz.read_arrays(file, FRAME_SHAPES, 1000), lambda: npz.checksums(file, 1000)):
        with pytest.raises(DatasetError, match="at most 1000 are read") as refused:
            read()
        sentence(refused, file)


def test_data_check_goes_on_with_the_next_frame_and_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_split(tmp_path, "training", [make_episode(100, 2 * len(FRAMES) + 6)])
    for frame, (make, _) in enumerate(FRAMES.values(), start=103):
        (folder / f"episode_{frame:07d}.npz").write_bytes(make())
    assert cli.main(["data", "check", "--split", "training", "--json", str(tmp_path)]) == 1
    (found,) = json.loads(capsys.readouterr().out)["splits"].values()
    told = [problem for problem in found["problems"] if FRAME[:8] in problem]
    alike = sum(
        int(problem.split("the same holds for ")[1].split()[0]) for problem in told if "same" in problem
    )
    assert len(told) + alike == len(FRAMES)
    assert not any("0000101" in problem or f"{103 + len(FRAMES):07d}" in problem for problem in told)


# --- the small files -----------------------------------------------------------------------------

BOUNDS: dict[str, bytes] = {
    "10^13 rows": header("(10000000000000, 2)", "'<i8'"),
    "8 GiB": header("(536870912, 2)", "'<i8'"),
    "rows of nothing": header("(999999999999999999, 0)", "'<i8'"),
    "levels": with_header("(" * 5000),
    "digits": header(f"({'1' * 4000}, 2)", "'<i8'"),
    "an end before its start": npy(np.array([[5, 4]])),
    "frames below zero": npy(np.array([[-5, 4]])),
    "frames that no file has": npy(np.array([[0, 2**64 - 1]], dtype=np.uint64)),
    "shares": npy(np.array([[0.0, 1.0]])),
    "truths": npy(np.array([[False, True]])),
    "one column": npy(np.arange(4)),
    "no episode": npy(np.zeros((0, 2), np.int64)),
    "a text": b"0 100",
    "nothing": b"",
}


@pytest.mark.parametrize("case", BOUNDS)
def test_bounds_that_say_too_much_are_one_sentence(case: str, tmp_path: Path) -> None:
    (file := tmp_path / "ep_start_end_ids.npy").write_bytes(BOUNDS[case])
    with pytest.raises(DatasetError) as refused:
        annotations.read_bounds(file)
    sentence(refused, file)


def test_more_episodes_than_a_dataset_has_are_not_read(tmp_path: Path) -> None:
    with (file := tmp_path / "ep_start_end_ids.npy").open("wb") as stream:
        stream.truncate(annotations.SMALL.bytes + 1)  # takes no room on the disk
    for read in (annotations.read_bounds, annotations.read_scenes):
        with pytest.raises(DatasetError, match="at most") as refused:
            read(file)
        sentence(refused, file)


def annotated(tmp_path: Path, **changes: Any) -> Path:
    """A split of two annotations of two frames each."""
    folder = write_split(tmp_path, "training", [make_episode(100, 2), make_episode(102, 2)])
    file = folder / "lang_annotations" / "auto_lang_ann.npy"
    content = np.load(file, allow_pickle=True).item()
    for field, value in changes.items():
        content["info" if field == "indx" else "language"][field] = value
    boxed = np.empty((), dtype=object)
    boxed[()] = content
    np.save(file, boxed, allow_pickle=True)
    return folder


RANGES = {
    "3 10^8 frames": (0, 300_000_000),
    "one frame too many": (100, 100 + MOST_FRAMES),
    "a frame that no name has digits for": (10**12, 10**12),
    "the edge of 64 bits": (2**63 - 2, 2**63 - 1),
    "an end before its start": (101, 100),
    "a start below zero": (-1, 1),
}


@pytest.mark.parametrize("case", RANGES)
@pytest.mark.parametrize("recorded", [True, False])
def test_an_annotation_of_too_many_frames_is_refused(case: str, recorded: bool, tmp_path: Path) -> None:
    """recorded: whether the episodes' bounds allow for it."""
    folder = annotated(tmp_path, indx=[(100, 101), RANGES[case]])
    if recorded:
        np.save(folder / "ep_start_end_ids.npy", np.array([[0, 2**63 - 1]]))
    else:
        (folder / "ep_start_end_ids.npy").unlink()
    split, faults = survey(tmp_path, "training")
    assert annotated_frames(split) == [100, 101]
    (told,) = [str(fault) for fault in faults if "info.indx[1]" in str(fault)]
    assert str(folder) in told and len(told) < 400


def test_annotations_that_cover_too_many_frames_together_are_refused(tmp_path: Path) -> None:
    folder = annotated(tmp_path, indx=[(100, 103), (101, 103)])
    np.save(folder / "ep_start_end_ids.npy", np.array([[100, 103]]))
    (folder / "ep_lens.npy").unlink()
    split, faults = survey(tmp_path, "training", most_frames=7)
    assert not faults and len(split.demonstrations) == 2
    split, faults = survey(tmp_path, "training", most_frames=6)
    (told,) = faults
    assert "cover 7 frames; at most 6" in str(told) and str(folder) in str(told) and not split.demonstrations
    assert examine(split, annotated_frames(split)).problems == ()


@pytest.mark.parametrize("scene", [(0, 300_000_000), (0, 10**12 - 1)])
def test_scenes_may_be_of_any_length(scene: tuple[int, int], tmp_path: Path) -> None:
    folder = annotated(tmp_path)
    np.save(folder / "ep_start_end_ids.npy", np.array([scene]))
    (folder / "ep_lens.npy").unlink(missing_ok=True)
    boxed = np.empty((), dtype=object)
    boxed[()] = {"calvin_scene_A": scene}
    np.save(folder / "scene_info.npy", boxed, allow_pickle=True)
    split, faults = survey(tmp_path, "training")
    assert not faults and {demonstration.scene for demonstration in split.demonstrations} == {"A"}
    assert examine(split, annotated_frames(split)).problems == ()


BOXES = {
    "levels": "[" * 150 + "]" * 150,
    "levels beyond those of Python": '{"a":' * 20_000,
    "digits": '{"1": {"x": {"box": [' + "1" * 5000 + ", 0, 1, 1]}}}",
    "far off": '{"1": {"x": {"box": [0, 0, 1e300, 1]}}}',
    "not a number": '{"1": {"x": {"box": [NaN, 0, 1, 1]}}}',
    "a long box": '{"1": {"x": {"box": [' + "1, " * 5000 + "1]}}}",
    "a long name": '{"1": {"' + "x" * 5000 + '": 1}}',
    "a name that moves a terminal": '{"1": {"\\u001b[2J\\n": 1}}',
    "a long frame": '{"' + "9" * 5000 + '": {}}',
    "no frame": '{"x\\u001b[2J": {}}',
    "a frame in digits of another script": '{"１": {}}',
    "a frame twice": '{"1": {}, "01": {}}',
    "no object": "[]",
    "half a character": '{"\ud800": 1}'.encode("utf-8", "surrogatepass"),
    "nothing": "",
    "a frame under two numbers": '{"1": {}, "01": {}}',
    "a frame in another writing": '{"\u0663": {}}',
}


@pytest.mark.parametrize("case", BOXES)
def test_boxes_that_cannot_be_used_are_one_sentence(case: str, tmp_path: Path) -> None:
    content = BOXES[case]
    (file := tmp_path / "boxes.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DatasetError) as refused:
        boxes.read_boxes(file)
    sentence(refused, file)


@pytest.mark.parametrize("pixels", [-1, 2.5, True, "many", 10**90, [1] * 500, None])
def test_counts_of_pixels_that_cannot_be_used_are_one_sentence(pixels: Any, tmp_path: Path) -> None:
    content = {"1": {"x": {"box": [0, 0, 1, 1], "pixels": pixels}}}
    (file := tmp_path / "boxes.json").write_text(json.dumps(content))
    with pytest.raises(DatasetError) as refused:
        boxes.read_pixels(file)
    sentence(refused, file)


def test_episodes_that_overlap_are_told_once(tmp_path: Path) -> None:
    folder = write_split(tmp_path, "training", [make_episode(100, 2)])
    np.save(folder / "ep_start_end_ids.npy", np.array([[100, 101 + n] for n in range(500)]))
    split, _ = survey(tmp_path, "training")
    found = [problem for problem in examine(split, []).problems if "overlaps" in problem]
    assert len(found) == 1 and found[0].endswith("; the same holds for 498 more episodes.")


def test_a_frame_in_another_writing_is_no_frame(tmp_path: Path) -> None:
    folder = write_split(tmp_path, "training", [make_episode(100, 2)])
    (folder / "episode_\u0663\u0663.npz").write_bytes(b"")
    files = FrameFiles.find(folder, None)
    assert files.digits == 7 and files.on_disk().tolist() == [100, 101]


# --- instructions --------------------------------------------------------------------------------

INSTRUCTIONS: dict[str, tuple[Any, str]] = {
    "long": ("x" * 1001, "has 1001 characters; at most 1000 are taken"),
    "half a character": ("push \ud800", r"holds half a character: push \ud800"),
    "blanks": (" \n", "not an instruction"),
    "a number": (3, "not an instruction"),
}


@pytest.mark.parametrize("case", INSTRUCTIONS)
def test_what_is_no_instruction_is_refused_wherever_it_stands(case: str, tmp_path: Path) -> None:
    phrase, says = INSTRUCTIONS[case]
    folder = annotated(tmp_path, ann=[phrase, "x" * 1000])
    _, faults = survey(tmp_path, "training")
    (told,) = map(str, faults)
    assert f"language.ann[0] {says}" in told or f"language.ann[0] is {shown(phrase)}, {says}" in told

    boxed = np.empty((), dtype=object)
    boxed[()] = {"open_drawer": {"ann": [phrase]}}
    np.save(file := folder / "embeddings.npy", boxed, allow_pickle=True)
    with pytest.raises(DatasetError) as refused:
        annotations.read_instructions(file)
    assert says in sentence(refused, file)

    listed = {task: ["do it"] for task in TASKS} | {"open_drawer": [phrase]}
    (file := tmp_path / "some.yaml").write_text(json.dumps(listed))
    with pytest.raises(DatasetError) as refused:
        read_instruction_file(file)
    if case != "half a character":  # which is no YAML
        assert says in sentence(refused, file)


def test_of_an_episode_the_instruction_is_looked_at_too(tmp_path: Path) -> None:
    for phrase, says in INSTRUCTIONS.values():
        with pytest.raises(DatasetError, match="instruction ") as refused:
            make_episode(100, 2, instruction=phrase)
        assert says in sentence(refused, "")


# --- an index and an episode ---------------------------------------------------------------------

ITEM: dict[str, Any] = {
    "id": "x", "demonstration": 0, "frame": 0, "image": "x", "crop": None, "instruction": "x", "task": "open_drawer",
    "scene": "A", "robot_obs": [0.0] * 15, "actions": [[0.0] * 7] * 5,
    "gaze": {"detector": "x", "box": None, "score": None, "reason": "x", "source": None, "weight": 1.0},
}  # fmt: skip
ITEMS: dict[str, dict[str, Any]] = {
    "a whole number of many digits": {"robot_obs": [10**99] * 14 + [int("9" * 99)] + [0]},
    "not a number": {"robot_obs": [float("nan")] * 15},
    "an infinity": {"robot_obs": [float("inf")] * 15},
    "a truth": {"frame": True},
    "a long text": {"frame": "x" * 5000},
    "a long name": {"id": "\x1b[2J" * 5000, "frame": None},
    "levels": {"task": json.loads("[" * 90 + "]" * 90)},
    "an object": {"scene": {}},
    "a long instruction": {"instruction": "x" * 1001},
    "half a character in an instruction": {"instruction": "\ud800"},
}


@pytest.mark.parametrize("case", ITEMS)
def test_an_item_that_cannot_be_used_is_one_sentence(case: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as refused:
        write_index([ITEM | ITEMS[case]], tmp_path / "index.json")
    sentence(refused, "Item 0 ")
    assert write_index([ITEM], tmp_path / "index.json") == 1


def changed_header(file: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    content = file.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    values = json.loads(content[8 : 8 + length])
    made = change(values)
    text = made if isinstance(made, bytes) else json.dumps(values).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])


def about(**changes: Any) -> Callable[[dict[str, Any]], Any]:
    def change(values: dict[str, Any]) -> None:
        told = json.loads(values["__metadata__"]["episode"])
        values["__metadata__"]["episode"] = json.dumps(told | changes)

    return change


def of_field(**changes: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda values: values["actions"].update(changes)


EPISODES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no object": lambda _: b"[]",
    "levels": lambda _: b"[" * 20_000,
    "a text about it": lambda values: values.update(__metadata__="x"),
    "a list about it": lambda values: values["__metadata__"].update(episode="[]"),
    "levels about it": lambda values: values["__metadata__"].update(episode="[" * 20_000),
    "a number for text about it": lambda values: values["__metadata__"].update(episode=3),
    "an entry that is none": lambda values: values.update(actions=3),
    "an entry that is a list": lambda values: values.update(actions=["dtype"]),
    "a type that is none": of_field(dtype=["F64"] * 500),
    "a side below zero": of_field(shape=[-3, -2]),
    "a side of 2^62": of_field(shape=[2**62, 7]),
    "a side that is a text": of_field(shape=["x", 7]),
    "places below zero": of_field(data_offsets=[-48, -8]),
    "places of many digits": of_field(data_offsets=[10**90, 10**90 + 112]),
    "one place": of_field(data_offsets=[0]),
    "a start of many digits": about(start=10**90),
    "a start that is none": about(start="x"),
    "boxes that are none": about(boxes=[3, 3]),
    "boxes of one edge": about(boxes=[{"x": [1]}, {}]),
    "more about it": about(more=1),
}


@pytest.mark.parametrize("case", EPISODES)
def test_an_episode_that_says_too_much_is_one_sentence(case: str, tmp_path: Path) -> None:
    save_episode(make_episode(100, 2), file := tmp_path / "task_0.safetensors")
    changed_header(file, EPISODES[case])
    with pytest.raises(DatasetError) as refused:
        load_episode(file)
    sentence(refused, file if "start of" not in case else "")
