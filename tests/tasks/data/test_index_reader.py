"""Reading an index: lazily, from mapped files, byte for byte what was recorded."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from calvin.episode_file import save_episode
from calvin.training_index import Gaze, build_items, write_index
from errors import ArtifactDamaged, BatonError
from models.images import compose, through_jpeg, to_model_size
from tasks.context import InputFile
from tasks.data import index_reader
from tasks.data.index_reader import Frames, Items, Pictures, load_index
from tests.calvin.samples import make_episode
from tests.tasks.fake_context import input_file

SIZE = 48


@pytest.fixture
def files(tmp_path: Path) -> list[InputFile]:
    items, inputs = [], []
    for number in range(3):
        episode = make_episode(
            start=100 * number, frames=4, seed=number, instruction="öffne die Schublade, bitte"
        )
        gaze = [Gaze("colour", (20, 30, 60, 70), 0.9, None), *[Gaze("colour", None, None, "away")] * 3]
        items += build_items(episode, gaze, number)
        save_episode(episode, tmp_path / f"{number}.safetensors")
        inputs.append(
            input_file("index_frames", "episode", f"task_{number}", tmp_path / f"{number}.safetensors")
        )
    write_index(items, tmp_path / "index.json")
    return [input_file("index", "index", "index.json", tmp_path / "index.json"), *inputs]


@pytest.mark.parametrize("scan_bytes", [7, 1 << 20])
def test_items_are_those_of_the_json(files: list[InputFile], scan_bytes: int, monkeypatch) -> None:
    monkeypatch.setattr(index_reader, "_SCAN_BYTES", scan_bytes)
    items = Items(files[0].path)
    expected = json.loads(files[0].path.read_text())
    assert len(items) == len(expected) == 12
    assert list(items) == expected
    assert items[-1] == expected[-1]
    assert items[2:4] == expected[2:4]
    with pytest.raises(IndexError):
        items[12]


def test_pictures_are_composed_from_the_recorded_frames(files: list[InputFile]) -> None:
    index = load_index(files, SIZE)
    episode = make_episode(start=200, frames=4, seed=2)
    canvas = compose(episode.rgb_static[0], episode.rgb_gripper[0])
    np.testing.assert_array_equal(index.images[8], to_model_size(canvas, SIZE))
    target = compose(episode.rgb_static[0, 30:70, 20:60], episode.rgb_gripper[0])
    np.testing.assert_array_equal(index.targets[8], to_model_size(target, SIZE))
    assert index.targets[9] is None


def test_frames_come_back_byte_for_byte(files: list[InputFile]) -> None:
    frames = Frames({number: files[1 + number] for number in range(3)})
    episode = make_episode(start=100, frames=4, seed=1)
    static, gripper = frames.read(1, 102)
    assert static.tobytes() == episode.rgb_static[2].tobytes()
    assert gripper.tobytes() == episode.rgb_gripper[2].tobytes()


def test_few_episodes_stay_open(files: list[InputFile], monkeypatch) -> None:
    monkeypatch.setattr(index_reader, "_OPEN_EPISODES", 1)
    index = load_index(files, SIZE)
    first = [index._image(row).tobytes() for row in (0, 4, 8, 0, 4)]
    assert first[:2] == first[3:]
    assert len(index._frames._open) == 1


def test_damage_is_found_when_an_episode_is_first_opened(files: list[InputFile]) -> None:
    index = load_index(files, SIZE)
    damaged = bytearray(files[2].path.read_bytes())
    damaged[-1] ^= 1
    files[2].path.write_bytes(damaged)
    index.images[0]
    with pytest.raises(ArtifactDamaged, match=r"1\.safetensors is damaged"):
        index.images[4]
    with pytest.raises(BatonError, match="demonstration 2, whose frames are not here"):
        load_index(files[:3], SIZE).images[8]


def test_what_shall_verify_an_episode_does_so_when_it_is_first_opened(files: list[InputFile]) -> None:
    """Its bytes may lie on another machine until then."""
    brought: list[str] = []
    hidden = files[2].path.rename(files[2].path.with_suffix(".elsewhere"))

    def bring() -> None:
        brought.append(files[2].name)
        hidden.rename(files[2].path)

    index = load_index([*files[:2], replace(files[2], verify=bring), *files[3:]], SIZE)
    index.images[0]
    assert brought == []
    index.images[4], index.images[5]
    assert brought == [files[2].name]


def test_absence_is_found_when_an_episode_is_first_opened(files: list[InputFile]) -> None:
    """A bundle leaves episodes behind that nobody needed when it was made."""
    index = load_index(files, SIZE)
    files[2].path.unlink()
    index.images[0]
    with pytest.raises(ArtifactDamaged, match=r"1\.safetensors is missing"):
        index.images[4]


def test_pictures_are_kept_up_to_a_bound() -> None:
    made: list[int] = []

    def make(row: int) -> np.ndarray:
        made.append(row)
        return np.full(100, row, np.uint8)

    pictures = Pictures(make, rows=3, shape=(100,), kept_bytes=250)
    assert [int(pictures[row][0]) for row in (2, 1, 0, 2, 1, 0)] == [2, 1, 0, 2, 1, 0]
    assert made == [2, 1, 0, 0]
    assert pictures[1].base is pictures[2].base, "one block"


def test_a_row_without_a_picture_takes_no_room() -> None:
    made: list[int] = []

    def make(row: int) -> np.ndarray | None:
        made.append(row)
        return None if row == 0 else np.full(100, row, np.uint8)

    pictures = Pictures(make, rows=2, shape=(100,), kept_bytes=100)
    assert [pictures[0], pictures[0], int(pictures[1][0]), int(pictures[1][0])] == [None, None, 1, 1]
    assert made == [0, 1]


def test_kept_pictures_cannot_be_changed() -> None:
    pictures = Pictures(lambda row: np.zeros(4, np.uint8), rows=1, shape=(4,))
    with pytest.raises(ValueError, match="read-only"):
        pictures[0][0] = 1


def test_threads_that_ask_for_the_same_rows_get_the_same_pictures() -> None:
    pictures = Pictures(lambda row: np.full(8, row, np.uint8), rows=50, shape=(8,))
    with ThreadPoolExecutor(8) as pool:
        values = list(pool.map(lambda number: pictures[number % 50], range(400)))
    assert all((value == number % 50).all() for number, value in enumerate(values))
    assert all((pictures[row] == row).all() for row in range(50))


def test_pictures_with_the_losses_of_the_official_files(files: list[InputFile]) -> None:
    plain, lossy = load_index(files, SIZE), load_index(files, SIZE, jpeg=True)
    episode = make_episode(start=200, frames=4, seed=2)
    canvas = compose(episode.rgb_static[0], episode.rgb_gripper[0])
    np.testing.assert_array_equal(lossy.images[8], to_model_size(through_jpeg(canvas), SIZE))
    assert (lossy.images[8] != plain.images[8]).any() and (lossy.targets[8] != plain.targets[8]).any()
    assert lossy.targets[9] is None


def test_a_worker_keeps_the_index_open(files: list[InputFile]) -> None:
    memory: dict[str, object] = {}
    first = load_index(files, SIZE, memory=memory)
    assert load_index(files, SIZE, memory=memory) is first
    assert load_index(files, 96, memory=memory) is not first
    assert load_index(files, SIZE, memory=memory, jpeg=True) is not first
