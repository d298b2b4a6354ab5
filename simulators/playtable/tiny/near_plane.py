"""Triangles that reach behind the camera, cut as TinyRenderer cuts them (`TinyRenderer.cpp`, `clipEdge`)."""

from __future__ import annotations

import numpy as np

from simulators.playtable.tiny.matrices import Floats, Ints


def before_near_plane(corners: Floats) -> tuple[Ints, Floats]:
    """Of triangles in clip coordinates, (4, 3, n), the parts before the near plane: whose they are, (m,), and they,
    (4, 3, m). A part of four corners is two triangles."""
    places: list[int] = []
    pieces: list[Floats] = []
    for place in range(corners.shape[2]):
        for piece in _cut(np.ascontiguousarray(corners[:, :, place].T)):
            places.append(place)
            pieces.append(piece)
    if not pieces:
        return np.zeros(0, np.intp), np.zeros((4, 3, 0), np.float32)
    return np.array(places, np.intp), np.stack(pieces).transpose(2, 1, 0)


def _cut(corners: Floats) -> list[Floats]:
    """The parts (3, 4) of a triangle (3, 4)."""
    found: list[Floats] = []
    for a, b in ((0, 1), (1, 2), (2, 0)):
        start, end = corners[a], corners[b]
        start_in, end_in = (bool(p[3] > 0 and p[2] > -p[3]) for p in (start, end))
        if not start_in and not end_in:
            continue
        if not (start_in and end_in):
            d0, d1 = start[2] + start[3], end[2] + end[3]
            factor = np.float32(1.0 / np.float64(d1 - d0))
            new = (start * d1 - end * d0) * factor
            start, end = (start, new) if start_in else (new, end)
        found += [start, end]
    return [np.stack([found[0], found[i], found[i + 1]]) for i in range(1, len(found) - 1)]
