"""LeRobot sets of strangers: sizes, paths and kinds of files are looked at before anything is made of them."""

from __future__ import annotations

import errno
import json
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from calvin.lerobot_format import films, tables
from calvin.lerobot_format.footer import Leaf
from calvin.lerobot_format.tables import open_table
from calvin.split import TRAINING, Reading, open_split
from errors import DatasetError
from tests.calvin import lerobot_sets as sets
from tests.hostile.sentences import sentence

NONE = Reading(validation_episodes="none")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return sets.write_v2(tmp_path / "set", sets.episodes(2))


def table(root: Path) -> Path:
    return root / "data" / "chunk-000" / "episode_000000.parquet"


def read(root: Path) -> None:
    split = open_split(root, TRAINING, NONE)
    split.read(split.demonstrations[0])


@pytest.mark.parametrize(
    "pattern",
    [
        "/etc/{episode_index}.parquet",
        "../../{episode_index}.parquet",
        "data/{episode_index:0999999999d}.parquet",
        "data/{episode_index.__class__}.parquet",
        "data/{0}.parquet",
        "data/{unknown}.parquet",
        "data/{episode_index!r}.parquet",
        "data/\ud800{episode_index}.parquet",
        "data/\0{episode_index}.parquet",
    ],
)
def test_a_pattern_leads_nowhere_else(root: Path, pattern: str) -> None:
    sets.change_info(root, data_path=pattern)
    with pytest.raises(DatasetError, match="data_path is") as refused:
        read(root)
    sentence(refused, root / "meta" / "info.json")


@pytest.mark.parametrize("name", ["../x", ".x", "x\0", "x\ud800", "x" * 256, "名" * 90])
def test_a_column_that_no_folder_can_be_called_is_none(root: Path, name: str) -> None:
    features = json.loads((root / "meta" / "info.json").read_text())["features"]
    sets.change_info(root, features={**features, name: {"dtype": "video", "shape": [200, 200, 3]}})
    with pytest.raises(DatasetError, match="is no name of a column") as refused:
        read(root)
    sentence(refused, root / "meta" / "info.json")


@pytest.mark.parametrize(
    "changed",
    [
        {"total_frames": 10**15},
        {"total_episodes": -1},
        {"total_episodes": True},
        {"chunks_size": 0},
        {"fps": float("nan")},
        {"fps": "30"},
        {"features": {str(number): {} for number in range(1000)}},
        {"features": {"a": {"dtype": "image", "shape": [200] * 50}}},
        {"features": {"../a": {"dtype": "video", "shape": [200, 200, 3]}}},
        {"splits": ["train"]},
        {"codebase_version": ["v2.1"] * 10_000},
    ],
)
def test_what_describes_a_set_is_within_bounds(root: Path, changed: dict[str, Any]) -> None:
    sets.change_info(root, **changed)
    with pytest.raises(DatasetError) as refused:
        open_split(root, TRAINING)
    sentence(refused, root / "meta" / "info.json")


def bomb(width: int, height: int) -> bytes:
    """A PNG that says it has so many pixels, and holds few bytes."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def with_pictures(root: Path, values: list[Any]) -> None:
    path = table(root)
    there = pq.read_table(path)
    column = pa.array(values, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    there = there.set_column(there.schema.get_field_index(sets.TOP), sets.TOP, column)
    pq.write_table(there, path)


def with_profile(content: bytes) -> bytes:
    """A sound picture with colours' profile behind its pixels."""
    sound = sets.png(np.zeros((200, 200, 3), dtype=np.uint8))
    profile = struct.pack(">I", len(content)) + b"iCCP" + content
    return sound[:-12] + profile + struct.pack(">I", zlib.crc32(profile[4:])) + sound[-12:]


#: What stands in the place of five pictures, and what the sentence says of it.
PICTURES: dict[str, tuple[Any, str]] = {
    "a bomb": ({"bytes": bomb(60_000, 60_000)}, "no PNG or JPEG|60000 x 60000"),
    "a large one": ({"bytes": bomb(5000, 5000)}, "a picture of 5000 x 5000, not 200 x 200"),
    "cut short": ({"bytes": sets.png(np.zeros((200, 200, 3), dtype=np.uint8))[:60]}, "is damaged|no PNG"),
    "too little in it": ({"bytes": bomb(200, 200)}, "is damaged"),
    "a profile that ends too soon": ({"bytes": with_profile(b"name\0")}, "is damaged|no PNG"),
    "no picture": ({"bytes": b"GIF89a" + bytes(100)}, "is no PNG or JPEG"),
    "many bytes": ({"bytes": bytes(2 << 20)}, "has 2097152 bytes; at most"),
    "elsewhere": ({"path": "/etc/passwd"}, "leads out of"),
    "above": ({"path": "images/../../../x.png"}, "leads out of"),
    "nowhere": ({"path": "images/none.png"}, "none.png is missing"),
    "nothing": ({}, "NoneType, neither bytes nor a path|is missing"),
    "grey": ({"bytes": sets.png(np.zeros((200, 200), dtype=np.uint8))}, "of mode L, not of colours"),
}


@pytest.mark.parametrize("what", PICTURES)
def test_a_picture_is_looked_at_before_it_is_unpacked(root: Path, what: str) -> None:
    value, told = PICTURES[what]
    with_pictures(root, [{"bytes": None, "path": None, **value}] * 5)
    with pytest.raises(DatasetError, match=told) as refused:
        read(root)
    sentence(refused, root)


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def long_footer(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-8] + struct.pack("<I", 2**31 - 1) + b"PAR1")


def noise_in_footer(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-200:-8] = np.random.RandomState(0).bytes(192)
    path.write_bytes(bytes(content))


def many_rows(path: Path) -> None:
    there = pq.read_table(path)
    pq.write_table(pa.concat_tables([there] * 40), path)


def noise_in_pages(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4:2000] = np.random.RandomState(0).bytes(1996)
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("spoil", [fifo, long_footer, noise_in_footer, many_rows, noise_in_pages])
def test_a_table_is_a_regular_file_of_sound_sizes(root: Path, spoil: Callable[[Path], None]) -> None:
    spoil(table(root))
    with pytest.raises(DatasetError) as refused:
        read(root)
    sentence(refused, table(root))


def test_a_footer_that_says_more_rows_than_there_are_is_refused(root: Path) -> None:
    """Of five rows, six: numbers of all columns are read as they are, and counted."""
    path = table(root)
    content = path.read_bytes()
    (length,) = struct.unpack("<I", content[-8:-4])
    footer = content[-8 - length : -8]
    five, six = (
        b"\x16" + bytes([2 * 5]),
        b"\x16" + bytes([2 * 6]),
    )  # Thrift's whole numbers, as they are packed
    path.write_bytes(content[: -8 - length] + footer.replace(five, six) + content[-8:])
    listed = [json.loads(line) for line in (root / "meta" / "episodes.jsonl").read_text().splitlines()]
    assert listed[0]["length"] == 5
    sets.lines(root / "meta" / "episodes.jsonl", [{**listed[0], "length": 6}, *listed[1:]])
    sets.change_info(root, total_frames=sum(line["length"] for line in listed) + 1)
    with pytest.raises(DatasetError, match="rows") as refused:
        read(root)
    sentence(refused, path)


def column_of(name: str, values: pa.Array) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        pq.write_table(pq.read_table(path).append_column(name, values), path)

    return change


#: What no value of Python's is, by the column that it stands in.
NO_VALUES = {
    "a time of no zone": pa.array([0] * 5, pa.timestamp("us", "Nowhere/Land")),
    "a time of no year": pa.array([2**62] * 5, pa.timestamp("us")),
    "a day of no year": pa.array([2**31 - 1] * 5, pa.date32()),
}


@pytest.mark.parametrize("what", NO_VALUES)
def test_a_value_that_cannot_be_looked_at_is_one_sentence(root: Path, what: str) -> None:
    features = json.loads((root / "meta" / "info.json").read_text())["features"]
    sets.change_info(root, features={**features, "boxes": {"dtype": "string", "shape": [1]}})
    column_of("boxes", NO_VALUES[what])(table(root))
    with pytest.raises(DatasetError, match=r"boxes is damaged|boxes of episode 0 are") as refused:
        read(root)
    sentence(refused, table(root))


@pytest.mark.parametrize(
    ("begin", "length"),
    [(2**63 - 1, 100), (0, 2**62), (-1, 5), (5, -1), (10_000_000, 1), (2**63 - 5, 2**63 - 5)],
)
def test_a_column_lies_within_its_file(root: Path, begin: int, length: int) -> None:
    """Its bytes are looked at for the fingerprint, without pyarrow."""
    with open_table(table(root), 100) as there:
        changed = replace(there)
        vars(changed)["leaves"] = [[Leaf(begin, length, 5)] * len(there.paths)]
        with pytest.raises(DatasetError, match="has no place in the file") as refused:
            changed.chunks(sets.TOP, 0)
    sentence(refused, table(root))


def test_a_row_group_has_the_columns_of_the_schema(root: Path) -> None:
    with open_table(table(root), 100) as there:
        changed = replace(there, paths=(*there.paths, "one more"))
        with pytest.raises(DatasetError, match="other columns than the schema") as refused:
            changed.chunks(sets.TOP, 0)
    sentence(refused, table(root))


def test_texts_of_a_set_are_shown_escaped(root: Path) -> None:
    features = json.loads((root / "meta" / "info.json").read_text())["features"]
    for name, feature in features.items():
        if name.startswith("action"):
            feature["dtype"] = "\u202e"
    sets.change_info(root, features=features, robot_type="\x1b[31m")
    with pytest.raises(DatasetError) as refused:
        read(root)
    sentence(refused, root / "meta" / "info.json")


@pytest.mark.parametrize("name", ["info.json", "episodes.jsonl", "tasks.jsonl", "modality.json"])
def test_small_files_are_regular_and_plain(root: Path, name: str) -> None:
    path = root / "meta" / name
    for content in (b"[" * 100_000, b"\xff\xfe", b'{"a": ' + b"9" * 10_000 + b"}", b"[]"):
        path.write_bytes(content)
        with pytest.raises(DatasetError) as refused:
            read(root)
        sentence(refused, root / "meta")
    fifo(path)
    with pytest.raises(DatasetError, match=r"FIFO|is missing") as refused:
        read(root)


#: What stands in the place of a film, and what the sentence says of it.
FILMS: dict[str, tuple[bytes, str]] = {
    "a list of other files": (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "is damaged, or no mp4"),
    "nothing": (b"", "is damaged, or no mp4"),
    "noise": (np.random.RandomState(0).bytes(5000), "is damaged, or no mp4"),
    "a box of a size that is not there": (
        struct.pack(">I4s", 2**31 - 1, b"moov") + bytes(50),
        "no mp4|has 0 pictures' streams",
    ),
}


@pytest.mark.parametrize("what", FILMS)
def test_a_film_is_an_mp4(tmp_path: Path, what: str) -> None:
    content, told = FILMS[what]
    root = sets.write_v2(tmp_path / "set", sets.episodes(1), pictures="films")
    path = root / "videos" / "chunk-000" / sets.TOP / "episode_000000.mp4"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=told) as refused:
        read(root)
    sentence(refused, path)


def test_a_film_of_other_dimensions_is_not_decoded(tmp_path: Path) -> None:
    root = sets.write_v2(tmp_path / "set", sets.episodes(1), pictures="films")
    path = root / "videos" / "chunk-000" / sets.TOP / "episode_000000.mp4"
    sets.write_film(path, np.zeros((5, 480, 640, 3), dtype=np.uint8))
    with pytest.raises(DatasetError, match="has pictures of 640 x 480, not 200 x 200"):
        read(root)


def test_a_film_that_is_cut_short_is_told(tmp_path: Path) -> None:
    root = sets.write_v2(tmp_path / "set", sets.episodes(1), pictures="films")
    path = root / "videos" / "chunk-000" / sets.WRIST / "episode_000000.mp4"
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(DatasetError) as refused:
        read(root)
    sentence(refused, path)


def test_numbers_of_episodes_are_within_bounds(root: Path) -> None:
    path = root / "meta" / "episodes.jsonl"
    good = path.read_text()
    for changed in (
        {"length": 10**12},
        {"length": True},
        {"episode_index": -1},
        {"episode_index": 10**9},
        {"tasks": 3},
    ):
        listed = [json.loads(line) for line in good.splitlines()]
        sets.lines(path, [{**listed[0], **changed}, listed[1]])
        with pytest.raises(DatasetError, match=r"line 1: (length|episode_index|tasks)"):
            read(root)


def test_a_table_that_asks_for_more_than_any_takes_is_damaged_and_the_machine_is_short_otherwise(
    root: Path,
) -> None:
    with (
        pytest.raises(
            DatasetError, match="is damaged: it asks for 1152921504606846976 bytes at once"
        ) as refused,
        tables._told(root),
    ):
        raise pa.ArrowMemoryError("malloc of size 1152921504606846976 failed")
    sentence(refused, root)
    for said in ("malloc of size 4096 failed", "realloc of size 100000 failed", "out of memory"):
        with pytest.raises(MemoryError), tables._told(root):
            raise pa.ArrowMemoryError(said)


@pytest.mark.parametrize("gives", [True, False])
def test_a_film_is_damaged_only_where_the_machine_has_memory(
    root: Path, gives: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(films, "gives_memory", lambda count: gives)
    short = av.error.MemoryError(errno.ENOMEM, "Cannot allocate memory", "x.mp4")
    with pytest.raises(DatasetError if gives else MemoryError), films._told(root):
        raise short
