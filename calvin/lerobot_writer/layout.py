"""What a LeRobot set that Baton writes looks like: its versions, columns and `meta/info.json`.

Names of columns are those of the public conversions of CALVIN, so that other readers of these know them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from benchmark.embodiment import CALVIN
from calvin.episode import FRAME_SHAPES, IMAGE_FIELDS, Extra
from calvin.lerobot_format.dataset import BOXES_COLUMN
from calvin.lerobot_writer.films import CODEC, PIXELS

Version = Literal["v2.1", "v3.0"]
Pictures = Literal["png", "film"]
Numbers = Literal["float64", "float32"]

COLUMNS = {
    "rgb_static": "observation.images.top",
    "rgb_gripper": "observation.images.wrist",
    "robot_obs": "observation.state",
    "scene_obs": "observation.environment_state",
    "rel_actions": "action",
    "actions": "action.absolute",
}
#: Columns that lerobot counts frames and episodes by.
COUNTS = {
    "timestamp": "float32",
    "frame_index": "int64",
    "episode_index": "int64",
    "index": "int64",
    "task_index": "int64",
}
#: Files of a chunk, and episodes of one in version 2.1.
CHUNK_SIZE = 1000
#: Largest files that lerobot writes; ours end earlier.
_DATA_MB, _FILM_MB = 100, 200
_ROBOT = "Franka Panda"
_PATHS = {
    "v2.1": (
        "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
        "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4",
    ),
    "v3.0": (
        "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
    ),
}


@dataclass(frozen=True)
class Layout:
    """arrays: CALVIN's that every episode has, in the order of their files. extras: see `calvin.episode.Extra`."""

    version: Version
    pictures: Pictures
    numbers: Numbers
    arrays: tuple[str, ...]
    extras: Mapping[str, Extra]
    has_boxes: bool

    @property
    def is_v3(self) -> bool:
        return self.version == "v3.0"

    @property
    def vectors(self) -> tuple[str, ...]:
        return tuple(name for name in self.arrays if name not in IMAGE_FIELDS)

    def data_path(self, **numbers: int) -> str:
        return _PATHS[self.version][0].format(**numbers)

    def film_path(self, **names: int | str) -> str:
        return _PATHS[self.version][1].format(**names)

    @property
    def features(self) -> dict[str, dict[str, Any]]:
        """As info.json has them."""
        found: dict[str, dict[str, Any]] = {}
        channels = "channels" if self.is_v3 else "channel"
        for name in self.arrays:
            shape = list(FRAME_SHAPES[name])
            if name in IMAGE_FIELDS:
                kind = "video" if self.pictures == "film" else "image"
                found[COLUMNS[name]] = {"dtype": kind, "shape": shape, "names": ["height", "width", channels]}
                if self.pictures == "film":
                    found[COLUMNS[name]]["info"] = _film_info(shape)
            else:
                found[COLUMNS[name]] = {"dtype": self.numbers, "shape": shape, "names": None}
        for name, extra in self.extras.items():
            found[name] = {"dtype": extra.dtype, "shape": list(extra.shape), "names": None}
        if self.has_boxes:
            found[BOXES_COLUMN] = {"dtype": "string", "shape": [1], "names": None}
        return found | {name: {"dtype": kind, "shape": [1], "names": None} for name, kind in COUNTS.items()}

    def info(self, episodes: int, frames: int, tasks: int, splits: Mapping[str, str]) -> dict[str, Any]:
        """splits: names of parts with their ranges of episodes."""
        films = len(IMAGE_FIELDS) if self.pictures == "film" else 0
        sizes: dict[str, int]
        if self.is_v3:
            sizes = {
                "chunks_size": CHUNK_SIZE,
                "data_files_size_in_mb": _DATA_MB,
                "video_files_size_in_mb": _FILM_MB,
            }
        else:
            chunks = -(-episodes // CHUNK_SIZE)
            sizes = {"total_videos": films * episodes, "total_chunks": chunks, "chunks_size": CHUNK_SIZE}
        data, film = _PATHS[self.version]
        return {
            "codebase_version": self.version,
            "robot_type": _ROBOT,
            "total_episodes": episodes,
            "total_frames": frames,
            "total_tasks": tasks,
            **sizes,
            "fps": CALVIN.control_hz,
            "splits": dict(splits),
            "data_path": data,
            "video_path": film if films else None,
            "features": self.features,
        }


def _film_info(shape: list[int]) -> dict[str, Any]:
    return {
        "video.height": shape[0],
        "video.width": shape[1],
        "video.codec": CODEC,
        "video.pix_fmt": PIXELS,
        "video.is_depth_map": False,
        "video.fps": CALVIN.control_hz,
        "video.channels": 3,
        "has_audio": False,
    }
