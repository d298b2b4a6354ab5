"""An episode as one safetensors file: equal episodes give equal bytes; frames are read when touched."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save as to_safetensors

from calvin.episode import FRAME_SHAPES, IMAGE_FIELDS, OPTIONAL_FIELDS, Episode
from errors import DatasetError
from settings.faults import need_fact
from settings.shown import cut, shown
from settings.tensor_header import read_json_header

METADATA_KEY = "episode"
#: True boxes and pixels of each thing in each frame are in it.
_LONGEST_HEADER_BYTES = 256 << 20
#: What comes of a header that has the parts and not their form.
_UNUSABLE = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, RecursionError)
_DTYPES: dict[str, np.dtype] = {"U8": np.dtype("u1"), "F64": np.dtype("<f8")}


def save_episode(episode: Episode, path: Path) -> None:
    """Write `episode` to `path`: uint8 frames uncompressed, vectors float64, the rest as one JSON string. What the
    episode lacks is not in it.

    Plain write: whoever owns `path` makes it appear whole (temporary name, rename).
    """
    known = {field: getattr(episode, field) for field in FRAME_SHAPES}
    tensors = {field: np.ascontiguousarray(array) for field, array in known.items() if array is not None}
    about = {
        "task": episode.task,
        "instruction": episode.instruction,
        "scene": episode.scene,
        "split": episode.split,
        "start": episode.start,
        "end": episode.end,
        "boxes": None if episode.boxes is None else [dict(frame) for frame in episode.boxes],
    }
    if episode.pixels is not None:
        about["pixels"] = [dict(frame) for frame in episode.pixels]
    # One metadata key only: safetensors writes several in the random order of a hash map.
    path.write_bytes(to_safetensors(tensors, {METADATA_KEY: json.dumps(about, sort_keys=True)}))


def load_episode(path: Path) -> Episode:
    """The episode in `path`; its images are read-only memory maps, so a frame is read when it is looked at.

    Raises DatasetError naming the file and what is missing or damaged in it.
    """
    header, data_offset = _header(path)
    try:
        about = json.loads(header["__metadata__"][METADATA_KEY])
        boxes, pixels = about.pop("boxes"), about.pop("pixels", None)
        arrays: dict[str, Any] = {
            field: None
            if field in OPTIONAL_FIELDS and field not in header
            else _tensor(path, field, header[field], data_offset)
            for field in FRAME_SHAPES
        }
        return Episode(
            **arrays,
            **about,
            boxes=None if boxes is None else tuple(map(_boxes, boxes)),
            pixels=None if pixels is None else tuple(pixels),
        )
    except _UNUSABLE as error:
        raise DatasetError(f"{path} is not an episode file: {shown(error, 200)}.") from None


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """The JSON header of a safetensors file and where its data begin, in bytes."""
    try:
        header, begin, _ = read_json_header(path, _LONGEST_HEADER_BYTES)
        return header, begin
    except FileNotFoundError:
        raise DatasetError(f"{path} is missing.") from None
    except (OSError, ValueError) as error:
        need_fact(error)
        raise DatasetError(f"{path} is not a safetensors file: {cut(str(error), 200)}.") from None


def _tensor(path: Path, field: str, entry: dict[str, Any], data_offset: int) -> np.ndarray:
    if entry["dtype"] not in _DTYPES:
        raise DatasetError(f"{path}: {field} is {cut(str(entry['dtype']))}, not one of {', '.join(_DTYPES)}.")
    dtype, shape = _DTYPES[entry["dtype"]], tuple(entry["shape"])
    begin, end = entry["data_offsets"]
    if not all(type(number) is int and number >= 0 for number in (*shape, begin, end)):
        raise DatasetError(
            f"{path}: {field} has shape {shown(shape)} and place {shown(begin)} to {shown(end)}."
        )
    if end - begin != dtype.itemsize * math.prod(shape):
        raise DatasetError(
            f"{path}: {field} takes {shown(end - begin)} bytes, which is not its shape {shown(shape)}."
        )
    if data_offset + end > path.stat().st_size:
        raise DatasetError(f"{path} is cut short: {field} should end at byte {shown(data_offset + end)}.")
    mapped = np.memmap(path, dtype, "r", data_offset + begin, shape)
    return mapped if field in IMAGE_FIELDS else np.array(mapped)


def _boxes(frame: dict[str, list[float] | None]) -> dict[str, tuple[float, float, float, float] | None]:
    return {name: None if box is None else (box[0], box[1], box[2], box[3]) for name, box in frame.items()}
