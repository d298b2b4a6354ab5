"""Mutated parquet files: columns have other names, types, values and rows, footers and pages other bytes."""

from __future__ import annotations

import io
import random
import struct
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from trials.fuzzing.mutations import TEXTS, changed_bytes, changed_value

_CODECS = ("none", "snappy", "gzip", "zstd", "lz4", "brotli")
#: What a column can be in place of what it is.
_TYPES = (
    pa.int8(), pa.uint8(), pa.uint64(), pa.int64(), pa.float16(), pa.float32(), pa.float64(), pa.bool_(), pa.string(),
    pa.large_string(), pa.binary(), pa.date32(), pa.date64(), pa.time64("ns"), pa.timestamp("ns"), pa.timestamp("s"),
    pa.timestamp("us", "Nowhere/Land"), pa.duration("ns"), pa.decimal128(38, 3), pa.null(), pa.list_(pa.float32()),
    pa.list_(pa.string()), pa.list_(pa.float64(), 3), pa.large_list(pa.float32()), pa.list_(pa.list_(pa.int64())),
    pa.struct([("bytes", pa.binary()), ("path", pa.string())]), pa.map_(pa.string(), pa.int64()),
)  # fmt: skip


def changed_table_file(draw: random.Random, data: bytes, picture: Any = None) -> bytes:
    """picture: makes another of the bytes of an image file."""
    how = draw.random()
    if how < 0.2:
        return changed_bytes(draw, data, near=(4, 4, len(data) - 8))
    if how < 0.35:  # what lists columns and row groups, its length as it is or corrected
        (length,) = struct.unpack("<I", data[-8:-4])
        footer = changed_bytes(draw, data[-8 - length : -8])
        said = len(footer) if draw.random() < 0.8 else length
        return data[: -8 - length] + footer + struct.pack("<I", said % 2**32) + b"PAR1"
    table = pq.read_table(io.BytesIO(data))
    for _ in range(draw.randint(1, 2)):
        table = _changed(draw, table, picture)
    made = io.BytesIO()
    try:
        pq.write_table(
            table,
            made,
            row_group_size=draw.choice((1, 3, 1000)),
            compression=draw.choice(_CODECS),
            use_dictionary=draw.random() < 0.5,
            data_page_version=draw.choice(("1.0", "2.0")),
        )
    except pa.ArrowNotImplementedError:  # not every table can be in a file
        return changed_bytes(draw, data, near=(4,))
    return made.getvalue() if draw.random() < 0.8 else changed_bytes(draw, made.getvalue(), near=(4,))


def _changed(draw: random.Random, table: pa.Table, picture: Any) -> pa.Table:
    if not table.num_columns:
        return table
    at, how = draw.randrange(table.num_columns), draw.randrange(9)
    name = table.column_names[at]
    if how == 0 and table.num_columns > 1:
        return table.remove_column(at)
    if how == 1:
        names = list(table.column_names)
        names[at] = draw.choice([*(text for text in TEXTS if len(text) < 100), *names])
        return table.rename_columns(names)
    if how == 2 and table.num_rows:
        rows = [draw.randrange(table.num_rows) for _ in range(draw.choice((0, 1, table.num_rows, 300)))]
        return pa.concat_tables([table.slice(0, 0), *(table.slice(row, 1) for row in rows)])
    if how == 3:
        return table.append_column(
            draw.choice((name, "split", "scene", "first_frame", "boxes")), table.column(at)
        )
    if how == 4:
        other = _cast(table.column(at), draw.choice(_TYPES))
    else:
        try:
            values = table.column(at).to_pylist()
        except KeyError:  # a time of a zone that is none
            return table
        if picture is not None and values and isinstance(values[0], dict) and draw.random() < 0.8:
            place = draw.randrange(len(values))
            if isinstance(values[place], dict) and values[place].get("bytes"):
                values[place] = {**values[place], "bytes": picture(draw, values[place]["bytes"])}
        else:
            values = changed_value(draw, values)
        other = _array(values, table.column(at).type, table.num_rows)
    return table if other is None else table.set_column(at, name, other)


def _cast(column: pa.ChunkedArray, kind: pa.DataType) -> Any:
    try:
        return column.cast(kind, safe=False)
    except (pa.ArrowException, ValueError):
        return _array(column.to_pylist(), kind, len(column)) or pa.nulls(len(column), kind)


def _array(values: Any, kind: pa.DataType, rows: int) -> Any:
    """The values, of their column's type where that is possible; None where no column can hold them."""
    if not isinstance(values, list):
        return None
    values = (values + [None] * rows)[:rows]
    for wanted in (kind, None):
        try:
            return pa.array(values, wanted)
        except (pa.ArrowException, ValueError, TypeError, OverflowError, AttributeError):
            continue
    return None
