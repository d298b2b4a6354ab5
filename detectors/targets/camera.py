"""Where a world point appears in CALVIN's static image.

Constants: calvin_env `conf/cameras/cameras/static.yaml` (position, look-at point, up vector, field of view).
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

STATIC_EYE_M = (2.871459009, -2.166602199, 2.555159849)
STATIC_LOOK_AT_M = (-0.026242351, -0.030232988, 0.392000049)
STATIC_UP = (0.404140397, 0.226297910, 0.886261697)
STATIC_FOV_DEGREES = 10.0


def project_static(points_m: NDArray[np.floating], image_size: int = 200) -> NDArray[np.float64]:
    """(N, 3) world points in metres -> (N, 2) pixel coordinates x, y of a square static image.

    Points behind the camera give NaN.
    """
    eye, forward, right, up = _axes()
    offset = np.asarray(points_m, dtype=np.float64).reshape(-1, 3) - eye
    depth = offset @ forward
    depth = np.where(depth > 0, depth, np.nan)
    focal = image_size / 2 / math.tan(math.radians(STATIC_FOV_DEGREES) / 2)
    x = image_size / 2 + focal * (offset @ right) / depth
    y = image_size / 2 - focal * (offset @ up) / depth
    return np.stack([x, y], axis=1)


def unproject_static(pixel_xy: tuple[float, float], z_m: float, image_size: int = 200) -> tuple[float, float]:
    """World x and y in metres of the point at height `z_m` that appears at a pixel of the static image."""
    eye, forward, right, up = _axes()
    focal = image_size / 2 / math.tan(math.radians(STATIC_FOV_DEGREES) / 2)
    ray = (
        forward + right * (pixel_xy[0] - image_size / 2) / focal - up * (pixel_xy[1] - image_size / 2) / focal
    )
    x, y = (eye + ray * (z_m - eye[2]) / ray[2])[:2]
    return float(x), float(y)


@lru_cache(maxsize=1)
def _axes() -> tuple[NDArray[np.float64], ...]:
    """The camera's place and its unit vectors forward, right and up, each (3,)."""
    eye = np.asarray(STATIC_EYE_M)
    forward = np.asarray(STATIC_LOOK_AT_M) - eye
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, STATIC_UP)
    right /= np.linalg.norm(right)
    return eye, forward, right, np.cross(right, forward)
