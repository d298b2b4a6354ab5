"""A gaze box as four numbers in [-1, 1], so that it can be spoken in action tokens (arm `cot_grounding`)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from errors import InvalidInput

#: Tokens of a box: x0, y0, x1, y1.
BOX_TOKENS = 4
#: What stands for the absence of a gaze region: an inverted box, which no region has.
NO_BOX = (1.0, 1.0, -1.0, -1.0)


def box_values(box: Sequence[float] | None, frame_size: tuple[int, int]) -> NDArray[np.float64]:
    """(4,) values of a box in px (x0, y0, x1, y1; x1 and y1 exclusive) of a picture of (width, height).

    0 px is -1, the far edge 1. None gives NO_BOX. Raises InvalidInput for a box that is empty or leaves the
    picture.
    """
    if box is None:
        return np.array(NO_BOX)
    x0, y0, x1, y1 = box
    width, height = frame_size
    if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
        raise InvalidInput(f"box {tuple(box)} is empty or leaves the picture of {width} x {height} px")
    return np.array([x0 / width, y0 / height, x1 / width, y1 / height]) * 2 - 1
