"""What Baton needs to know of a mesh file without PyBullet: its extent, and whether it is whole."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

import numpy as np

from errors import InvalidInput
from settings.faults import need_fact
from settings.regular import read_bytes
from settings.shown import shown
from settings.whole_numbers import whole_number
from simulators.playtable.scene import FARTHEST

_STL_HEADER_BYTES, _STL_FACET_BYTES = 84, 50
#: Of any file of a scene: calvin_env's largest takes a twentieth.
MOST_BYTES = 256 << 20


def extent(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest corner, (3,) each, in the file's units. Raises InvalidInput for a damaged file.

    A file is read once in a process, as long as it stays as it is.
    """
    file = Path(os.path.realpath(path))
    try:
        state = file.stat()
    except OSError as error:
        need_fact(error)
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from None
    return _extent(file, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=256)
def _extent(path: Path, modified_ns: int, size_bytes: int) -> tuple[np.ndarray, np.ndarray]:
    corners = vertices(path)
    return corners.min(axis=0), corners.max(axis=0)


def content_of(path: Path) -> bytes:
    """All of a scene's file. Raises InvalidInput for one that is no regular file, or too large."""
    try:
        return read_bytes(path, MOST_BYTES)
    except OSError as error:
        need_fact(error)
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from None


def vertices(path: Path) -> np.ndarray:
    """All vertices (n, 3) of an OBJ or binary STL file. Raises InvalidInput for a damaged one."""
    found = _stl_vertices(path) if path.suffix.lower() == ".stl" else _obj_vertices(path)
    if len(found) == 0 or not (np.abs(found) <= FARTHEST).all():
        raise InvalidInput(f"{path} holds no usable vertices")
    return found


def _obj_vertices(path: Path) -> np.ndarray:
    lines = [line.split() for line in content_of(path).decode(errors="replace").splitlines()]
    rows = [fields[1:4] for fields in lines if fields[:1] == ["v"]]
    counts = len(rows), *(sum(fields[:1] == [kind] for fields in lines) for kind in ("vt", "vn"))
    faces = [fields[1:] for fields in lines if fields[:1] == ["f"]]
    if not faces:
        raise InvalidInput(f"{path} is damaged: it has no face")
    for corners in faces:
        if len(corners) < 3:
            raise InvalidInput(f"{path} is damaged: it has a face of {len(corners)} corners")
    for corner in dict.fromkeys(corner for corners in faces for corner in corners):
        if not _is_corner(corner, counts):
            raise InvalidInput(
                f"{path} is damaged: a face has the corner {shown(corner)}, and there are {counts[0]} vertices, "
                f"{counts[1]} places of textures and {counts[2]} normals"
            )
    if any(len(row) != 3 for row in rows):
        raise InvalidInput(f"{path} is damaged: a vertex is not three numbers")
    try:
        return np.array(rows, dtype=np.float64)
    except ValueError:
        raise InvalidInput(f"{path} is damaged: a vertex is not three numbers") from None


def _is_corner(corner: str, counts: tuple[int, ...]) -> bool:
    """Whether `vertex[/texture[/normal]]` names what there is: PyBullet does not ask."""
    vertex, *others = corner.split("/")
    parts = [vertex, *(part or "1" for part in others)]
    known = [counts[0], *(count if part else 1 for part, count in zip(others, counts[1:]))]
    return len(parts) <= len(counts) and all(
        1 <= (whole_number(part) or 0) <= count for part, count in zip(parts, known)
    )


def _stl_vertices(path: Path) -> np.ndarray:
    content = content_of(path)
    facets = int.from_bytes(content[80:84], "little")
    if len(content) < _STL_HEADER_BYTES or len(content) != _STL_HEADER_BYTES + facets * _STL_FACET_BYTES:
        raise InvalidInput(f"{path} is damaged: {len(content)} bytes for {facets} facets")
    kind = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
    corners: np.ndarray = np.frombuffer(content, kind, offset=_STL_HEADER_BYTES)["corners"]
    return corners.reshape(-1, 3).astype(np.float64)
