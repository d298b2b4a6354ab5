"""A closer look: overlapping parts of a frame, and their candidates in the frame's own pixels.

A detector that scales every picture to the same size sees a part at a larger scale; small things gain most
(Akyon et al. 2022, "Slicing aided hyper inference").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from detectors.base import Box, Candidate, Source

#: Tiles per axis at each scale, and a tile's edge as a share of the frame's. Neighbours overlap by half of a
#: tile or more at the first scale, so what one tile cuts another one holds whole.
SCALES: tuple[tuple[int, float], ...] = ((2, 0.65), (3, 0.45))
#: A box this near to an inner edge of its tile (share of the tile) is cut off there.
CUT_MARGIN = 0.02

#: x0, y0, x1, y1 in pixels.
Window = tuple[int, int, int, int]


def windows(height: int, width: int) -> list[Window]:
    """The tiles of a frame, coarse scale first."""
    found = []
    for count, share in SCALES:
        tile_height, tile_width = round(share * height), round(share * width)
        for y in np.linspace(0, height - tile_height, count).astype(int).tolist():
            for x in np.linspace(0, width - tile_width, count).astype(int).tolist():
                found.append((x, y, x + tile_width, y + tile_height))
    return found


def window_around(box: Box, reach: float, height: int, width: int) -> Window | None:
    """The smallest tile size that holds `box` and `reach` pixels around it, in the middle where it can be.

    None where that takes more than the coarsest tile: then one part of the frame is as good as another.
    """
    x0, y0, x1, y1 = box
    for _, share in reversed(SCALES):
        tile_height, tile_width = round(share * height), round(share * width)
        if x1 - x0 + 2 * reach <= tile_width and y1 - y0 + 2 * reach <= tile_height:
            left = min(max(0, round((x0 + x1 - tile_width) / 2)), width - tile_width)
            top = min(max(0, round((y0 + y1 - tile_height) / 2)), height - tile_height)
            return left, top, left + tile_width, top + tile_height
    return None


def cut(image: NDArray[np.uint8], window: Window) -> NDArray[np.uint8]:
    """The (h, w, 3) pixels of a tile."""
    x0, y0, x1, y1 = window
    return np.ascontiguousarray(image[y0:y1, x0:x1])


def to_frame(candidates: Sequence[Candidate], window: Window, shape: tuple[int, ...]) -> list[Candidate]:
    """A tile's candidates in pixels of the frame of `shape` (H, W, 3), without those that the tile cut."""
    height, width = shape[:2]
    x0, y0, x1, y1 = window
    margin_x, margin_y = CUT_MARGIN * (x1 - x0), CUT_MARGIN * (y1 - y0)
    whole = []
    for candidate in candidates:
        left, top, right, bottom = candidate.box
        is_cut = (
            (x0 > 0 and left < margin_x)
            or (y0 > 0 and top < margin_y)
            or (x1 < width and right > x1 - x0 - margin_x)
            or (y1 < height and bottom > y1 - y0 - margin_y)
        )
        if not is_cut:
            box = (left + x0, top + y0, right + x0, bottom + y0)
            whole.append(replace(candidate, box=box, source=Source.SECOND_PASS))
    return whole
