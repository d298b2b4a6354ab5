"""Drawer and sliding door from where their handles are: both are rigid, and the camera does not move.

Computed in the unit square: an image of another size or shape is the same picture, stretched to it.
Sizes in metres: calvin_env `data/calvin_table_{A,B,C,D}/urdf` (the same in all four scenes, scaled by 0.8).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np

from detectors.base import Box
from detectors.targets.camera import project_static, unproject_static

#: (low, high) corners.
Solid = tuple[tuple[float, float, float], tuple[float, float, float]]

_SCALE = 0.8
#: Heights of the handles' middles and the front edge of the desk, world frame.
_DRAWER_HANDLE_Z = _SCALE * 0.45
_DESK_FRONT_Y = _SCALE * -0.2
#: Drawer parts around the middle of its handle.
_DRAWER_HANDLE: Solid = ((-0.12, -0.01, -0.02), (0.12, 0.07, 0.02))
_DRAWER_FRONT: Solid = ((-0.22, 0.07, -0.06), (0.22, 0.09, 0.04))
_DRAWER_HALF_WIDTH = 0.2
#: Door and handle in the door's frame; the frame leans back and slides along x.
_DOOR_Y, _DOOR_Z, _DOOR_SLOPE = _SCALE * 0.09375, _SCALE * 0.66908, math.radians(60)
_DOOR: Solid = ((-0.14, -0.11, 0.0), (0.14, 0.11, 0.02))
_DOOR_HANDLE: Solid = ((-0.02, -0.08, 0.02), (0.02, 0.08, 0.08))


def drawer_from_handle(handle: Box, height: int, width: int) -> Box:
    """Visible part of the drawer whose handle has this box: front, handle and what stands out of the desk."""
    return _in_unit_square(_drawer, handle, height, width)


def door_from_handle(handle: Box, height: int, width: int) -> Box:
    """The sliding door whose handle has this box."""
    return _in_unit_square(_door, handle, height, width)


def _in_unit_square(whole: Callable[[Box], Box], handle: Box, height: int, width: int) -> Box:
    """`whole` of a handle in an image of this size, with the handle itself, cut to the image."""
    scale = (width, height, width, height)
    x0, y0, x1, y1 = (edge / size for edge, size in zip(handle, scale, strict=True))
    box = _union(whole((x0, y0, x1, y1)), (x0, y0, x1, y1))
    left, top, right, bottom = (
        min(max(edge, 0.0), 1.0) * size for edge, size in zip(box, scale, strict=True)
    )
    return left, top, right, bottom


def _drawer(handle: Box) -> Box:
    centre = ((handle[0] + handle[2]) / 2, (handle[1] + handle[3]) / 2)
    x, y = unproject_static(centre, _DRAWER_HANDLE_Z, 1)
    guess = _around(_DRAWER_HANDLE, (x, y, _DRAWER_HANDLE_Z))
    # The middle of a solid's box is not the picture of its middle: correct by what is left over.
    missed = (centre[0] - (guess[0] + guess[2]) / 2, centre[1] - (guess[1] + guess[3]) / 2)
    x, y = unproject_static((centre[0] + missed[0], centre[1] + missed[1]), _DRAWER_HANDLE_Z, 1)
    front = _around(_DRAWER_FRONT, (x, y, _DRAWER_HANDLE_Z))
    inside_low = (-_DRAWER_HALF_WIDTH, _DRAWER_FRONT[1][1], _DRAWER_FRONT[0][2])
    inside_high = (_DRAWER_HALF_WIDTH, max(_DRAWER_FRONT[1][1], _DESK_FRONT_Y - y), _DRAWER_FRONT[1][2])
    return _union(front, _around((inside_low, inside_high), (x, y, _DRAWER_HANDLE_Z)))


def _door(handle: Box) -> Box:
    places = np.linspace(-0.5, 0.5, 101)
    pictures = [_around(_DOOR_HANDLE, (x, _DOOR_Y, _DOOR_Z), _DOOR_SLOPE) for x in places]
    middles = [(x0 + x1) / 2 for x0, _, x1, _ in pictures]
    x = float(np.interp((handle[0] + handle[2]) / 2, middles, places))
    return _around(_DOOR, (x, _DOOR_Y, _DOOR_Z), _DOOR_SLOPE)


def _around(solid: Solid, origin_m: tuple[float, float, float], slope_radians: float = 0.0) -> Box:
    """Box in the static image of a solid that is turned about the x axis and moved to `origin_m`."""
    corners = np.array(list(itertools.product(*zip(*solid, strict=True))))
    cos, sin = math.cos(slope_radians), math.sin(slope_radians)
    turned = corners @ np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]]).T + np.asarray(origin_m)
    pixels = project_static(turned, 1)
    (x0, y0), (x1, y1) = pixels.min(axis=0), pixels.max(axis=0)
    return float(x0), float(y0), float(x1), float(y1)


def _union(a: Box, b: Box) -> Box:
    return (min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3]))
