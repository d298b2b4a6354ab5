"""Rendering with PyBullet, and putting one picture in front of another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmark.cameras import Lens
from simulators.playtable.bullet import pybullet
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


@dataclass(frozen=True)
class Layer:
    """The pixels of a picture that show something: their `places` (n,), row * side + column, their `rgb` (n, 3),
    `segments` (n,) and `depth` (n,) as in `Picture`."""

    places: np.ndarray
    rgb: np.ndarray
    segments: np.ndarray
    depth: np.ndarray


def layer_of(picture: Picture) -> Layer:
    """What it shows."""
    places = np.flatnonzero(picture.segments.ravel() >= 0)
    flat = picture.rgb.reshape(-1, 3), picture.segments.ravel(), picture.depth.ravel()
    return Layer(places, *(values[places] for values in flat))


def picture_of(layer: Layer, side: int, nothing: float) -> Picture:
    """A layer before white; nothing: the depth of where nothing is."""
    pixels = side * side
    rgb, segments = np.full((pixels, 3), 255, np.uint8), np.full(pixels, -1, np.int32)
    depth = np.full(pixels, nothing, np.float32)
    rgb[layer.places], segments[layer.places], depth[layer.places] = layer.rgb, layer.segments, layer.depth
    shape = side, side
    return Picture(rgb.reshape(*shape, 3), segments.reshape(shape), depth.reshape(shape))


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


def in_front(front: Layer, back: Picture, colours_only: bool = False) -> Picture | None:
    """The nearer of two pictures of the same view at every pixel.

    None where that cannot be told: two surfaces of different colour at the same depth. colours_only: segments and
    depth are those of the back.
    """
    gap = front.depth - back.depth.reshape(-1).take(front.places)
    nearer = np.flatnonzero(gap < _DEPTH_TIE)
    places, rgb_there = front.places.take(nearer), front.rgb.take(nearer, axis=0)
    ties = np.flatnonzero(gap.take(nearer) > -_DEPTH_TIE)
    if (rgb_there[ties] != back.rgb.reshape(-1, 3)[places[ties]]).any():
        return None
    rgb = back.rgb.copy()
    rgb.reshape(-1, 3)[places] = rgb_there
    if colours_only:
        return Picture(rgb, back.segments, back.depth)
    segments, depth = back.segments.copy(), back.depth.copy()
    segments.reshape(-1)[places] = front.segments[nearer]
    depth.reshape(-1)[places] = front.depth[nearer]
    return Picture(rgb, segments, depth)
