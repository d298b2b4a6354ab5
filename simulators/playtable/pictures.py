"""Rendering with PyBullet, and putting one picture in front of another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pybullet

from benchmark.cameras import Lens
from simulators.playtable.client import Client

#: Depths closer than this count as equal; single precision knows them to some 1e-7.
_DEPTH_TIE = 1e-6


@dataclass(frozen=True)
class Picture:
    """`rgb` (n, n, 3) uint8; `segments` (n, n) int32: body uid + (link + 1) << 24, -1 where nothing is;
    `depth` (n, n) float32, OpenGL's depth buffer: 0 near, 1 far."""

    rgb: np.ndarray
    segments: np.ndarray
    depth: np.ndarray


def projection(lens: Lens) -> tuple[float, ...]:
    """OpenGL's projection matrix, column by column."""
    matrix: tuple[float, ...] = pybullet.computeProjectionMatrixFOV(
        fov=lens.fov_degrees, aspect=1, nearVal=lens.near, farVal=lens.far
    )
    return matrix


def render(
    client: Client, pixels: int, view: tuple[float, ...], projection: tuple[float, ...], renderer: int
) -> Picture:
    """What is shown now. Segments cost nothing extra."""
    _, _, rgba, depth, segments = client.getCameraImage(
        pixels,
        pixels,
        viewMatrix=view,
        projectionMatrix=projection,
        renderer=renderer,
        flags=pybullet.ER_SEGMENTATION_MASK_OBJECT_AND_LINKINDEX,
    )
    if isinstance(rgba, tuple):  # of a PyBullet that was built without NumPy: numbers, all in one row
        rgba = np.frombuffer(bytes(rgba), np.uint8)  # ten times faster than np.array
        depth = np.fromiter(depth, np.float32, len(depth))
        segments = np.fromiter(segments, np.int32, len(segments))
    shape = (pixels, pixels)
    rgb = np.ascontiguousarray(np.reshape(rgba, (*shape, 4))[:, :, :3], dtype=np.uint8)
    return Picture(rgb, np.reshape(segments, shape), np.reshape(depth, shape))


def in_front(front: Picture, back: Picture) -> Picture | None:
    """The nearer of two pictures of the same view at every pixel.

    None where that cannot be told: two surfaces of different colour at the same depth.
    """
    back_depth, front_depth = back.depth.ravel(), front.depth.ravel()
    candidates = np.flatnonzero(front.segments.ravel() >= 0)
    gap = front_depth[candidates] - back_depth[candidates]
    nearer, gap = candidates[gap < _DEPTH_TIE], gap[gap < _DEPTH_TIE]
    front_rgb = front.rgb.reshape(-1, 3)[nearer]
    ties = nearer[gap > -_DEPTH_TIE]
    if (front.rgb.reshape(-1, 3)[ties] != back.rgb.reshape(-1, 3)[ties]).any():
        return None
    rgb, segments, depth = back.rgb.copy(), back.segments.copy(), back.depth.copy()
    rgb.reshape(-1, 3)[nearer] = front_rgb
    segments.ravel()[nearer] = front.segments.ravel()[nearer]
    depth.ravel()[nearer] = front_depth[nearer]
    return Picture(rgb, segments, depth)
