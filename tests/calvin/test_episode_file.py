from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from calvin.episode_file import load_episode, save_episode
from errors import DatasetError
from tests.calvin.samples import assert_same_episode, make_episode


@pytest.mark.parametrize("fields", [{}, {"boxes": None}, {"instruction": "çürük “elma”\n"}])
def test_round_trip(tmp_path: Path, fields: dict) -> None:
    episode = make_episode(**fields)
    save_episode(episode, tmp_path / "e.safetensors")
    assert_same_episode(load_episode(tmp_path / "e.safetensors"), episode)


def test_equal_episodes_give_equal_bytes(tmp_path: Path) -> None:
    written = []
    for name in ("first", "second"):
        save_episode(make_episode(), tmp_path / name)
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1]
    save_episode(make_episode(instruction="another"), tmp_path / "third")
    assert (tmp_path / "third").read_bytes() != written[0]


def test_images_are_memory_mapped_and_read_only(tmp_path: Path) -> None:
    save_episode(make_episode(), tmp_path / "e")
    episode = load_episode(tmp_path / "e")
    assert isinstance(episode.rgb_static, np.memmap)
    assert isinstance(episode.rgb_gripper, np.memmap)
    assert not episode.rgb_static.flags.writeable


def test_any_safetensors_reader_reads_it(tmp_path: Path) -> None:
    episode = make_episode()
    save_episode(episode, tmp_path / "e")
    tensors = load_file(tmp_path / "e")
    np.testing.assert_array_equal(tensors["rgb_gripper"], episode.rgb_gripper)
    assert set(tensors) == {"rgb_static", "rgb_gripper", "robot_obs", "scene_obs", "actions", "rel_actions"}


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"e is missing\.$"):
        load_episode(tmp_path / "e")


@pytest.mark.parametrize("kept_bytes", [0, 5, 8, 200])
def test_header_cut_short(tmp_path: Path, kept_bytes: int) -> None:
    save_episode(make_episode(), tmp_path / "e")
    (tmp_path / "e").write_bytes((tmp_path / "e").read_bytes()[:kept_bytes])
    with pytest.raises(DatasetError, match="is not a safetensors file"):
        load_episode(tmp_path / "e")


def test_data_cut_short(tmp_path: Path) -> None:
    save_episode(make_episode(), tmp_path / "e")
    (tmp_path / "e").write_bytes((tmp_path / "e").read_bytes()[:-1])
    with pytest.raises(DatasetError, match="is cut short: "):
        load_episode(tmp_path / "e")


def test_other_safetensors_file(tmp_path: Path) -> None:
    save_file({"weight": np.zeros(3)}, tmp_path / "e")
    with pytest.raises(DatasetError, match="is not an episode file"):
        load_episode(tmp_path / "e")


def _rewrite_header(path: Path, field: str, key: str, value: object) -> None:
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    header[field][key] = value
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("dtype", "BF16", "robot_obs is BF16, not one of U8, F64"),
        ("shape", [6, 14], "which is not its shape"),
        ("data_offsets", [0, 8], "which is not its shape"),
    ],
)
def test_inconsistent_header(tmp_path: Path, key: str, value: object, message: str) -> None:
    save_episode(make_episode(), tmp_path / "e")
    _rewrite_header(tmp_path / "e", "robot_obs", key, value)
    with pytest.raises(DatasetError, match=message):
        load_episode(tmp_path / "e")
