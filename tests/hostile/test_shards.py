"""Tar shards of strangers: nothing of one is unpacked, and what its headers say is looked at before bytes are."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from calvin import tar_shards
from calvin.split import TRAINING, open_split
from errors import DatasetError
from tests.calvin.samples import make_episode
from tests.calvin.writing import write_split
from tests.hostile.sentences import sentence


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    """Three frames in a tar file; the second is changed."""
    root = tmp_path / "set"
    folder = write_split(root, TRAINING, [make_episode(100, 3)])
    with tarfile.open(root / "a.tar", "w") as packed:
        for frame in sorted(folder.glob("episode_*.npz")):
            packed.add(frame, f"training/{frame.name}")
            frame.unlink()
    return root / "a.tar"


def read(shard: Path) -> None:
    split = open_split(shard.parent, TRAINING)
    split.read(split.demonstrations[0])


def header(place: int, content: bytes) -> Callable[[Path], None]:
    """Other bytes in the header of the second frame."""

    def change(shard: Path) -> None:
        data = bytearray(shard.read_bytes())
        with tarfile.open(shard) as packed:
            begin = packed.getmembers()[1].offset_data - 512 + place
        data[begin : begin + len(content)] = content
        shard.write_bytes(data)

    return change


def name(text: str, form: int) -> Callable[[Path], None]:
    """Another name of the second frame, in one of the ways that tar has for long ones."""

    def change(shard: Path) -> None:
        with tarfile.open(shard) as packed:
            held = [(one, packed.extractfile(one).read()) for one in packed]  # type: ignore[union-attr]
        held[1][0].name = text
        with tarfile.open(shard, "w", format=form) as packed:
            for one, content in held:
                packed.addfile(one, io.BytesIO(content))

    return change


def fifo(shard: Path) -> None:
    shard.unlink()
    os.mkfifo(shard)


REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "a size of 8 GB": (header(124, b"77777777777\0"), "is cut short"),
    "a size that is no number": (header(124, b"-1\0         "), "is no tar file, or damaged"),
    "a size of 2^70, as GNU writes it": (header(124, b"\x80\0\0\x40" + bytes(8)), "is no tar file, or damaged"),
    "a link to another file": (header(156, b"2"), "gap at frame 101"),
    "a hard link": (header(156, b"1"), "gap at frame 101"),
    "a device": (header(156, b"3"), "gap at frame 101"),
    "a name of 60 KB": (header(156, b"L"), "gap at frame 101|a header of"),
    "a name that leads out": (name("../../episode_0000101.txt", tarfile.GNU_FORMAT), "gap at frame 101"),
    "a long name": (name("x" * 3000 + "/training_episode_0000101.txt", tarfile.GNU_FORMAT), "gap at frame 101"),
    "a long name of pax": (name("é" * 3000, tarfile.PAX_FORMAT), "gap at frame 101"),
    "a frame twice": (name("training/episode_0000100.npz", tarfile.GNU_FORMAT), "frame 100 is in a.tar too"),
    "a number of a billion": (name("training/episode_999999999999.npz", tarfile.GNU_FORMAT), "gap at frame 101"),
    "a FIFO": (fifo, "it is a FIFO"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_shard_that_says_too_much_is_one_sentence(case: str, shard: Path) -> None:
    change, told = REFUSED[case]
    change(shard)
    before = sorted(shard.parent.rglob("*"))
    with pytest.raises(DatasetError, match=told) as refused:
        read(shard)
    sentence(refused, shard.parent)
    assert sorted(shard.parent.rglob("*")) == before


def test_a_frame_of_too_many_bytes_is_not_read(shard: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tar_shards, "MOST_ARCHIVE_BYTES", 100)
    with pytest.raises(DatasetError, match="frame 100 would take") as refused:
        read(shard)
    sentence(refused, shard)


def test_a_header_of_too_many_bytes_is_not_read(shard: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tar_shards, "_MOST_NAME_BYTES", 100)
    name("x" * 300, tarfile.GNU_FORMAT)(shard)
    with pytest.raises(DatasetError, match="has a header of") as refused:
        read(shard)
    sentence(refused, shard)
