"""Parquet files of a LeRobot set as lerobot writes them: frames, episodes and tasks."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmark.embodiment import CALVIN
from calvin.boxes import boxes_document
from calvin.episode import IMAGE_FIELDS, Episode
from calvin.lerobot_format.dataset import BOXES_COLUMN
from calvin.lerobot_writer.layout import COLUMNS, Layout
from settings import files

#: Of zlib: 0.1 % larger than the default, in two fifths of its time.
_PNG_LEVEL = 3
_PANDAS_INDEX = "__index_level_0__"


def numbers_of(
    layout: Layout, episode: Episode, index: int, position: int, task: int
) -> dict[str, np.ndarray]:
    """Columns of numbers of an episode, (T, width) each, or (T,) of those that count.

    index: the episode's number. position: frames of those before it. task: the number of its task.
    """
    frames = np.arange(len(episode))
    found = {COLUMNS[name]: getattr(episode, name).astype(layout.numbers) for name in layout.vectors}
    return found | {
        "timestamp": (frames / CALVIN.control_hz).astype(np.float32),
        "frame_index": frames,
        "episode_index": np.full_like(frames, index),
        "index": position + frames,
        "task_index": np.full_like(frames, task),
    }


def write_frames(
    path: Path,
    layout: Layout,
    groups: Iterable[tuple[Episode, Mapping[str, np.ndarray], Mapping[str, np.ndarray]]],
) -> None:
    """A row group an episode. groups: of each its columns of numbers and its extras. Raises OSError."""
    import pyarrow.parquet as pq

    writer = None
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.whole(path) as stream:
        try:
            for episode, numbers, extras in groups:
                table = _frames_table(layout, episode, numbers, extras)
                if writer is None:
                    writer = pq.ParquetWriter(stream, table.schema, use_dictionary=False)
                writer.write_table(table, row_group_size=len(episode))
        finally:
            if writer is not None:
                writer.close()


def _frames_table(
    layout: Layout, episode: Episode, numbers: Mapping[str, np.ndarray], extras: Mapping[str, np.ndarray]
) -> Any:
    import pyarrow as pa

    columns: dict[str, Any] = {}
    for name in layout.features:
        field = next((field for field, column in COLUMNS.items() if column == name), None)
        if field in IMAGE_FIELDS:
            if layout.pictures == "png":
                columns[name] = _pictures(getattr(episode, field))
        elif name in numbers:
            columns[name] = _numbers(numbers[name])
        elif name in extras:
            columns[name] = _nested(extras[name])
        elif name == BOXES_COLUMN:
            columns[name] = pa.array(_boxes(episode), pa.string())
    features = {name: _hub_feature(layout.features[name]) for name in columns}
    about = json.dumps({"info": {"features": features}})
    return pa.table(columns).replace_schema_metadata({"huggingface": about})


def _numbers(values: np.ndarray) -> Any:
    import pyarrow as pa

    if values.ndim == 1:
        return pa.array(values)
    return pa.FixedSizeListArray.from_arrays(
        pa.array(np.ascontiguousarray(values).reshape(-1)), values.shape[1]
    )


def _nested(values: np.ndarray) -> Any:
    """(T, a, b, ...) as lists of lists."""
    import pyarrow as pa

    found = pa.array(np.ascontiguousarray(values).reshape(-1))
    for size in reversed(values.shape[1:]):
        found = pa.ListArray.from_arrays(np.arange(0, len(found) + 1, size, dtype=np.int32), found)
    return found


def _pictures(pictures: np.ndarray) -> Any:
    import pyarrow as pa

    names = [f"frame-{number:06d}.png" for number in range(len(pictures))]
    return pa.StructArray.from_arrays(
        [pa.array(list(map(png_bytes, pictures)), pa.binary()), pa.array(names, pa.string())],
        ["bytes", "path"],
    )


def png_bytes(picture: np.ndarray) -> bytes:
    """picture: uint8 (H, W, 3)."""
    stream = io.BytesIO()
    Image.fromarray(np.asarray(picture)).save(stream, format="PNG", compress_level=_PNG_LEVEL)
    return stream.getvalue()


def _boxes(episode: Episode) -> list[str]:
    """Empty texts where they are not known."""
    if episode.boxes is None:
        return [""] * len(episode)
    pixels = episode.pixels or [None] * len(episode)
    return [json.dumps(boxes_document(boxes, counts)) for boxes, counts in zip(episode.boxes, pixels)]


def _hub_feature(feature: Mapping[str, Any]) -> dict[str, Any]:
    """How the library `datasets` describes a column of info.json."""
    kind, shape = feature["dtype"], feature["shape"]
    if kind == "image":
        return {"_type": "Image"}
    value = {"dtype": kind, "_type": "Value"}
    if shape == [1]:
        return value
    if len(shape) == 1:
        return {"feature": value, "length": shape[0], "_type": "Sequence"}
    return {"shape": shape, "dtype": kind, "_type": f"Array{len(shape)}D"}


def write_tasks(path: Path, tasks: Sequence[str]) -> None:
    """`tasks.parquet`: numbers of tasks, and their texts as pandas keeps an index without a name."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    about = {
        "index_columns": [_PANDAS_INDEX],
        "column_indexes": [
            {"name": None, "field_name": None, "pandas_type": "unicode", "numpy_type": "object",
             "metadata": {"encoding": "UTF-8"}},
        ],
        "columns": [
            {"name": "task_index", "field_name": "task_index", "pandas_type": "int64", "numpy_type": "int64",
             "metadata": None},
            {"name": None, "field_name": _PANDAS_INDEX, "pandas_type": "unicode", "numpy_type": "object",
             "metadata": None},
        ],
        "creator": {"library": "pyarrow", "version": pa.__version__},
        "pandas_version": "2.2.0",
    }  # fmt: skip
    columns = {
        "task_index": pa.array(range(len(tasks)), pa.int64()),
        _PANDAS_INDEX: pa.array(tasks, pa.string()),
    }
    table = pa.table(columns).replace_schema_metadata({"pandas": json.dumps(about)})
    with files.whole(path) as stream:
        pq.write_table(table, stream)


def write_episodes(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """A file of `meta/episodes`. rows: of equal keys."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({name: pa.array([row[name] for row in rows]) for name in rows[0]})
    with files.whole(path) as stream:
        pq.write_table(table, stream)
