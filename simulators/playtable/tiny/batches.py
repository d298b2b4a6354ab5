"""Triangles that are looked at together, and which of them a camera can see at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.playtable.tiny.matrices import Doubles, Floats, Ints

#: Into how many pieces a shape is cut along its longest extent, and a face of the cube of directions along each side.
_SLICES, _SQUARES = 3, 3
#: What rounding may turn a triangle by, in rad.
_TURN = 2e-3


@dataclass(frozen=True)
class Camera:
    """`clips` (s, 4, 4), projection by view by model of every shape, and its `models`; where the camera is, (3,); the
    picture's `side` in pixels."""

    clips: Floats
    models: Floats
    eye: Doubles
    side: int


@dataclass(frozen=True)
class Patches:
    """Neighbours of like direction in one shape, in the order of the triangles. Per patch: the shape, how many
    triangles and the first's place; `centres` (k, 3) and `radii` of spheres around them; the mean of their `normals`
    (k, 3), how much these differ from it, and how far beyond the centre a triangle's plane may lie, all in m."""

    owners: Ints
    counts: Ints
    starts: Ints
    centres: Doubles
    radii: Doubles
    normals: Doubles
    spreads: Doubles
    reaches: Doubles

    def seen(self, shown: NDArray[np.bool_], camera: Camera) -> NDArray[np.bool_]:
        """Which of them, (k,), are not turned away from the camera nor outside of what it shows."""
        models = camera.models.astype(np.float64)
        eyes = ((camera.eye - models[:, :3, 3])[:, None] @ models[:, :3, :3])[:, 0]
        away = eyes.take(self.owners, axis=0) - self.centres
        far = np.sqrt(np.einsum("ki,ki->k", away, away))
        found = np.einsum("ki,ki->k", away, self.normals) + (self.spreads + _TURN) * far + self.reaches > 0
        rows = camera.clips[:, [0, 1, 3]].astype(np.float64)
        slopes = np.sqrt(np.einsum("sri,sri->sr", rows[:, :, :3], rows[:, :, :3]))
        mine = rows.reshape(-1, 12).take(self.owners, axis=0).reshape(-1, 3, 4)
        at = np.einsum("kri,ki->rk", mine[:, :, :3], self.centres) + mine[:, :, 3].T
        room = 1.001 * self.radii * (slopes + slopes[:, 2:]).T.take(self.owners, axis=1) + 1e-4
        np.abs(at[:2], out=at[:2])
        found &= (at[2] + room[:2] > at[:2]).all(axis=0) & (at[2] + room[2] > 0)
        return found & shown[self.owners]


@dataclass(frozen=True)
class Batch:
    """`vertices` (3, n), without repetition, and whose they are, (n,); `faces` (3, m), which of them each triangle
    has, and which `numbers` they have among all of a scene, (m,). Of shapes with many triangles: `spans`, each with
    its vertices' first and last, and their longest edges in m. The others are looked at without."""

    vertices: Floats
    owners: Ints
    faces: Ints
    numbers: Ints
    patches: Patches
    spans: tuple[tuple[int, int, int], ...] = ()
    longest: tuple[float, ...] = ()

    def seen(self, shown: NDArray[np.bool_], camera: Camera) -> Ints:
        """Places of the faces that a camera may see."""
        patches = self.patches.seen(shown, camera) if self.spans else shown[self.patches.owners]
        seen = np.flatnonzero(patches)
        counts = self.patches.counts.take(seen)
        ends = np.cumsum(counts)
        skipped = self.patches.starts.take(seen) - ends + counts
        return np.arange(ends[-1] if len(ends) else 0) + np.repeat(skipped, counts)


def batch_of(
    places: Sequence[int], corners: Sequence[Floats], firsts: Sequence[int], are_many: bool
) -> Batch:
    """Of shapes: their places among a scene's, corners (n, 3, 3), and the numbers of their first triangles. are_many:
    they have so many triangles that it is worth while to look for those that cannot be seen."""
    vertices, faces, numbers, spans, longest, known = [], [], [], [], [], 0
    rows: list[list[float]] = []
    for place, each, first in zip(places, corners, firsts):
        flat = np.ascontiguousarray(each.reshape(-1, 3) + np.float32(0))  # no minus zero
        _, index, inverse = np.unique(flat.view("V12").ravel(), return_index=True, return_inverse=True)
        exact = each.astype(np.float64)
        order, mine = _patches(exact) if are_many else (np.arange(len(each)), [[len(each), *np.zeros(9)]])
        rows += [[place, *row] for row in mine]
        vertices.append(flat[index].T)
        faces.append(inverse.reshape(-1, 3)[order].T + known)
        numbers.append(order + first)
        spans.append((place, known, known + len(index)))
        longest.append(float(np.sqrt(((exact[:, [1, 2, 0]] - exact) ** 2).sum(axis=2).max())))
        known += len(index)
    table = np.array(rows)
    owners_then, counts = table[:, :2].T.astype(np.intp)
    patches = Patches(
        owners_then,
        counts,
        np.cumsum(counts) - counts,
        table[:, 2:5],
        table[:, 5],
        table[:, 6:9],
        table[:, 9],
        table[:, 10],
    )
    whole = np.ascontiguousarray(np.concatenate(vertices, axis=1))
    owners = np.repeat(places, [vertex.shape[1] for vertex in vertices])
    all_faces = np.ascontiguousarray(np.concatenate(faces, axis=1).astype(np.intp))
    if not are_many:
        return Batch(whole, owners, all_faces, np.concatenate(numbers), patches)
    return Batch(whole, owners, all_faces, np.concatenate(numbers), patches, tuple(spans), tuple(longest))


def _patches(corners: Doubles) -> tuple[Ints, list[list[float]]]:
    """The order in which triangles (n, 3, 3) lie patch by patch, and those' rows."""
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1)
    normals = np.divide(normals, lengths[:, None], out=np.zeros_like(normals), where=lengths[:, None] > 0)
    middles = corners.mean(axis=1)
    low, high = middles.min(axis=0), middles.max(axis=0)
    axis = int(np.argmax(high - low))
    piece = ((middles[:, axis] - low[axis]) / max(high[axis] - low[axis], 1e-9) * _SLICES).astype(int)
    side = np.abs(normals).argmax(axis=1)
    along = np.take_along_axis(normals, side[:, None], axis=1)[:, 0]
    key = np.minimum(piece, _SLICES - 1) * 6 + side * 2 + (along < 0)
    for other in (1, 2):
        across = np.take_along_axis(normals, ((side + other) % 3)[:, None], axis=1)[:, 0]
        square = (across / np.maximum(np.abs(along), 1e-9) + 1) / 2 * _SQUARES
        key = key * _SQUARES + np.clip(square.astype(int), 0, _SQUARES - 1)
    order = np.argsort(key, kind="stable")
    starts = np.flatnonzero(np.diff(key[order], prepend=-1))
    rows = []
    for mine in np.split(order, starts[1:]):
        points = corners[mine].reshape(-1, 3)
        centre = (points.min(axis=0) + points.max(axis=0)) / 2
        mean = normals[mine].mean(axis=0)
        radius = np.linalg.norm(points - centre, axis=1).max()
        spread = np.linalg.norm(normals[mine] - mean, axis=1).max()
        reach = ((centre - corners[mine, 0]) * normals[mine]).sum(axis=1).max()
        rows.append([len(mine), *centre, radius, *mean, spread, reach])
    return order, rows
