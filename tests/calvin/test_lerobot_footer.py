"""What a footer says of columns, against what pyarrow reads in it; and what is no footer."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from calvin.lerobot_format import footer
from calvin.lerobot_format.footer import Leaf, leaves_of
from calvin.lerobot_format.tables import open_table
from errors import DatasetError

COLUMNS: dict[str, Any] = {
    "numbers": pa.array(np.arange(700)),
    "texts": pa.array([f"text {number % 7}" for number in range(700)]),
    "lists": pa.array([[0.5, number] for number in range(700)]),
    "pictures": pa.array([{"bytes": b"x" * number, "path": None} for number in range(700)]),
    "maps": pa.array([[("a", number)] for number in range(700)], pa.map_(pa.string(), pa.int64())),
    "truths": pa.array([number % 3 == 0 for number in range(700)]),
}


def written(**options: Any) -> bytes:
    made = io.BytesIO()
    pq.write_table(pa.table(COLUMNS), made, **options)
    return made.getvalue()


def footer_in(content: bytes) -> bytes:
    (length,) = struct.unpack("<I", content[-8:-4])
    return content[-8 - length : -8]


def as_pyarrow_reads(content: bytes) -> list[list[Leaf]]:
    about = pq.read_metadata(io.BytesIO(content))
    groups = [about.row_group(number) for number in range(about.num_row_groups)]
    columns = [[group.column(place) for place in range(group.num_columns)] for group in groups]
    return [
        [
            Leaf(
                c.dictionary_page_offset or c.data_page_offset,
                c.total_compressed_size,
                c.total_uncompressed_size,
            )
            for c in group
        ]
        for group in columns
    ]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"row_group_size": 100, "compression": "zstd"},
        {"use_dictionary": False, "version": "1.0"},
        {"data_page_version": "2.0", "write_page_index": True, "store_decimal_as_integer": True},
        {
            "write_page_checksum": True,
            "column_encoding": {"numbers": "DELTA_BINARY_PACKED"},
            "use_dictionary": False,
        },
        {"write_statistics": False, "sorting_columns": [pq.SortingColumn(0)]},
    ],
)
def test_sizes_and_places_are_those_that_pyarrow_reads(options: dict[str, Any]) -> None:
    content = written(**options)
    assert leaves_of(footer_in(content)) == as_pyarrow_reads(content)


def test_a_table_gives_them(tmp_path: Path) -> None:
    (tmp_path / "table.parquet").write_bytes(written(row_group_size=300))
    with open_table(tmp_path / "table.parquet", 1000) as table:
        assert table.leaves == as_pyarrow_reads((tmp_path / "table.parquet").read_bytes())
        assert table.chunks("numbers", 2) == [(table.leaves[2][0].begin, table.leaves[2][0].compressed)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "ends before"),
        (footer_in(written())[:400], "ends before"),
        (b"\x1d" * 100, "the type 13"),
        (b"\x18" + b"\xff" * 20, "more than 64 bits"),
        (b"\x49" + b"\xf6" + b"\x7f" + b"\x02" * 127 + b"\x00", "no row groups or columns"),
        (b"\x1c" * 200, "nested too deeply"),
        (b"\x49\x1c" + b"\x19\x1c" + b"\x00" * 4, "does not tell of a column where it lies"),
    ],
)
def test_what_is_no_footer_is_said(content: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        leaves_of(content)


@pytest.fixture(autouse=True)
def _nothing_kept() -> None:
    footer._kept.cache_clear()


def test_a_footer_that_is_met_again_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    content = footer_in(written())
    found = leaves_of(content)
    monkeypatch.setattr(footer, "_MOST_VALUES", 20)
    assert leaves_of(bytes(bytearray(content))) is found
    monkeypatch.setattr(footer, "_MOST_KEPT", 20)
    with pytest.raises(ValueError, match="more than 20 values"):
        leaves_of(content)


def test_values_of_a_footer_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    content = footer_in(written())
    monkeypatch.setattr(footer, "_MOST_VALUES", 20)
    with pytest.raises(ValueError, match="more than 20 values"):
        leaves_of(content)


def test_a_file_whose_footer_tells_too_little_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "table.parquet").write_bytes(written())
    monkeypatch.setattr(footer, "_MOST_VALUES", 20)
    with (
        open_table(tmp_path / "table.parquet", 1000) as table,
        pytest.raises(DatasetError, match=r"table\.parquet is damaged: the footer has more than 20 values\."),
    ):
        table.numbers("numbers", 0)
