"""Following a box from a frame in which it was detected to another one without detecting it again.

The camera does not move, so most boxes are where they were: where the pixels in and around a box are the same,
so is the box. Otherwise the picture inside it is searched for nearby; one that differs too much is a doubt, and
a doubtful frame is detected again. Frames are always compared with the one that was detected, so nothing
drifts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmark.actions import MAX_STEP_M
from benchmark.embodiment import CALVIN
from detectors.base import Box

#: CALVIN's hand moves at most 0.02 m per frame (relative action 1), which is 5.4 of 200 pixels; what it moves
#: is no faster, and a pixel is left for rounding.
MAX_SPEED_SHARE = (MAX_STEP_M * 270 + 1) / CALVIN.static_pixels
#: Grey levels of 255 by which a pixel may differ and be the same (rounding and mild compression), and the
#: share of pixels that may differ more.
SAME_LEVELS, MAX_CHANGED_SHARE = 12, 0.02
#: Grey levels from which on a pixel shows something else, however large the difference is: what passes in front of
#: a target changes no more than the pixels that it hides (a truncated difference, as robust estimators have it).
OTHER_LEVELS = 40
#: Mean difference, in shares of OTHER_LEVELS, up to which the picture found is that of the box, and by how much less it
#: must differ for every pixel that the target would have moved. Chosen on training demonstrations (`docs/gaze.md`).
MAX_DIFFERENCE, AWAY_PER_PIXEL = 0.12, 0.01
#: Pixels of a picture that are compared at most, evenly spread.
COMPARED_PIXELS = 400
#: Pixels around a box that are compared too: its own outline, and what may come to hide it.
MARGIN_PIXELS = 2
#: Standard deviation in grey levels below which a picture has nothing to find again.
MIN_TEXTURE_LEVELS = 4.0
#: What is searched for is the box without its rim (share of its edges), which shows what lies behind it.
RIM_SHARE = 0.1


@dataclass(frozen=True)
class Followed:
    """A box in another frame. `moved` is False where nothing in and around it changed."""

    box: Box
    moved: bool


#: Looks for the target in the (H, W, 3) image near a box: where it is now, None where it is not found.
Nearby = Callable[[NDArray[np.uint8], Box], Box | None]
#: A box that grows or shrinks by more than this from one frame to the next is a doubt.
MAX_GROWTH = 1.5


class Tracker:
    """Follows one detected box through other frames, step by step away from its own.

    nearby: a finder's own look around a box, used instead of comparing pictures where it has one.
    """

    def __init__(self, image: NDArray[np.uint8], box: Box, nearby: Nearby | None = None) -> None:
        self._box = self._last = box
        self._nearby = nearby
        self._shift = (0, 0)
        self._window = _grown(box, MARGIN_PIXELS, image.shape)
        self._around = _cut(image, self._window)
        self._core = _core(box, image.shape)
        if not _has_texture(_cut(image, self._core)):
            self._core = self._window  # a plain surface is told by its outline alone
        self._inside = _cut(image, self._core)

    def follow(self, image: NDArray[np.uint8]) -> Followed | None:
        """The box in the next frame (H, W, 3), cut to it; None where that is in doubt."""
        difference = cv2.absdiff(self._around, _cut(image, self._window))
        if np.count_nonzero(difference > SAME_LEVELS) <= MAX_CHANGED_SHARE * difference.size:
            self._shift, self._last = (0, 0), self._box
            return Followed(self._box, moved=False)
        if self._nearby is not None:
            return self._look_nearby(image, self._nearby)
        if not _has_texture(self._inside):
            return None
        reach = math.ceil(MAX_SPEED_SHARE * image.shape[1])
        x0, y0, x1, y1 = self._core
        dx, dy = self._shift
        near = (x0 + dx - reach, y0 + dy - reach, x1 + dx + reach, y1 + dy + reach)
        left, top, right, bottom = _grown(near, 0, image.shape)
        if right - left < x1 - x0 or bottom - top < y1 - y0:
            return None
        x, y, differing = _nearest_match(
            image[top:bottom, left:right], self._inside, (x0 + dx - left, y0 + dy - top)
        )
        if differing > MAX_DIFFERENCE:
            return None
        self._shift = dx, dy = left + x - x0, top + y - y0
        height, width = image.shape[:2]
        moved = (
            max(0.0, self._box[0] + dx),
            max(0.0, self._box[1] + dy),
            min(float(width), self._box[2] + dx),
            min(float(height), self._box[3] + dy),
        )
        return Followed(moved, moved=True) if moved[0] < moved[2] and moved[1] < moved[3] else None

    def _look_nearby(self, image: NDArray[np.uint8], nearby: Nearby) -> Followed | None:
        found = nearby(image, self._last)
        if found is None:
            return None
        growth = _area(found) / _area(self._last)
        if not 1 / MAX_GROWTH <= growth <= MAX_GROWTH:
            return None
        self._last = found
        return Followed(found, moved=True)


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _core(box: Box, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    rim_x, rim_y = RIM_SHARE * (box[2] - box[0]), RIM_SHARE * (box[3] - box[1])
    return _grown((box[0] + rim_x, box[1] + rim_y, box[2] - rim_x, box[3] - rim_y), 0, shape)


def _nearest_match(
    image: NDArray[np.uint8], picture: NDArray[np.uint8], expected: tuple[int, int]
) -> tuple[int, int, float]:
    """Where (x, y) `picture` differs least from `image`, and by how much (0..1); of places that differ alike the one
    nearest to `expected`."""
    height, width = picture.shape[:2]
    step = math.ceil(math.sqrt(height * width / COMPARED_PIXELS))
    places = np.lib.stride_tricks.sliding_window_view(image, (height, width), axis=(0, 1))
    places = places[..., ::step, ::step].transpose(0, 1, 3, 4, 2)  # (Y, X, h, w, 3)
    wanted = picture[::step, ::step].reshape(1, -1)
    # A row of bytes for each place: all that follows runs along it.
    there = places.copy().reshape(-1, wanted.size)
    levels = np.maximum(there, wanted)  # in uint8, which is fastest
    levels -= np.minimum(there, wanted, out=there)
    np.minimum(levels, OTHER_LEVELS, out=levels)
    sums = cv2.reduce(levels, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S).reshape(places.shape[:2])
    differences = sums / (wanted.size * OTHER_LEVELS)
    y, x = np.ogrid[: differences.shape[0], : differences.shape[1]]
    away = np.hypot(x - expected[0], y - expected[1])
    best_y, best_x = np.unravel_index((differences + AWAY_PER_PIXEL * away).argmin(), differences.shape)
    return int(best_x), int(best_y), float(differences[best_y, best_x])


def _has_texture(part: NDArray[np.uint8]) -> bool:
    """False for a plain surface, which looks the same wherever it is."""
    return part.size > 0 and float(cv2.meanStdDev(part)[1].max()) >= MIN_TEXTURE_LEVELS


def _cut(image: NDArray[np.uint8], window: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    x0, y0, x1, y1 = window
    return image[y0:y1, x0:x1]


def _grown(box: Box, pixels: int, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    height, width = shape[:2]
    return (
        max(0, math.floor(box[0]) - pixels),
        max(0, math.floor(box[1]) - pixels),
        min(width, math.ceil(box[2]) + pixels),
        min(height, math.ceil(box[3]) + pixels),
    )
