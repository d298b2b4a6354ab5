"""TinyRenderer's small matrices in single precision: the same operations in the same order, many at once."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Ints = NDArray[np.intp]


def rotations(quaternions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotation matrices (n, 3, 3) of quaternions (n, 4), x, y, z, w, as Bullet makes them."""
    x, y, z, w = quaternions.T
    s = 2.0 / (x * x + y * y + z * z + w * w)
    xs, ys, zs = x * s, y * s, z * s
    wx, wy, wz, xx, xy, xz = w * xs, w * ys, w * zs, x * xs, x * ys, x * zs
    yy, yz, zz = y * ys, y * zs, z * zs
    rows = [
        1.0 - (yy + zz),
        xy - wz,
        xz + wy,
        xy + wz,
        1.0 - (xx + zz),
        yz - wx,
        xz - wy,
        yz + wx,
        1.0 - (xx + yy),
    ]
    return np.stack(rows, axis=1).reshape(-1, 3, 3)


def model_matrices(positions: NDArray[np.float64], quaternions: NDArray[np.float64]) -> Floats:
    """(n, 4, 4) of where bodies are: (n, 3) in m and (n, 4)."""
    found = np.zeros((len(positions), 4, 4), np.float32)
    found[:, :3, :3] = rotations(quaternions)
    found[:, :3, 3] = positions
    found[:, 3, 3] = 1.0
    return found


def opengl_matrix(columns: tuple[float, ...]) -> Floats:
    """(4, 4) of OpenGL's sixteen numbers, which go column by column."""
    return np.array(columns, np.float32).reshape(4, 4).T.copy()


def product(left: Floats, right: Floats) -> Floats:
    """Matrix products (..., 4, 4), summed from the last term to the first."""
    total = left[..., :, 3, None] * right[..., None, 3, :]
    for k in (2, 1, 0):
        total = total + left[..., :, k, None] * right[..., None, k, :]
    return total


@lru_cache(maxsize=8)
def eye_of(columns: tuple[float, ...]) -> Doubles:
    """Where the camera with OpenGL's view matrix is, (3,)."""
    view = opengl_matrix(columns)
    minors = np.stack([np.delete(view[:3], column, axis=1) for column in range(3)])
    cofactors = _det3(minors) * np.array([-1, 1, -1], np.float32)
    return np.asarray(cofactors / _cofactors(view[None, :3, :3])[1], dtype=np.float64)


def inverse_transposes(matrices: Floats) -> Floats:
    """The upper left (n, 3, 3) of those of (n, 4, 4) whose last rows are 0, 0, 0, 1."""
    cofactors, total = _cofactors(matrices[:, :3, :3])
    return cofactors / total[:, None, None]


def _cofactors(m: Floats) -> tuple[Floats, Floats]:
    """Of (n, 3, 3), and the determinants (n,)."""
    first, second = m[:, [1, 2, 0]], m[:, [2, 0, 1]]
    found = (
        first[:, :, [1, 2, 0]] * second[:, :, [2, 0, 1]] - first[:, :, [2, 0, 1]] * second[:, :, [1, 2, 0]]
    )
    terms = found[:, 0] * m[:, 0]
    return found, (terms[:, 2] + terms[:, 1]) + terms[:, 0]


def _det3(m: Floats) -> Floats:
    """Of (n, 3, 3), from the last term to the first, and so are those of the minors."""
    total = None
    for k, (a, b) in ((2, (0, 1)), (1, (0, 2)), (0, (1, 2))):
        minor = m[:, 1, b] * -m[:, 2, a] + m[:, 1, a] * m[:, 2, b]
        term = m[:, 0, k] * (-minor if k == 1 else minor)
        total = term if total is None else total + term
    assert total is not None
    return total
