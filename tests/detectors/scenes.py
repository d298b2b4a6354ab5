"""Drawn scenes for detector tests: a wood-coloured table with painted blocks and dark handles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WOOD = (140, 105, 70)
DARK_GREY, BLACK = (80, 80, 80), (10, 10, 10)
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


#: Where the objects of `furnished` are, in shares of the image.
PLACES = {
    "red_block": (0.30, 0.52, 0.38, 0.60),
    "blue_block": (0.50, 0.52, 0.58, 0.60),
    "pink_block": (0.65, 0.52, 0.73, 0.60),
    "drawer_handle": (0.44, 0.70, 0.70, 0.78),
    "slider_handle": (0.40, 0.16, 0.48, 0.34),
    "switch": (0.65, 0.24, 0.79, 0.29),
    "button": (0.82, 0.45, 0.87, 0.50),
}


def furnished(height: int = 200, width: int = 200) -> NDArray[np.uint8]:
    """The table with all blocks and fixtures; an image of another shape is the same one, stretched."""
    image = table(height, width)
    for name, (x0, y0, x1, y1) in PLACES.items():
        box = (round(x0 * width), round(y0 * height), round(x1 * width), round(y1 * height))
        paint(image, box, PAINT.get(name, BLACK if name == "button" else DARK_GREY))
    return image
