"""Colours of fragments as TinyRenderer's shader has them: one light from far away, a texture's nearest texel.

After bullet3's `examples/TinyRenderer/TinyRenderer.cpp` and `model.cpp` at 6c888f4, operation by operation.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulators.playtable.tiny.matrices import Floats, inverse_transposes

_AMBIENT, _DIFFUSE, _SPECULAR = np.float32(0.6), np.float32(0.35), np.float32(0.05)
_LENGTH = 1.0 / np.sqrt(50.0 * 50.0 + 30.0 * 30.0 + 100.0 * 100.0)
_LIGHT = np.array([-50.0 * _LENGTH, 30.0 * _LENGTH, 100.0 * _LENGTH]).astype(np.float32)


def shades(
    normals: Floats, weights: Floats, shapes: NDArray[np.intp], models: Floats
) -> tuple[Floats, Floats]:
    """How much the light adds by the angle to it, and by its reflection, (n,) each.

    normals (n, 9) of the three corners; weights (3, n); shapes (n,), whose model matrices (s, 4, 4) turn them.
    """
    turn = np.ascontiguousarray(inverse_transposes(models).reshape(-1, 9).T).take(shapes, axis=1)
    corners = np.ascontiguousarray(normals.reshape(-1, 9).T)
    n = []
    for row in (0, 3, 6):
        at = [
            (turn[row + 2] * corners[k + 2] + turn[row + 1] * corners[k + 1]) + turn[row] * corners[k]
            for k in (0, 3, 6)
        ]
        n.append((at[2] * weights[2] + at[1] * weights[1]) + at[0] * weights[0])
    with np.errstate(divide="ignore", invalid="ignore"):
        x, y, z = _normalized(*n)
        along = (z * _LIGHT[2] + y * _LIGHT[1]) + x * _LIGHT[0]
        twice = along * np.float32(2)
        reflected = _normalized(*(v * twice - light for v, light in zip((x, y, z), _LIGHT)))[2]
    specular = np.where(reflected > 0, reflected, np.float32(0))
    diffuse = np.where(along < 0, np.float32(0), along)
    return np.asarray(diffuse), specular * specular


def texels(uv: Floats, weights: Floats, image: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Texels (n,) of an image (h, w) whose first row is its lowest, at uv (n, 6) of the corners."""
    height, width = image.shape
    at = []
    for k, size in ((0, width), (1, height)):
        value = (uv[:, 4 + k] * weights[2] + uv[:, 2 + k] * weights[1]) + uv[:, k] * weights[0]
        value -= np.trunc(value)
        value += value < 0
        value *= np.float32(size)
        at.append(np.minimum(value.astype(np.intp), size - 1))
    return image.ravel().take(at[1] * width + at[0])


def colours(
    texel: NDArray[np.uint8], tint: Floats | None, diffuse: Floats, specular: Floats
) -> NDArray[np.uint8]:
    """RGB (n, 3): texels and tints (n, 3), white where that is None, under the light."""
    base = texel.astype(np.float32)
    if tint is not None:
        base = np.trunc(base * tint)
    total = base * (_DIFFUSE * diffuse + _SPECULAR * specular)[:, None]
    base *= _AMBIENT
    total += base
    np.minimum(total, np.float32(255), out=total)
    if np.isnan(diffuse).any():  # of a triangle whose normal is no direction
        total[np.isnan(diffuse)] = 0
    return total.astype(np.uint8)


def normalized(normals: Floats) -> Floats:
    """Normals (..., 3) of unit length, nearly: doing it again changes some, and again back."""
    with np.errstate(divide="ignore", invalid="ignore"):
        x, y, z = (normals[..., k] for k in range(3))
        return np.stack(_normalized(x, y, z), axis=-1)


def _normalized(x: Floats, y: Floats, z: Floats) -> tuple[Floats, Floats, Floats]:
    scale = np.float32(1) / np.sqrt((x * x + y * y) + z * z)
    return x * scale, y * scale, z * scale
