"""Small LeRobot sets in the layouts that are met, written by pyarrow and PyAV."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from benchmark.actions import relative_action
from calvin.episode import IMAGE_FIELDS, Episode
from settings.scheduling import kept_scheduling
from tests.calvin.samples import make_episode

TOP, WRIST, STATE, SCENE = (
    "observation.images.top",
    "observation.images.wrist",
    "observation.state",
    "observation.environment_state",
)
CAMERAS = {"rgb_static": TOP, "rgb_gripper": WRIST}
_SIZES = {TOP: 200, WRIST: 84}

#: (task, instruction) that training demonstrations of CALVIN have, and those that its validation has.
TRAINED = (
    ("open_drawer", "pull the drawer"),
    ("close_drawer", "push the drawer"),
    ("turn_on_led", "turn on the led light"),
    ("stack_block", "stack the blocks"),
)
HELD_OUT = (
    ("open_drawer", "pull the handle to open the drawer"),
    ("turn_on_led", "press the button to turn on the led light"),
)


def recorded(seed: int, frames: int = 7, told: tuple[str, str] = TRAINED[0], **fields: Any) -> Episode:
    """An episode of CALVIN's robot, its numbers rounded to float32; actions are those that its poses tell."""
    random = np.random.RandomState(seed)
    steps = random.uniform(-0.03, 0.03, (frames, 6)) * random.choice([0, 1], (frames, 1), p=[0.2, 0.8])
    pose = np.cumsum(np.r_[[[0.1, -0.2, 0.5, 3.1, -0.1, 1.5]], steps], axis=0)
    pose[:, 3:6] = (pose[:, 3:6] + np.pi) % (2 * np.pi) - np.pi
    pose = pose.astype(np.float32).astype(np.float64)
    gripper = np.where(random.rand(frames + 1) < 0.5, -1.0, 1.0)
    states = np.c_[pose, random.uniform(0, 0.08, frames + 1), random.uniform(-2, 2, (frames + 1, 7)), gripper]
    states = states.astype(np.float32).astype(np.float64)
    relative = relative_action(pose[:-1], pose[1:], gripper[1:]).astype(np.float32).astype(np.float64)
    own = {
        "robot_obs": states[:-1],
        "scene_obs": random.randn(frames, 24).astype(np.float32),
        "actions": np.c_[pose[1:], gripper[1:]],
        "rel_actions": relative,
        "task": told[0],
        "instruction": told[1],
        "boxes": None,
        "scene": "unknown",
    }
    return make_episode(0, frames, seed, **(own | fields))


def episodes(count: int, first: int = 0, told: Sequence[tuple[str, str]] = TRAINED) -> list[Episode]:
    """Of different lengths."""
    return [
        recorded(first + number, 5 + (first + number) % 4, told[number % len(told)])
        for number in range(count)
    ]


def png(picture: np.ndarray, kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, kind)
    return stream.getvalue()


def write_v2(
    root: Path,
    shown: Sequence[Episode],
    *,
    version: str = "v2.1",
    pictures: str = "bytes",
    named: bool = True,
    action: str = "rel_actions",
    info: dict[str, Any] | None = None,
    columns: dict[str, Any] | None = None,
) -> Path:
    """pictures: `bytes`, `files` or `films`. named: tasks are `name: instruction`. action: the array that `action` has.
    columns: extra ones, by name a list of arrays of each episode (None leaves a column out).
    """
    texts = [_text(episode, named) for episode in shown]
    tasks = list(dict.fromkeys(texts))
    (root / "meta").mkdir(parents=True)
    start = 0
    for number, episode in enumerate(shown):
        table = _numbers(episode, number, start, tasks.index(texts[number]), action)
        for field, column in CAMERAS.items():
            if pictures == "films":
                path = root / "videos" / "chunk-000" / column / f"episode_{number:06d}.mp4"
                write_film(path, getattr(episode, field))
            else:
                table[column] = _picture_column(root, episode, number, field, pictures)
        table |= {
            name: _array(values[number]) for name, values in (columns or {}).items() if values is not None
        }
        for name in [name for name, values in (columns or {}).items() if values is None]:
            table.pop(name, None)
        path = root / "data" / "chunk-000" / f"episode_{number:06d}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(table), path)
        start += len(episode)
    lines(root / "meta" / "tasks.jsonl", [{"task_index": n, "task": t} for n, t in enumerate(tasks)])
    lines(
        root / "meta" / "episodes.jsonl",
        [{"episode_index": n, "tasks": [texts[n]], "length": len(e)} for n, e in enumerate(shown)],
    )
    _write_info(root, shown, tasks, version, pictures, columns, info)
    return root


def write_v3(
    root: Path,
    shown: Sequence[Episode],
    *,
    pictures: str = "bytes",
    action: str = "rel_actions",
    files: int = 1,
    codec: str = "libx264",
    info: dict[str, Any] | None = None,
    columns: dict[str, Any] | None = None,
    one_group: bool = False,
) -> Path:
    """files: among how many the episodes are divided. one_group: of rows, for all episodes of a file."""
    texts = [_text(episode, False) for episode in shown]
    tasks = list(dict.fromkeys(texts))
    rows: list[dict[str, Any]] = []
    groups: dict[int, list[pa.Table]] = {}
    seconds: dict[int, float] = {}
    films: dict[tuple[int, str], list[np.ndarray]] = {}
    start = 0
    for number, episode in enumerate(shown):
        file = number * files // len(shown)
        table = _numbers(episode, number, start, tasks.index(texts[number]), action)
        begins = seconds.get(file, 0.0)
        seconds[file] = begins + len(episode) / 30
        for field, column in CAMERAS.items():
            if pictures == "films":
                films.setdefault((file, column), []).append(getattr(episode, field))
            else:
                table[column] = _picture_column(root, episode, number, field, pictures)
        table |= {
            name: _array(values[number]) for name, values in (columns or {}).items() if values is not None
        }
        groups.setdefault(file, []).append(pa.table(table))
        row = {
            "episode_index": number,
            "tasks": [texts[number]],
            "length": len(episode),
            "data/chunk_index": 0,
            "data/file_index": file,
            "dataset_from_index": start,
            "dataset_to_index": start + len(episode),
        }
        if pictures == "films":
            for column in CAMERAS.values():
                row |= {
                    f"videos/{column}/chunk_index": 0,
                    f"videos/{column}/file_index": file,
                    f"videos/{column}/from_timestamp": begins,
                    f"videos/{column}/to_timestamp": seconds[file],
                }
        rows.append(row)
        start += len(episode)
    for file, tables in groups.items():
        path = root / "data" / "chunk-000" / f"file-{file:03d}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        with pq.ParquetWriter(path, tables[0].schema) as writer:
            for table in [pa.concat_tables(tables)] if one_group else tables:
                writer.write_table(table)
    for (file, column), parts in films.items():
        write_film(
            root / "videos" / column / "chunk-000" / f"file-{file:03d}.mp4", np.concatenate(parts), codec
        )
    write_rows(root / "meta" / "episodes" / "chunk-000" / "file-000.parquet", rows)
    texts_table = pa.table({"task_index": list(range(len(tasks))), "__index_level_0__": tasks})
    pq.write_table(texts_table, root / "meta" / "tasks.parquet")
    _write_info(root, shown, tasks, "v3.0", pictures, columns, info)
    return root


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({name: [row[name] for row in rows] for name in rows[0]}), path)


def write_film(path: Path, pictures: np.ndarray, codec: str = "libx264") -> None:
    """Key frames every ten frames, and frames that look ahead (B) where the codec has them. Almost lossless."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    options = {
        "libx264": {"crf": "4", "bf": "2", "g": "10"},
        "libsvtav1": {"crf": "10", "preset": "10", "g": "2"},
    }
    with kept_scheduling(), av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(30))
        stream.height, stream.width = pictures.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.options = options[codec]
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def numbered(first: int, count: int, size: int) -> np.ndarray:
    """Pictures that survive a codec and can be told apart: coarse squares that depend on the number."""
    found = []
    for number in range(first, first + count):
        squares = np.random.RandomState(number).randint(0, 256, (5, 5, 3), dtype=np.uint8)
        found.append(np.asarray(Image.fromarray(squares).resize((size, size), Image.Resampling.NEAREST)))
    return np.stack(found)


def lines(path: Path, content: Sequence[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in content), encoding="utf-8")


def change_info(root: Path, **changed: Any) -> None:
    path = root / "meta" / "info.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))


def rename(root: Path, names: dict[str, str]) -> None:
    """Columns, of a set whose tables hold all of it."""
    info = json.loads((root / "meta" / "info.json").read_text())
    info["features"] = {names.get(name, name): about for name, about in info["features"].items()}
    (root / "meta" / "info.json").write_text(json.dumps(info))
    for file in (root / "data").rglob("*.parquet"):
        table = pq.read_table(file)
        pq.write_table(table.rename_columns([names.get(n, n) for n in table.column_names]), file)


def change_table(path: Path, **columns: Any) -> None:
    """Replace columns of a parquet file; None takes one out."""
    table = pq.read_table(path)
    for name, values in columns.items():
        name = name.replace("__", ".")
        place = table.schema.get_field_index(name)
        table = table.remove_column(place)
        if values is not None:
            table = table.append_column(name, _array(values))
    pq.write_table(table, path)


def number_from(root: Path, first: int) -> None:
    """The episodes of a set that `write_v2` wrote, by other numbers."""
    listing = root / "meta" / "episodes.jsonl"
    listed = [json.loads(line) for line in listing.read_text().splitlines()]
    lines(listing, [{**line, "episode_index": line["episode_index"] + first} for line in listed])
    for number, line in reversed(list(enumerate(listed))):
        before = root / "data" / "chunk-000" / f"episode_{number:06d}.parquet"
        change_table(before, episode_index=np.full(line["length"], number + first))
        before.rename(before.with_name(f"episode_{number + first:06d}.parquet"))


def _text(episode: Episode, named: bool) -> str:
    return f"{episode.task}: {episode.instruction}" if named else episode.instruction


def _numbers(episode: Episode, number: int, start: int, task: int, action: str) -> dict[str, Any]:
    count = len(episode)
    return {
        STATE: _array(episode.robot_obs),
        "action": _array(getattr(episode, action)),
        "timestamp": pa.array(np.arange(count, dtype=np.float32) / 10),
        "frame_index": pa.array(np.arange(count)),
        "episode_index": pa.array(np.full(count, number)),
        "index": pa.array(start + np.arange(count)),
        "task_index": pa.array(np.full(count, task)),
    }


def _picture_column(root: Path, episode: Episode, number: int, field: str, pictures: str) -> pa.Array:
    values = []
    for frame, picture in enumerate(getattr(episode, field)):
        content = png(picture, "JPEG" if pictures == "jpeg" else "PNG")
        name = f"images/{CAMERAS[field]}/episode_{number:06d}/frame_{frame:06d}.png"
        if pictures == "files":
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content)
            values.append({"bytes": None, "path": name})
        else:
            values.append({"bytes": content, "path": Path(name).name})
    return pa.array(values, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))


def _array(values: Any) -> Any:
    if isinstance(values, pa.Array):
        return values
    array = np.asarray(values)
    if array.ndim == 1:
        return pa.array(array)
    flat = pa.array(array.astype(np.float32).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, array.shape[1])


def _write_info(
    root: Path,
    shown: Sequence[Episode],
    tasks: list[str],
    version: str,
    pictures: str,
    columns: dict[str, Any] | None,
    info: dict[str, Any] | None,
) -> None:
    kind = "video" if pictures == "films" else "image"
    features: dict[str, Any] = {
        CAMERAS[field]: {"dtype": kind, "shape": [_SIZES[CAMERAS[field]]] * 2 + [3]} for field in IMAGE_FIELDS
    }
    features |= {STATE: {"dtype": "float32", "shape": [15]}, "action": {"dtype": "float32", "shape": [7]}}
    for name, values in (columns or {}).items():
        if values is None:
            features.pop(name)
        else:
            features[name] = {"dtype": "float32", "shape": list(np.asarray(values[0]).shape[1:])}
    for name in ("timestamp", "frame_index", "episode_index", "index", "task_index"):
        features[name] = {"dtype": "float32" if name == "timestamp" else "int64", "shape": [1]}
    content = {
        "codebase_version": version,
        "robot_type": "Franka Panda",
        "total_episodes": len(shown),
        "total_frames": sum(map(len, shown)),
        "total_tasks": len(tasks),
        "chunks_size": 1000,
        "fps": 10,
        "splits": {"train": f"0:{len(shown)}"},
        "features": features,
    }
    (root / "meta" / "info.json").write_text(json.dumps(content | (info or {})))
