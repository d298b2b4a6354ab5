"""How many pixels show a thing: read with its box, written with it, and part of what a demonstration is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from calvin.dataset import open_dataset
from calvin.episode_file import load_episode, save_episode
from errors import DatasetError, InvalidInput
from tests.calvin.samples import make_episode
from tests.calvin.writing import write_split

FRAMES = 3
BOXES = tuple({"red_block": (frame, 1, 9, 12), "drawer": None} for frame in range(FRAMES))
PIXELS = tuple({"red_block": 40 + frame, "drawer": 0} for frame in range(FRAMES))


def split_of(folder: Path, pixels: object = PIXELS) -> Path:
    write_split(folder, "training", [make_episode(100, FRAMES, boxes=BOXES, pixels=pixels)])
    return folder / "training" / "boxes.json"


def test_they_are_written_and_read_again(tmp_path: Path) -> None:
    split_of(tmp_path)
    split = open_dataset(tmp_path, "training")
    episode = split.read(split.demonstrations[0])
    assert episode.boxes == BOXES and episode.pixels == PIXELS
    save_episode(episode, tmp_path / "episode.safetensors")
    assert load_episode(tmp_path / "episode.safetensors").pixels == PIXELS


def test_a_file_of_boxes_need_not_count_them(tmp_path: Path) -> None:
    file = split_of(tmp_path, None)
    assert "pixels" not in file.read_text()
    split = open_dataset(tmp_path, "training")
    episode = split.read(split.demonstrations[0])
    assert episode.boxes == BOXES and episode.pixels is None
    save_episode(episode, tmp_path / "episode.safetensors")
    assert b"pixels" not in (tmp_path / "episode.safetensors").read_bytes()[:4000]


def test_counts_of_some_things_are_counts_of_none(tmp_path: Path) -> None:
    file = split_of(tmp_path)
    content = json.loads(file.read_text())
    del next(iter(content.values()))["drawer"]["pixels"]
    file.write_text(json.dumps(content))
    split = open_dataset(tmp_path, "training")
    assert split.read(split.demonstrations[0]).pixels is None


def test_another_count_is_another_demonstration(tmp_path: Path) -> None:
    def fingerprint(name: str, pixels: object) -> str:
        split_of(tmp_path / name, pixels)
        split = open_dataset(tmp_path / name, "training")
        return split.fingerprint(split.demonstrations[0])

    other = tuple(frame | {"red_block": 1} for frame in PIXELS)
    assert len({fingerprint("a", PIXELS), fingerprint("b", other), fingerprint("c", None)}) == 3


@pytest.mark.parametrize("count", ["many", -1, 2.5, None])
def test_what_is_no_count_is_named(tmp_path: Path, count: object) -> None:
    file = split_of(tmp_path)
    content = json.loads(file.read_text())
    content["0000101"]["red_block"]["pixels"] = count
    file.write_text(json.dumps(content))
    split = open_dataset(tmp_path, "training")
    with pytest.raises(DatasetError, match=r"boxes\.json: frame 0000101, red_block: pixels is"):
        split.read(split.demonstrations[0])


def test_there_is_a_count_for_each_frame_or_for_none() -> None:
    with pytest.raises(DatasetError, match="pixels are given for 2 of 3 frames"):
        make_episode(100, FRAMES, boxes=BOXES, pixels=PIXELS[:2])


def test_a_split_counts_all_or_none(tmp_path: Path) -> None:
    first, second = (
        make_episode(start, FRAMES, boxes=BOXES, pixels=p) for start, p in ((1, PIXELS), (9, None))
    )
    with pytest.raises(InvalidInput, match="have pixels or none has"):
        write_split(tmp_path, "training", [first, second])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("[1]", "content is a list"),
        ('{"1": []}', "frame 1 is a list"),
        ('{"1": {"red_block": {}}}', "frame 1, red_block: "),
    ],
)
def test_a_file_of_another_form_is_said_without_pythons_words(
    tmp_path: Path, content: str, sentence: str
) -> None:
    file = split_of(tmp_path)
    file.write_text(content)
    split = open_dataset(tmp_path, "training")
    with pytest.raises(DatasetError, match=sentence) as raised:
        split.read(split.demonstrations[0])
    assert "Error" not in str(raised.value) and "object has no" not in str(raised.value)
