"""Triangles of mesh files and boxes, number for number as PyBullet's importers hand them to TinyRenderer.

What they do is read from bullet3's `examples/Importers` and `examples/TinyRenderer` at 6c888f4 (PyBullet 3.2.7).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simulators.playtable import meshes

Floats = NDArray[np.float32]
#: Bullet's for numbers in double precision.
_EPSILON = 2.2204460492503131e-16
#: Bullet's cube: four corners a side, one side after the other, and its triangles.
_CUBE_CORNERS = """
    -1 -1 1  1 -1 1  1 1 1  -1 1 1    -1 -1 -1  1 -1 -1  1 1 -1  -1 1 -1    -1 -1 -1  -1 1 -1  -1 1 1  -1 -1 1
    1 -1 -1  1 1 -1  1 1 1  1 -1 1    -1 -1 -1  -1 -1 1  1 -1 1  1 -1 -1    -1 1 -1  -1 1 1  1 1 1  1 1 -1
"""
_CUBE_FACES = "0 1 2 0 2 3 6 5 4 7 6 4 10 9 8 11 10 8 12 13 14 12 14 15 18 17 16 19 18 16 20 21 22 20 22 23"


@dataclass(frozen=True)
class Soup:
    """Triangles that share no corner: `corners` (n, 3, 3) in a shape's own units, `normals` (n, 3, 3) as they were
    read, `uv` (n, 3, 2), all float32. `texture` is the file of the image, if there is one. `shared` (n, 3) numbers the
    corners where triangles share them after all."""

    corners: Floats
    normals: Floats
    uv: Floats
    texture: Path | None = None
    shared: NDArray[np.intp] | None = None


def of_mesh(file: Path) -> Soup:
    """Triangles of an OBJ or STL file. Raises ValueError for what these importers would not read as it stands."""
    return _of_stl(file) if file.suffix.lower() == ".stl" else _of_obj(file)


def of_box(extents: Sequence[float]) -> Soup:
    """A box around the origin, (3,) in its own units."""
    corners = np.array(_CUBE_CORNERS.split(), np.float64).reshape(-1, 3)
    faces = np.array(_CUBE_FACES.split(), np.intp).reshape(-1, 3)
    placed = (corners * (np.array(extents) * 0.5)).astype(np.float32)
    normals = np.zeros((24, 3), np.float32)
    for number, (axis, sign) in enumerate(((2, 1), (2, -1), (0, -1), (0, 1), (1, -1), (1, 1))):
        normals[4 * number : 4 * number + 4, axis] = sign
    return Soup(placed[faces], normals[faces], np.full((12, 3, 2), 0.5, np.float32))


def _of_stl(file: Path) -> Soup:
    content = meshes.content_of(file)
    count = int.from_bytes(content[80:84], "little")
    if len(content) != 84 + 50 * count:
        raise ValueError(f"{file} is no binary STL file")
    rows = np.frombuffer(content, np.dtype([("numbers", "<f4", 12), ("rest", "<u2")]), offset=84)["numbers"]
    corners = rows[:, 3:].reshape(-1, 3, 3).copy()
    normals = np.repeat(rows[:, None, :3], 3, axis=1)
    return Soup(corners, np.ascontiguousarray(normals), np.full((count, 3, 2), 0.5, np.float32))


def _of_obj(file: Path) -> Soup:
    rows: dict[bytes, list[bytes]] = {b"v": [], b"vn": [], b"vt": []}
    faces: list[list[bytes]] = []
    shapes: list[str | None] = []
    textures: dict[bytes, str] = {}
    texture, begun = None, 0
    for line in meshes.content_of(file).split(b"\n"):
        if len(line) > 1000:
            raise ValueError(f"{file} has a line that is too long")
        key, _, rest = line.strip().partition(b" ")
        if key in rows:
            rows[key].append(rest)
        elif key == b"f":
            faces.append(rest.split())
        elif key == b"usemtl":
            texture = textures.get(rest.split()[0])
        elif key == b"mtllib":
            textures = _textures(file.parent / rest.split()[0].decode())
        elif key in (b"o", b"g") and len(faces) > begun:
            shapes.append(texture)
            begun = len(faces)
    shapes.append(texture if len(faces) > begun else None)
    v, vn, vt = (_numbers(rows[key], size) for key, size in ((b"v", 3), (b"vn", 3), (b"vt", 2)))
    ids = _triangles(faces, (len(v), len(vt), len(vn)))
    corners = v[ids[:, :, 0]]
    if len(vt) == 0:
        uv = np.full((len(ids), 3, 2), 0.5, np.float32)
    else:
        uv = np.where((ids[:, :, 1] >= 0)[:, :, None], vt[ids[:, :, 1]], np.float32(0))
    has_normals = (ids[:, :, 2] >= 0).all(axis=1) & (len(vn) > 0)
    normals = np.repeat(_face_normals(corners)[:, None], 3, axis=1)
    if has_normals.any():
        normals[has_normals] = vn[ids[has_normals][:, :, 2]]
    images = [file.parent / name for name in shapes if name]
    return Soup(corners, normals, uv, next((image for image in images if image.is_file()), None))


def _numbers(rows: Sequence[bytes], size: int) -> Floats:
    found = np.array(b" ".join(rows).split(), dtype=np.float64)
    if len(found) == len(rows) * size:
        return found.reshape(-1, size).astype(np.float32)
    each = [[float(word) for word in row.split()[:size]] for row in rows]
    return np.array(each, dtype=np.float64).reshape(-1, size).astype(np.float32)


def _triangles(faces: Sequence[Sequence[bytes]], counts: tuple[int, int, int]) -> NDArray[np.int64]:
    """Indices (n, 3, 3) of corner, texture coordinate and normal, -1 where none is given: fans."""
    fans = [(face[0], face[i], face[i + 1]) for face in faces for i in range(1, len(face) - 1)]
    words = [word for fan in fans for word in fan]
    if not words:
        return np.zeros((0, 3, 3), np.int64)
    kinds = {word.count(b"/") for word in words}
    if kinds == {2} and b"//" not in b" ".join(words):
        ids = np.array(b"/".join(words).split(b"/"), dtype=np.int64).reshape(-1, 3)
    else:
        ids = np.array([[int(n or 0) for n in (*word.split(b"/"), b"", b"")[:3]] for word in words], np.int64)
    ids = np.where(ids > 0, ids - 1, np.where(ids < 0, ids + np.array(counts), -1))
    if (ids[:, 0] < 0).any() or (ids >= np.maximum(counts, 1)).any():
        raise ValueError("a face has a corner that is not there")
    return ids.reshape(-1, 3, 3)


def _face_normals(corners: Floats) -> Floats:
    (x1, y1, z1), (x2, y2, z2) = (
        (corners[:, k].astype(np.float64) - corners[:, 0].astype(np.float64)).T for k in (1, 2)
    )
    normals = np.stack([y1 * z2 - z1 * y2, z1 * x2 - x1 * z2, x1 * y2 - y1 * x2], axis=1)
    squares = normals[:, 0] * normals[:, 0] + normals[:, 1] * normals[:, 1] + normals[:, 2] * normals[:, 2]
    is_any = squares > _EPSILON
    scale = np.where(is_any, 1.0 / np.sqrt(np.where(is_any, squares, 1.0)), 0.0)
    return np.asarray(normals * scale[:, None], dtype=np.float32)


def _textures(file: Path) -> dict[bytes, str]:
    """Image by name of a material, for those that have one."""
    found: dict[bytes, str] = {}
    named: set[bytes] = set()
    name = b""
    for line in (meshes.content_of(file) if file.is_file() else b"").split(b"\n"):
        key, _, rest = line.strip().partition(b" ")
        if key == b"newmtl":
            named.add(name)
            name = rest.split()[0]
        elif key == b"map_Kd" and name not in named:
            found[name] = rest.strip().decode()
    return found
