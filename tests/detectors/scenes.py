"""Drawn scenes for detector tests: a wood-coloured table with painted blocks and dark handles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WOOD = (140, 105, 70)
PAINT = {"red_block": (230, 0, 0), "blue_block": (0, 0, 230), "pink_block": (230, 0, 230)}


def table(height: int = 200, width: int = 200) -> NDArray[np.uint8]:
    """A wooden image with a little grain, so that it is not blank."""
    image = np.empty((height, width, 3), np.uint8)
    image[:] = WOOD
    image[::7] -= 12
    return image


def paint(image: NDArray[np.uint8], box: tuple[int, int, int, int], colour: tuple[int, int, int]) -> None:
    """Fill a box (x0, y0, x1, y1; ends exclusive) in place."""
    x0, y0, x1, y1 = box
    image[y0:y1, x0:x1] = colour
