"""Where a world point appears in CALVIN's static image."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from benchmark.cameras import STATIC_CAMERA_NM
from benchmark.embodiment import CALVIN

_CAMERA = STATIC_CAMERA_NM


def project_static(
    points_m: NDArray[np.floating], image_size: int = CALVIN.static_pixels
) -> NDArray[np.float64]:
    """(N, 3) world points in metres -> (N, 2) pixel coordinates x, y of a square static image.

    Points behind the camera give NaN.
    """
    eye, forward, right, up = _axes()
    offset = np.asarray(points_m, dtype=np.float64).reshape(-1, 3) - eye
    depth = offset @ forward
    depth = np.where(depth > 0, depth, np.nan)
    focal = image_size / 2 / math.tan(math.radians(_CAMERA.lens.fov_degrees) / 2)
    x = image_size / 2 + focal * (offset @ right) / depth
    y = image_size / 2 - focal * (offset @ up) / depth
    return np.stack([x, y], axis=1)


def unproject_static(
    pixel_xy: tuple[float, float], z_m: float, image_size: int = CALVIN.static_pixels
) -> tuple[float, float]:
    """World x and y in metres of the point at height `z_m` that appears at a pixel of the static image."""
    eye, forward, right, up = _axes()
    focal = image_size / 2 / math.tan(math.radians(_CAMERA.lens.fov_degrees) / 2)
    ray = (
        forward + right * (pixel_xy[0] - image_size / 2) / focal - up * (pixel_xy[1] - image_size / 2) / focal
    )
    x, y = (eye + ray * (z_m - eye[2]) / ray[2])[:2]
    return float(x), float(y)


@lru_cache(maxsize=1)
def _axes() -> tuple[NDArray[np.float64], ...]:
    """The camera's place and its unit vectors forward, right and up, each (3,)."""
    eye = np.asarray(_CAMERA.eye)
    forward = np.asarray(_CAMERA.target) - eye
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, _CAMERA.up)
    right /= np.linalg.norm(right)
    return eye, forward, right, np.cross(right, forward)
