"""`meta/info.json` of a LeRobot set: its version, its counts, and where it says that its files are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from errors import DatasetError
from settings.documents import parse_json
from settings.faults import need_fact
from settings.regular import read_text
from settings.shown import cut, shown

VERSIONS = ("v2.0", "v2.1", "v3.0")

#: Seven times what the largest conversion of CALVIN has. Their states and actions are held in memory.
MOST_FRAMES, MOST_EPISODES = 10_000_000, 200_000
_MOST_FEATURES, _MOST_DIMENSIONS = 200, 8
_MOST_INFO_BYTES = 16 << 20
_INFO = Path("meta", "info.json")

_DEFAULT_PATHS = {
    "v2": (
        "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
        "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4",
    ),
    "v3": (
        "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
    ),
}
#: What no file's name holds: the end of a text, and halves of characters.
_NO_NAME = re.compile("[\0\ud800-\udfff]")
#: Of a column's name, which folders have too.
_MOST_NAME_BYTES = 255
_PLACEHOLDER = re.compile(r"\{([a-z_]+)(?::0?([0-9]{1,2})d)?\}")


@dataclass(frozen=True)
class Feature:
    """A column as info.json describes it. kind: `dtype` (`image`, `video`, `float32`, ...). shape: as it is written."""

    name: str
    kind: str
    shape: tuple[int, ...]

    @property
    def is_picture(self) -> bool:
        return self.kind in ("image", "video")


@dataclass(frozen=True)
class Description:
    """splits: names of parts, and which episodes each has, as texts. robot: `robot_type`."""

    root: Path
    version: str
    episodes: int
    frames: int
    chunk_size: int
    fps: float
    robot: str
    splits: Mapping[str, str]
    features: Mapping[str, Feature]
    data_path: str
    video_path: str

    @property
    def file(self) -> Path:
        return self.root / _INFO

    @property
    def is_v3(self) -> bool:
        return self.version == "v3.0"

    def place(self, pattern: str, **values: object) -> Path:
        """The file that `pattern`, one of `data_path` and `video_path`, names."""
        return _path(str(self.root), _PLACEHOLDER.sub(lambda found: _filled(found, values), pattern))


def read_description(root: Path) -> Description:
    """Raises DatasetError naming meta/info.json and the entry at fault."""
    file = root / _INFO
    info = _content(file)
    version = info.get("codebase_version")
    if version not in VERSIONS:
        raise DatasetError(
            f"{file}: codebase_version is {shown(version)}; {', '.join(VERSIONS)} are read (lerobot has converters)."
        )
    splits = info.get("splits") or {}
    if not isinstance(splits, Mapping):
        raise DatasetError(f"{file}: splits is {shown(splits)}, not names of parts with their episodes.")
    defaults = _DEFAULT_PATHS[version[:2]]
    return Description(
        root=root,
        version=version,
        episodes=_count(file, info, "total_episodes", MOST_EPISODES),
        frames=_count(file, info, "total_frames", MOST_FRAMES),
        chunk_size=_count(file, {"chunks_size": 1000, **info}, "chunks_size", MOST_FRAMES),
        fps=_fps(file, info.get("fps")),
        robot=cut(str(info.get("robot_type"))),
        splits={str(name): part if isinstance(part, str) else shown(part) for name, part in splits.items()},
        features=_features(file, info.get("features")),
        data_path=_pattern(file, info, "data_path", defaults[0]),
        video_path=_pattern(file, info, "video_path", defaults[1]),
    )


def read_json(file: Path, most: int) -> Any:
    """Raises DatasetError naming the file."""
    try:
        return parse_json(read_text(file, most))
    except FileNotFoundError:
        raise DatasetError(f"{file} is missing.") from None
    except (OSError, ValueError) as error:
        need_fact(error)
        raise DatasetError(f"{file} cannot be read as JSON: {cut(str(error), 160)}.") from None


def _content(file: Path) -> Mapping[str, Any]:
    try:
        content = read_json(file, _MOST_INFO_BYTES)
    except DatasetError as error:
        if file.exists():
            raise
        raise DatasetError(f"{str(error).removesuffix('.')}: without it this is no LeRobot set.") from None
    if not isinstance(content, Mapping):
        raise DatasetError(f"{file} is a {type(content).__name__}, not a mapping.")
    return content


def _count(file: Path, info: Mapping[str, Any], entry: str, most: int) -> int:
    value = info.get(entry)
    if type(value) is not int or not 1 <= value <= most:
        raise DatasetError(f"{file}: {entry} is {shown(value)}, not a number from 1 to {most}.")
    return value


def _fps(file: Path, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1000:
        raise DatasetError(f"{file}: fps is {shown(value)}, not a number of frames a second.")
    return float(value)


def _features(file: Path, value: object) -> dict[str, Feature]:
    if not isinstance(value, Mapping) or not 0 < len(value) <= _MOST_FEATURES:
        raise DatasetError(f"{file}: features is {shown(value)}, not a mapping of columns.")
    found = {}
    for name, entry in value.items():
        kind, shape = (entry.get("dtype"), entry.get("shape")) if isinstance(entry, Mapping) else (None, None)
        is_shape = isinstance(shape, list) and len(shape) <= _MOST_DIMENSIONS
        if not isinstance(kind, str) or not is_shape or not all(type(size) is int for size in shape or ()):
            raise DatasetError(
                f"{file}: features.{cut(name)} is {shown(entry)}, without a dtype and a shape."
            )
        is_long = len(name.encode(errors="replace")) > _MOST_NAME_BYTES
        if "/" in name or name.startswith(".") or is_long or _NO_NAME.search(name):
            raise DatasetError(f"{file}: features.{cut(name)} is no name of a column.")
        found[name] = Feature(name, kind, tuple(shape or ()))
    return found


def _pattern(file: Path, info: Mapping[str, Any], entry: str, default: str) -> str:
    """A pattern of known placeholders that leads to nowhere outside of the root."""
    value = info.get(entry) or default
    rest = _PLACEHOLDER.sub("0", value) if isinstance(value, str) and len(value) < 1000 else "{"
    known = default.replace("episode_chunk", "chunk_index")
    names = {name for name, _ in _PLACEHOLDER.findall(known)} | {
        name for name, _ in _PLACEHOLDER.findall(default)
    }
    used = set() if "{" in rest else {name for name, _ in _PLACEHOLDER.findall(str(value))}
    if "{" in rest or "}" in rest or _NO_NAME.search(rest) or not used <= names:
        raise DatasetError(
            f"{file}: {entry} is {shown(value)}, with other placeholders than {', '.join(names)}."
        )
    parts = PurePosixPath(rest).parts
    if rest.startswith("/") or ".." in parts:
        raise DatasetError(f"{file}: {entry} is {shown(value)}, which leads out of {file.parent.parent}.")
    return str(value)


@lru_cache(maxsize=4096)
def _path(root: str, text: str) -> Path:
    """Thousands of episodes lie in one file: they share its path."""
    return Path(root, text)


def _filled(found: re.Match[str], values: Mapping[str, object]) -> str:
    value, digits = values[found[1]], found[2]
    return str(value).zfill(int(digits)) if digits else str(value)
