"""Which triangles of a scene may show on a picture, and where on it they lie.

After bullet3's `examples/TinyRenderer/TinyRenderer.cpp` at 6c888f4. What is left out here could not have been drawn:
triangles seen from behind, of less than the area that is drawn at all, or between the pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.playtable.tiny.batches import Batch, Camera
from simulators.playtable.tiny.matrices import Floats, Ints
from simulators.playtable.tiny.near_plane import before_near_plane

#: Twice the area in pixels, squared, that a triangle must exceed.
LEAST = 1e-2
#: Pixels between corners up to which single precision tells how large a triangle is.
_FAR_APART = 150.0


@dataclass(frozen=True)
class Triangles:
    """`numbers` (n,) among all of a scene; screen coordinates `x`, `y` and clip coordinates `z`, `w`, (3, n) each.
    `whole` is None unless some are parts of what the near plane cuts: then x, y and w of the uncut, (9, n), and `cut`
    (n,) says which these are."""

    numbers: Ints
    x: Floats
    y: Floats
    z: Floats
    w: Floats
    cut: NDArray[np.bool_] | None = None
    whole: Floats | None = None


def may_show(batch: Batch, shown: NDArray[np.bool_], camera: Camera) -> list[Triangles]:
    """Triangles of the shapes that are shown, (s,), which may cover a pixel."""
    places = batch.seen(shown, camera)
    if len(places) == 0:
        return []
    faces = batch.faces.take(places, axis=1)
    screen = _Screen(batch, shown, camera)
    found: list[Triangles] = []
    if screen.lowest <= 0:
        before = (screen.w > 0).take(faces)
        crossing = np.flatnonzero(before.any(axis=0) & ~before.all(axis=0))
        if len(crossing):
            found += _cut(batch, faces[:, crossing], batch.numbers[places[crossing]], camera)
        kept = np.flatnonzero(before.all(axis=0))
        faces, places = faces.take(kept, axis=1), places.take(kept)
    kept = _facing(screen.x, screen.y, faces, screen.edge)
    faces = faces.take(kept, axis=1)
    xs, ys = screen.x.take(faces), screen.y.take(faces)
    spans = np.flatnonzero(_spans(xs, camera.side) & _spans(ys, camera.side))
    if len(spans) == 0:
        return found
    faces, xs, ys = faces.take(spans, axis=1), xs.take(spans, axis=1), ys.take(spans, axis=1)
    places = places.take(kept.take(spans))
    slim = _slim(xs, ys)
    if len(slim):
        behind = slim[_is_behind(batch, faces[:, slim], camera)]
        if len(behind):
            left = np.ones(len(places), bool)
            left[behind] = False
            faces, places, xs, ys = faces[:, left], places[left], xs[:, left], ys[:, left]
    vertices = batch.vertices.take(faces, axis=1)
    depths = camera.clips[:, 2].T.take(batch.owners.take(faces[0]), axis=1)
    z = _row(depths[:, None], vertices)
    return [*found, Triangles(batch.numbers.take(places), xs, ys, z, screen.w.take(faces))]


class _Screen:
    """Where a batch's vertices are on the picture, and their w; `lowest` of these; `edge`: what no edge in sight is
    longer than, in pixels, or None where single precision is not enough."""

    def __init__(self, batch: Batch, shown: NDArray[np.bool_], camera: Camera) -> None:
        self.lowest = np.inf
        self.edge: float | None = None
        if not batch.spans:
            clips = camera.clips.transpose(1, 2, 0).take(batch.owners, axis=2)
            self.x, self.y, self.w = _projected(clips, batch.vertices, camera.side)
            self.lowest = float(self.w.min())
            return
        self.edge = 0.0
        self.x, self.y, self.w = np.ones((3, batch.vertices.shape[1]), np.float32)
        for (place, begin, end), longest in zip(batch.spans, batch.longest):
            if not shown[place]:
                continue
            mine, clip = slice(begin, end), camera.clips[place]
            self.x[mine], self.y[mine], w = _projected(clip, batch.vertices[:, mine], camera.side)
            self.w[mine] = w
            lowest = float(w.min())
            self.lowest = min(lowest, self.lowest)
            # Of an edge whose ends are no farther out than four times what is in sight, which longer ones are beyond.
            wide, deep = np.linalg.norm(clip[[0, 3], :3].astype(np.float64), axis=1)
            scale = float(wide + 4 * deep) * camera.side / 2
            self.edge = max(self.edge, longest * scale / lowest if lowest > 0 else np.inf)
        if self.edge > _FAR_APART:
            self.edge = None


def joined(parts: Sequence[Triangles]) -> Triangles:
    """All triangles in one."""
    x, y, z, w = (np.concatenate([getattr(p, name) for p in parts], axis=1) for name in ("x", "y", "z", "w"))
    numbers = np.concatenate([part.numbers for part in parts])
    if all(part.cut is None for part in parts):
        return Triangles(numbers, x, y, z, w)
    cut = np.concatenate([np.zeros(len(p.numbers), bool) if p.cut is None else p.cut for p in parts])
    whole = [np.concatenate([p.x, p.y, p.w]) if p.whole is None else p.whole for p in parts]
    return Triangles(numbers, x, y, z, w, cut, np.concatenate(whole, axis=1))


def _row(row: Floats, vertices: Floats) -> Floats:
    """A matrix' row by vertices, from the last term to the first."""
    total = row[2] * vertices[2]
    total += row[3]
    total += row[1] * vertices[1]
    total += row[0] * vertices[0]
    return total


def _projected(clip: Floats, vertices: Floats, side: int) -> tuple[Floats, Floats, Floats]:
    """x and y on the picture, and w."""
    half = np.float32(side / 2)
    w = _row(clip[3], vertices)
    scaled = half * w
    x, y = (_row(clip[k], vertices) for k in (0, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        for v in (x, y):
            v *= half
            v += scaled
            v /= w
    return x, y, w


def _facing(x: Floats, y: Floats, faces: Ints, edge: float | None) -> Ints:
    """Faces that are seen from the front and large enough, and those of which rounding leaves that open.

    edge: what none is longer than; then single precision is enough.
    """
    if edge is None:
        x, y = x.astype(np.float64), y.astype(np.float64)
    ax, bx, cx = x.take(faces)
    ay, by, cy = y.take(faces)
    bx -= ax
    cx -= ax
    by -= ay
    cy -= ay
    area = bx * cy
    area -= by * cx
    error = 1e-9 if edge is None else 4e-7 * edge * edge
    kept = area > LEAST - error
    lowest = -np.inf if edge is None else -_open_to(2 * edge)
    if lowest < error - LEAST:
        thin = np.flatnonzero((area < error - LEAST) & (area > lowest))
        if len(thin):
            edges = sum(np.abs(v[thin]) for v in (bx, by, cx, cy))
            kept[thin[area[thin] > -_open_to(edges)]] = True
    return np.flatnonzero(kept)


def _open_to(edges: NDArray[np.floating] | float) -> NDArray[np.floating] | float:
    """Up to which area rounding may have turned a triangle over. edges: of two of its sides, by coordinates."""
    return 1e-3 * edges + 1e-6 * edges * edges


def _spans(v: Floats, side: int) -> NDArray[np.bool_]:
    """Whether a pixel of the picture lies between the least and the greatest of (3, n)."""
    low = np.maximum(np.minimum(np.minimum(v[0], v[1]), v[2]), np.float32(0))
    high = np.minimum(np.maximum(np.maximum(v[0], v[1]), v[2]), np.float32(side - 1))
    return np.asarray(np.floor(high) >= np.ceil(low))


def _slim(x: Floats, y: Floats) -> Ints:
    """Those so slim on the picture that the world's coordinates must say whether they are seen from the front."""
    bx, cx, by, cy = x[1] - x[0], x[2] - x[0], y[1] - y[0], y[2] - y[0]
    edges = np.abs(bx) + np.abs(by) + np.abs(cx) + np.abs(cy)
    return np.flatnonzero(bx * cy - by * cx < 2 * _open_to(edges))


def _is_behind(batch: Batch, faces: Ints, camera: Camera) -> NDArray[np.bool_]:
    """Whether faces (3, n) are seen from behind, by the world's coordinates."""
    models = camera.models.transpose(1, 2, 0)[:, :, batch.owners[faces]]
    corners = batch.vertices[:, faces]
    (x0, x1, x2), (y0, y1, y2), (z0, z1, z2) = (_row(models[k], corners).astype(np.float64) for k in range(3))
    x1, x2, y1, y2, z1, z2 = x1 - x0, x2 - x0, y1 - y0, y2 - y0, z1 - z0, z2 - z0
    along = (x0 - camera.eye[0]) * (y1 * z2 - z1 * y2) + (y0 - camera.eye[1]) * (z1 * x2 - x1 * z2)
    return np.asarray(along + (z0 - camera.eye[2]) * (x1 * y2 - y1 * x2) >= 0)


def _cut(batch: Batch, faces: Ints, numbers: Ints, camera: Camera) -> list[Triangles]:
    """What is left of faces of which a part is behind the camera."""
    front = np.flatnonzero(~_is_behind(batch, faces, camera))
    faces, numbers = faces[:, front], numbers[front]
    clips = camera.clips.transpose(1, 2, 0)[:, :, batch.owners[faces]]
    corners = np.stack([_row(clips[k], batch.vertices[:, faces]) for k in range(4)])
    beyond = np.concatenate([corners[:2] > corners[3], -corners[:2] > corners[3]]).all(axis=1)
    here = np.flatnonzero(~beyond.any(axis=0))
    corners, numbers = corners[:, :, here], numbers.take(here)
    places, pieces = before_near_plane(corners)
    if len(places) == 0:
        return []
    (x, y, z, w), (whole_x, whole_y, _, whole_w) = (_on_screen(c, camera.side) for c in (pieces, corners))
    whole = np.concatenate([whole_x, whole_y, whole_w])
    return [Triangles(numbers[places], x, y, z, w, np.ones(len(places), bool), whole[:, places])]


def _on_screen(clip: Floats, side: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Screen x and y, and clip z and w, (3, n) each, of clip coordinates (4, 3, n)."""
    half, (x, y, z, w) = np.float32(side / 2), clip
    with np.errstate(divide="ignore", invalid="ignore"):
        return (half * w + half * x) / w, (half * w + half * y) / w, z, w
