"""A LeRobot set as large as the public conversions of CALVIN, made up: states and actions that fit each other, small
pictures of one colour.

What is looked at when a set is opened is as much as in a real one (files, rows, numbers); pictures are smaller.
"""

from __future__ import annotations

import io
import json
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from benchmark.actions import relative_action

TOP, WRIST = "observation.images.top", "observation.images.wrist"
SIZES = {TOP: 200, WRIST: 84}
FRAMES = 60  # of each episode: CALVIN's windows have 32 to 64
#: Of which the numbers of all are made, moved a little.
_DISTINCT = 50
_PER_FILE = 1000
LAYOUTS = ("v2.1 png", "v2.1 films", "v3.0 png", "v3.0 films")
_TASKS = ("open_drawer: pull the drawer", "close_drawer: push the drawer", "stack_block: stack the blocks")


def write(root: Path, layout: str, episodes: int) -> Path:
    """layout: one of LAYOUTS. Returns `root`, which must be new."""
    version, pictures = layout.split()
    (root / "meta").mkdir(parents=True)
    shown = [_numbers(number) for number in range(_DISTINCT)]
    cells = {column: _cells(size) for column, size in SIZES.items()} if pictures == "png" else {}
    if version == "v2.1":
        _write_v2(root, shown, cells, episodes)
    else:
        _write_v3(root, shown, cells, episodes)
    _write_info(root, version, pictures, episodes)
    return root


def _write_v2(root: Path, shown: list[dict[str, np.ndarray]], cells: dict[str, pa.Array], count: int) -> None:
    film = None if cells else _films(root, FRAMES)
    for number in range(count):
        path = root / f"data/chunk-{number // 1000:03d}/episode_{number:06d}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(_table(shown, cells, number), path)
        for column in film or ():
            place = root / f"videos/chunk-{number // 1000:03d}/{column}/episode_{number:06d}.mp4"
            place.parent.mkdir(parents=True, exist_ok=True)
            os.link(film[column], place)
    texts = enumerate(_TASKS)
    _lines(root / "meta/tasks.jsonl", [{"task_index": place, "task": text} for place, text in texts])
    _lines(
        root / "meta/episodes.jsonl",
        [
            {"episode_index": number, "tasks": [_TASKS[number % len(_TASKS)]], "length": FRAMES}
            for number in range(count)
        ],
    )


def _write_v3(root: Path, shown: list[dict[str, np.ndarray]], cells: dict[str, pa.Array], count: int) -> None:
    films = {} if cells else _films(root, FRAMES * _PER_FILE)
    rows: list[dict[str, Any]] = []
    for file, first in enumerate(range(0, count, _PER_FILE)):
        path = root / f"data/chunk-000/file-{file:03d}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        numbers = range(first, min(first + _PER_FILE, count))
        with pq.ParquetWriter(path, _table(shown, cells, 0).schema) as writer:
            for number in numbers:
                writer.write_table(_table(shown, cells, number))
        for number in numbers:
            row: dict[str, Any] = {
                "episode_index": number,
                "tasks": [_TASKS[number % len(_TASKS)]],
                "length": FRAMES,
                "data/chunk_index": 0,
                "data/file_index": file,
                "dataset_from_index": number * FRAMES,
                "dataset_to_index": (number + 1) * FRAMES,
            }
            for column in films:
                row |= {
                    f"videos/{column}/chunk_index": 0,
                    f"videos/{column}/file_index": file,
                    f"videos/{column}/from_timestamp": (number - first) * FRAMES / 30,
                    f"videos/{column}/to_timestamp": (number - first + 1) * FRAMES / 30,
                }
            rows.append(row)
        for column, film in films.items():
            place = root / f"videos/{column}/chunk-000/file-{file:03d}.mp4"
            place.parent.mkdir(parents=True, exist_ok=True)
            if len(numbers) < _PER_FILE:
                _write_film(place, SIZES[column], FRAMES * len(numbers))
            else:
                os.link(film, place)
    listed = root / "meta/episodes/chunk-000/file-000.parquet"
    listed.parent.mkdir(parents=True)
    pq.write_table(pa.table({name: [row[name] for row in rows] for name in rows[0]}), listed)
    texts = {"task_index": list(range(len(_TASKS))), "__index_level_0__": list(_TASKS)}
    pq.write_table(pa.table(texts), root / "meta/tasks.parquet")


def _numbers(seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    steps = random.uniform(-0.02, 0.02, (FRAMES, 6))
    pose = np.cumsum(np.r_[[[0.1, -0.2, 0.5, 3.1, -0.1, 1.5]], steps], axis=0)
    pose[:, 3:] = (pose[:, 3:] + np.pi) % (2 * np.pi) - np.pi
    pose = pose.astype(np.float32).astype(np.float64)
    gripper = random.choice([-1.0, 1.0], FRAMES + 1)
    rest = random.uniform(0, 0.08, (FRAMES + 1, 8))
    states = np.c_[pose, rest, gripper].astype(np.float32)[:-1]
    return {"state": states, "action": relative_action(pose[:-1], pose[1:], gripper[1:]).astype(np.float32)}


def _table(shown: list[dict[str, np.ndarray]], cells: dict[str, pa.Array], number: int) -> pa.Table:
    made = shown[number % len(shown)]
    states = made["state"].copy()
    states[:, 7] += np.float32(number * 1e-5)  # a joint, so that no two episodes are the same
    return pa.table(
        {
            "observation.state": pa.FixedSizeListArray.from_arrays(pa.array(states.reshape(-1)), 15),
            "action": pa.FixedSizeListArray.from_arrays(pa.array(made["action"].reshape(-1)), 7),
            "timestamp": pa.array(np.arange(FRAMES, dtype=np.float32) / 30),
            "frame_index": pa.array(np.arange(FRAMES)),
            "episode_index": pa.array(np.full(FRAMES, number)),
            "index": pa.array(number * FRAMES + np.arange(FRAMES)),
            "task_index": pa.array(np.full(FRAMES, number % len(_TASKS))),
            **cells,
        }
    )


def _cells(size: int) -> pa.Array:
    stream = io.BytesIO()
    Image.new("RGB", (size, size), (120, 90, 60)).save(stream, "PNG")
    cell = {"bytes": stream.getvalue(), "path": "frame.png"}
    return pa.array([cell] * FRAMES, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))


def _films(root: Path, frames: int) -> dict[str, Path]:
    found = {}
    for column, size in SIZES.items():
        found[column] = root / f"{size}.mp4"
        _write_film(found[column], size, frames)
    return found


def _write_film(path: Path, size: int, frames: int) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(30))
        stream.height = stream.width = size
        stream.pix_fmt = "yuv420p"
        stream.options = {"preset": "ultrafast", "g": "10"}
        picture = av.VideoFrame.from_ndarray(np.full((size, size, 3), 90, dtype=np.uint8), format="rgb24")
        for number in range(frames):
            picture.pts = number
            container.mux(stream.encode(picture))
        container.mux(stream.encode())


def _lines(path: Path, content: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in content), encoding="utf-8")


def _write_info(root: Path, version: str, pictures: str, episodes: int) -> None:
    kind = "image" if pictures == "png" else "video"
    features: dict[str, Any] = {
        column: {"dtype": kind, "shape": [size, size, 3]} for column, size in SIZES.items()
    }
    features |= {"observation.state": {"dtype": "float32", "shape": [15]}}
    features |= {"action": {"dtype": "float32", "shape": [7]}}
    for name in ("timestamp", "frame_index", "episode_index", "index", "task_index"):
        features[name] = {"dtype": "float32" if name == "timestamp" else "int64", "shape": [1]}
    content = {
        "codebase_version": version,
        "robot_type": "franka",
        "total_episodes": episodes,
        "total_frames": episodes * FRAMES,
        "total_tasks": len(_TASKS),
        "chunks_size": 1000,
        "fps": 30,
        "splits": {"train": f"0:{episodes}"},
        "features": features,
    }
    (root / "meta/info.json").write_text(json.dumps(content))
