"""Drawer handle, door handle, switch and button: dark grey or black parts on wood, by place and shape.

The three handles are the same dark grey bar in all four CALVIN scenes. The camera does not move, so the
zones do not either: doors and switch stand above the table top, the drawer hangs below it. A handle is
drawn on wood, a dark part of the arm on light grey: what surrounds a part decides which it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.base import Box


@dataclass(frozen=True)
class Fixture:
    """Appearance of a fixture. Zones and areas are shares of the image, saturation and value 0..255."""

    zone_y: tuple[float, float]
    min_area_share: float
    max_area_share: float
    aspect: tuple[float, float]  # width / height of the box of the largest piece
    max_size: tuple[float, float]  # width and height of the box, all pieces together
    value: tuple[int, int]
    max_saturation: int = 60


_DARK_GREY = (40, 118)
_BLACK = (0, 30)

FIXTURES: dict[str, Fixture] = {
    "drawer_handle": Fixture((0.58, 1.0), 0.003, 0.03, (1.2, 6.0), (0.5, 0.25), _DARK_GREY),
    "slider_handle": Fixture((0.05, 0.45), 0.002, 0.02, (0.1, 1.0), (0.13, 0.26), _DARK_GREY),
    "switch": Fixture((0.05, 0.45), 0.002, 0.02, (1.3, 6.0), (0.26, 0.13), _DARK_GREY),
    "button": Fixture((0.40, 0.62), 0.001, 0.01, (0.5, 2.2), (0.13, 0.13), _BLACK, max_saturation=255),
}

#: Least share of wood or floor, rather than arm, among the pixels around a fixture.
MIN_WOOD_AROUND = 0.4
#: Wood is saturated in all four scenes, the arm is grey.
WOOD_SATURATION = 60
#: Pixels that lie around one.
_RING = np.ones((5, 5), np.uint8)
#: A smaller piece is noise: 12 pixels of 200 x 200.
MIN_PIECE_SHARE = 0.0003


@dataclass(frozen=True)
class _Piece:
    box: tuple[int, int, int, int]
    area: int
    wood_share: float


def find_fixture(
    hsv: NDArray[np.uint8], name: str, frame: tuple[int, int] | None = None, top: int = 0
) -> tuple[Box, float] | None:
    """Box and score of a fixture in one (H, W, 3) full-range HSV image, None when nothing fits.

    Where the image is a part of a frame, `frame` is the frame's height and width and `top` the part's first row.

    The largest piece must fit by itself; pieces that the arm cut off it join as long as the whole keeps the
    fixture's size. The score is the share of wood around the largest piece.
    """
    fixture = FIXTURES[name]
    height, width = frame or hsv.shape[:2]
    pieces = _pieces(hsv, fixture, height, width, top)
    fitting = [piece for piece in pieces if _fits(piece, fixture, height, width)]
    if not fitting:
        return None
    main = max(fitting, key=lambda piece: piece.area * piece.wood_share)
    box = main.box
    for piece in sorted(pieces, key=lambda piece: -piece.area):
        joined = _union(box, piece.box)
        if _within(joined, fixture.max_size, height, width) and piece.wood_share >= MIN_WOOD_AROUND / 2:
            box = joined
    x0, y0, x1, y1 = box
    return (float(x0), float(y0), float(x1), float(y1)), main.wood_share


def _pieces(hsv: NDArray[np.uint8], fixture: Fixture, height: int, width: int, top: int) -> list[_Piece]:
    """Connected parts of the fixture's colour in its zone."""
    low, high = fixture.value
    mask = cv2.inRange(hsv, (0, 0, low), (255, fixture.max_saturation, high))
    _, labels, stats, centroids = cv2.connectedComponentsWithStats(mask, connectivity=8)
    pieces = []
    for index, (x, y, box_width, box_height, area) in enumerate(stats.tolist()):
        in_zone = fixture.zone_y[0] <= (top + centroids[index][1]) / height <= fixture.zone_y[1]
        if index == 0 or not in_zone or area < MIN_PIECE_SHARE * height * width:
            continue
        near = np.s_[max(0, y - 2) : y + box_height + 2, max(0, x - 2) : x + box_width + 2]
        part = (labels[near] == index).view(np.uint8)
        ring = cv2.dilate(part, _RING) - part
        wood = (hsv[near][..., 1] > WOOD_SATURATION).view(np.uint8)
        wood_share = int(np.count_nonzero(ring & wood)) / max(1, int(np.count_nonzero(ring)))
        pieces.append(_Piece((x, y, x + box_width, y + box_height), area, wood_share))
    return pieces


def _fits(piece: _Piece, fixture: Fixture, height: int, width: int) -> bool:
    x0, y0, x1, y1 = piece.box
    return (
        fixture.min_area_share <= piece.area / (height * width) <= fixture.max_area_share
        and fixture.aspect[0] <= (x1 - x0) / (y1 - y0) <= fixture.aspect[1]
        and _within(piece.box, fixture.max_size, height, width)
        and piece.wood_share >= MIN_WOOD_AROUND
    )


def _union(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    return (min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3]))


def _within(box: tuple[int, int, int, int], max_size: tuple[float, float], height: int, width: int) -> bool:
    return box[2] - box[0] <= max_size[0] * width and box[3] - box[1] <= max_size[1] * height
