"""The picture inside a gaze region."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from detectors.base import Box
from errors import InvalidInput


def crop_region(image: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """Pixels of an (H, W, 3) image that the box touches, as a copy (h, w, 3).

    Tight: no margin; edges are rounded outwards and clamped to the image. Raises InvalidInput when the box
    lies outside the image.
    """
    height, width = image.shape[:2]
    x0, y0 = max(0, math.floor(box[0])), max(0, math.floor(box[1]))
    x1, y1 = min(width, math.ceil(box[2])), min(height, math.ceil(box[3]))
    if x0 >= x1 or y0 >= y1:
        raise InvalidInput(f"box {box} lies outside the image of {width} x {height} pixels")
    return image[y0:y1, x0:x1].copy()
