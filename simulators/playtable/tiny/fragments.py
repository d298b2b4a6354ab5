"""Which triangle shows at which pixel, and how deep: TinyRenderer's answers to the last bit, for all triangles at once.

After bullet3's `examples/TinyRenderer/our_gl.cpp` at 6c888f4. Positions on the picture are in single precision,
barycentric coordinates and depths in double, and every sum has the order that it has there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.playtable.tiny.matrices import Doubles, Floats, Ints
from simulators.playtable.tiny.triangles import LEAST, Triangles

#: Of triangles around which there are more pixels than this, only the rows' parts inside are looked at, unless all of
#: them together are few.
_MANY, _FEW = 48, 20_000


@dataclass(frozen=True)
class Lens:
    """`side` of the picture in pixels; near and far plane in m, as the shader has them."""

    side: int
    near: np.float32
    far: np.float32


@dataclass(frozen=True)
class Fragments:
    """The pixels (n,) that something covers, row from below * side + column; the triangle's number; barycentric
    coordinates `weights` (3, n); `z` (n,), minus the clip z in single precision."""

    pixels: Ints
    numbers: Ints
    weights: Floats
    z: Floats


def lens_of(projection: Floats, side: int) -> Lens:
    """Of a projection matrix (4, 4)."""
    one = np.float32(1)
    return Lens(side, *(projection[2, 3] / (projection[2, 2] + sign) for sign in (-one, one)))


def fragments(found: Triangles, lens: Lens) -> Fragments:
    """What shows at each pixel: the nearest, and of those equally near the last drawn."""
    xs, ys = found.x.astype(np.float64), found.y.astype(np.float64)
    bx, cx, by, cy = xs[1] - xs[0], xs[2] - xs[0], ys[1] - ys[0], ys[2] - ys[0]
    area = cx * by - bx * cy
    t, px, py = _candidates(found, xs, ys, np.abs(area) > LEAST, lens.side)
    sx, sy = xs[0].take(t) - px, ys[0].take(t) - py
    ux = bx.take(t) * sy - sx * by.take(t)
    uy = sx * cy.take(t) - cx.take(t) * sy
    uz = area.take(t)
    weights = np.empty((3, len(t)))
    np.divide(ux + uy, uz, out=weights[0])
    np.subtract(1.0, weights[0], out=weights[0])
    np.divide(uy, uz, out=weights[1])
    np.divide(ux, uz, out=weights[2])
    inside = np.flatnonzero((weights[0] >= 0) & (weights[1] >= 0) & (weights[2] >= 0))
    t, pixels, weights = t.take(inside), (py * lens.side + px).take(inside), weights.take(inside, axis=1)
    weights /= found.w.take(t, axis=1)
    weights /= (weights[0] + weights[1]) + weights[2]
    z = found.z.take(t, axis=1)
    depth = -((z[2] * weights[2] + z[1] * weights[1]) + z[0] * weights[0])
    shows = depth <= lens.near
    if found.cut is not None:
        shows |= found.cut.take(t)
    shows &= depth >= -lens.far
    if not shows.all():
        t, pixels, weights, depth = t[shows], pixels[shows], weights[:, shows], depth[shows]
    # Of cut triangles the parts follow each other, as they are drawn.
    winners, kept = _nearest(pixels, depth, found.numbers.take(t), lens.side)
    t, pixels, weights = t.take(winners), pixels.take(winners), weights.take(winners, axis=1)
    if found.cut is not None and found.whole is not None and found.cut[t].any():
        cut = np.flatnonzero(found.cut[t])
        row, column = np.divmod(pixels[cut], lens.side)
        weights[:, cut] = _weights_of_the_whole(found.whole[:, t[cut]], column, row)
    return Fragments(pixels, found.numbers.take(t), weights.astype(np.float32), kept.take(winners))


def _candidates(
    found: Triangles, xs: Doubles, ys: Doubles, drawn: NDArray[np.bool_], side: int
) -> tuple[Ints, Ints, Ints]:
    """Triangle, column and row of the pixels which each may cover."""
    last = np.float32(side - 1)
    (low_x, high_x), (low_y, high_y) = (_from_to(v, last) for v in (found.x, found.y))
    shown = np.flatnonzero(drawn & (high_x >= low_x) & (high_y >= low_y))
    x0, x1, y0, y1 = (v.take(shown).astype(np.intp) for v in (low_x, high_x, low_y, high_y))
    wide, high = x1 - x0 + 1, y1 - y0 + 1
    around = wide * high
    is_small = around <= (_FEW if around.sum() <= _FEW else _MANY)
    small = np.flatnonzero(is_small)
    counts = around.take(small)
    place = np.repeat(small, counts)
    k, across = _from_zero(counts), wide.take(place)
    row = ((k + 0.5) / across).astype(np.intp)
    t, px, py = shown.take(place), k - row * across + x0.take(place), row + y0.take(place)
    if len(small) == len(shown):
        return t, px, py
    large = np.flatnonzero(~is_small)
    counts = high.take(large)
    rows = np.repeat(large, counts)
    row_y = _from_zero(counts) + y0.take(rows)
    left, right = _inside_of_rows(xs, ys, shown.take(rows), row_y)
    left = np.maximum(left, x0.take(rows)).astype(np.intp)
    right = np.minimum(right, x1.take(rows)).astype(np.intp)
    counts = np.maximum(right - left + 1, 0)
    place = np.repeat(np.arange(len(rows)), counts)
    return (
        np.concatenate([t, shown.take(rows).take(place)]),
        np.concatenate([px, _from_zero(counts) + left.take(place)]),
        np.concatenate([py, row_y.take(place)]),
    )


def _from_to(v: Floats, last: np.float32) -> tuple[Floats, Floats]:
    """The first and the last pixel between the least and the greatest of (3, n)."""
    low = np.maximum(np.minimum(np.minimum(v[0], v[1]), v[2]), np.float32(0))
    return np.ceil(low), np.floor(np.minimum(np.maximum(np.maximum(v[0], v[1]), v[2]), last))


def _from_zero(counts: Ints) -> Ints:
    """0, 1, 2, ... for each of `counts`, one after the other."""
    ends = np.cumsum(counts)
    return np.arange(int(ends[-1]) if len(ends) else 0) - np.repeat(ends - counts, counts)


def _inside_of_rows(xs: Doubles, ys: Doubles, triangles: Ints, rows: Ints) -> tuple[Doubles, Doubles]:
    """From where to where each triangle covers a row, at most a pixel too far."""
    x, y = xs.take(triangles, axis=1), ys.take(triangles, axis=1)
    left, right = np.full(len(rows), np.inf), np.full(len(rows), -np.inf)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for a, b in ((0, 1), (1, 2), (2, 0)):
            level = y[a] == y[b]
            crossing = x[a] + (rows - y[a]) / (y[b] - y[a]) * (x[b] - x[a])
            meets = (np.minimum(y[a], y[b]) <= rows) & (rows <= np.maximum(y[a], y[b]))
            for at in (np.where(level, x[a], crossing), np.where(level, x[b], crossing)):
                left = np.where(meets, np.fmin(left, at), left)
                right = np.where(meets, np.fmax(right, at), right)
    return np.maximum(np.floor(left - 1e-6), -1), np.ceil(np.minimum(right, 1e6) + 1e-6)


def _nearest(pixels: Ints, depth: Doubles, numbers: Ints, side: int) -> tuple[Ints, Floats]:
    """Which fragments show, and all their depths as the buffer has them.

    A fragment is drawn unless what the buffer holds, in single precision, is nearer than it is in double.
    """
    kept = depth.astype(np.float32)
    nearest = np.full(side * side, -np.inf, np.float32)
    np.maximum.at(nearest, pixels, kept)
    first = np.flatnonzero(kept == nearest.take(pixels))
    shown = np.full(len(nearest), -1, np.intp)
    shown[pixels.take(first)] = first
    winners = shown[shown >= 0]
    if len(winners) == len(first):
        return winners, kept
    first = first[np.argsort(numbers[first], kind="stable")]
    shown[pixels[first[::-1]]] = first[::-1]
    over = first[depth[first] >= kept[first]]
    shown[pixels[over]] = over
    return shown[shown >= 0], kept


def _weights_of_the_whole(whole: Floats, px: Ints, py: Ints) -> Doubles:
    """Barycentric coordinates (3, n) in triangles of which a part was cut off: x, y, w by corner, (9, n)."""
    (a, b, c, d, e, f), w = whole[:6].astype(np.float64), whole[6:]
    sx, sy = a - px, d - py
    ux = (b - a) * sy - sx * (e - d)
    uy = sx * (f - d) - (c - a) * sy
    uz = (c - a) * (e - d) - (b - a) * (f - d)
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = np.stack([1.0 - (ux + uy) / uz, uy / uz, ux / uz])
        weights[:, np.abs(uz) <= LEAST] = np.array([[-1.0], [1.0], [1.0]])
        weights = weights / w
        return np.asarray(weights / ((weights[0] + weights[1]) + weights[2]))
