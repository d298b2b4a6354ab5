"""Blocks by their colour and fixtures by their dark grey or black handles, in CALVIN's static image.

Runs on a CPU in 1 to 2 ms a frame. Thresholds come from first principles: blocks are painted with the pure
colours red, blue and magenta, shading changes value and not hue, wood is an unsaturated orange, the arm is
grey. Sizes follow from the camera: 200 pixels, a field of view of 10 degrees and a distance of 4.2 m make 270
pixels per metre, so a block of 5 cm shows about 250 pixels. Block thresholds were never adjusted; those of
the fixtures (`fixtures.py`) were, on training frames of scene D with even ids. What it finds on other frames
is in `docs/gaze.md`; `tests/detectors/test_colour.py` repeats the scoring.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmark.embodiment import CALVIN
from detectors.base import Box, Candidate, NoTarget, Reason, Source, Target
from detectors.fixtures import FIXTURES, find_fixture
from detectors.furniture import door_from_handle, drawer_from_handle

#: Visible area of a block of 5 cm edge, as a share of the image area (see the module's docstring).
BLOCK_AREA_SHARE = 250 / CALVIN.static_pixels**2
#: Less than a twentieth of a block is a sliver between fingers, more than five blocks is no block.
SMALLEST_BLOCK, LARGEST_BLOCK = 0.05, 5.0
#: The second pass looks for slivers of a fiftieth, paler and darker by half.
SMALLEST_SLIVER = 0.02
RELAXED = 0.5
#: Pieces of one block cut apart by fingers lie within about one block's width (share of the image width).
PIECE_GAP_SHARE = 0.05
#: What is looked for near a box lies within this many pixels of it: what a hand moves it in four frames, nearly.
NEAR_PIXELS = 24
#: A door's handle that is cut by the arm no longer says where the door is (share of the image width).
MIN_DOOR_HANDLE_WIDTH = 0.065
#: What is too large and too pale to be told by its own pixels, from the box of its handle and the image's height and
#: width.
WHOLE_FROM_HANDLE: dict[str, Callable[[Box, int, int], Box]] = {
    "drawer": drawer_from_handle,
    "slider": door_from_handle,
}


@dataclass(frozen=True)
class HueRange:
    """Hues from `low_degrees` up to `high_degrees`, through 360 if needed; the others are 0..255."""

    low_degrees: float
    high_degrees: float
    min_saturation: int = 150
    min_value: int = 50


#: Halfway to the neighbouring colours: red is 0, blue 240 and CALVIN's pink (1, 0, 1) 300 degrees.
BLOCK_HUES: dict[str, HueRange] = {
    "red_block": HueRange(345, 12),
    "blue_block": HueRange(200, 265),
    "pink_block": HueRange(280, 344, min_saturation=110),
}


class ColourFinder:
    """Blocks by hue, handles, switch and button by darkness, drawer and door from their handles."""

    name = "colour"
    version = "4"
    precision = None
    threshold = SMALLEST_BLOCK
    zooms = False

    def check(self) -> None:
        """See `Finder.check`: nothing is needed."""

    def find(self, images: Sequence[NDArray[np.uint8]], target: Target) -> list[list[Candidate] | NoTarget]:
        """See `Finder.find`. A block's score is its visible area over that of a free block, at most 1."""
        return [_candidates(image, target, Source.FIRST_PASS) for image in images]

    def find_thoroughly(
        self, images: Sequence[NDArray[np.uint8]], target: Target
    ) -> list[list[Candidate] | NoTarget]:
        """See `Finder.find_thoroughly`: paler, darker and smaller pieces of blocks too; of others nothing more."""
        if target.object not in BLOCK_HUES:
            return [NoTarget(Reason.NOT_FOUND, target.object)] * len(images)
        return [_candidates(image, target, Source.SECOND_PASS) for image in images]

    def finds_near(self, target: Target) -> bool:
        """Blocks, what `fixtures.py` knows, and the drawer and door, whose boxes have their handles in them."""
        return target.object in BLOCK_HUES or target.object in FIXTURES or target.object in WHOLE_FROM_HANDLE

    def find_near(self, image: NDArray[np.uint8], target: Target, box: Box) -> Box | None:
        """See `Finder.find_near`: the largest hit in the box grown by what a hand can move it."""
        height, width = image.shape[:2]
        x0, y0 = max(0, int(box[0]) - NEAR_PIXELS), max(0, int(box[1]) - NEAR_PIXELS)
        x1, y1 = min(width, math.ceil(box[2]) + NEAR_PIXELS), min(height, math.ceil(box[3]) + NEAR_PIXELS)
        part = np.asarray(cv2.cvtColor(image[y0:y1, x0:x1], cv2.COLOR_RGB2HSV_FULL), dtype=np.uint8)
        if target.object in BLOCK_HUES:
            hits = find_blocks(part, target.object, frame=(height, width))
        else:
            hits = _fixture(part, _seen_by(target.object), (height, width), y0)
        placed = [((a + x0, b + y0, c + x0, d + y0), score) for (a, b, c, d), score in hits]
        whole = _whole(target.object, placed, height, width)
        return whole[0][0] if whole else None


def _candidates(image: NDArray[np.uint8], target: Target, source: Source) -> list[Candidate] | NoTarget:
    hsv = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL), dtype=np.uint8)
    name = target.object
    if name in BLOCK_HUES:
        hits = find_blocks(hsv, name, relaxed=source is Source.SECOND_PASS)
    elif name in FIXTURES or name in WHOLE_FROM_HANDLE:
        hits = _whole(name, _fixture(hsv, _seen_by(name)), *image.shape[:2])
    else:
        return NoTarget(Reason.NOT_A_COLOURED_OBJECT, name)
    if not hits:
        return NoTarget(Reason.NOT_FOUND, name)
    return [Candidate(box, score, target.phrase, source) for box, score in hits]


def _fixture(
    hsv: NDArray[np.uint8], name: str, frame: tuple[int, int] | None = None, top: int = 0
) -> list[tuple[Box, float]]:
    hit = find_fixture(hsv, name, frame, top)
    return [] if hit is None else [hit]


def _seen_by(name: str) -> str:
    """The fixture that tells where an object is: itself, or its handle."""
    return f"{name}_handle" if name in WHOLE_FROM_HANDLE else name


def _whole(name: str, hits: list[tuple[Box, float]], height: int, width: int) -> list[tuple[Box, float]]:
    """Hits of the object that these hits tell of, in a frame of this size."""
    if name not in WHOLE_FROM_HANDLE:
        return hits
    if name == "slider":
        hits = [(box, score) for box, score in hits if box[2] - box[0] >= MIN_DOOR_HANDLE_WIDTH * width]
    return [(WHOLE_FROM_HANDLE[name](box, height, width), score) for box, score in hits]


def hue_mask(hsv: NDArray[np.uint8], hues: HueRange) -> NDArray[np.bool_]:
    """(H, W) mask of the pixels in a colour range; `hsv` is OpenCV's full-range HSV (hue 0..255)."""
    low, high = math.ceil(hues.low_degrees * 255 / 360), math.floor(hues.high_degrees * 255 / 360)
    spans = [(low, high)] if low <= high else [(low, 255), (0, high)]
    mask = np.zeros(hsv.shape[:2], dtype=bool)
    for first, last in spans:
        lowest, highest = (first, hues.min_saturation, hues.min_value), (last, 255, 255)
        mask |= cv2.inRange(hsv, np.array(lowest), np.array(highest)) > 0
    return mask


def find_blocks(
    hsv: NDArray[np.uint8], name: str, relaxed: bool = False, frame: tuple[int, int] | None = None
) -> list[tuple[Box, float]]:
    """Boxes and scores of what may be a block in one (H, W, 3) HSV image, largest first.

    `frame`: height and width of the frame that the image is a part of.

    Each is a piece of the block's colour together with those right beside it, which fingers cut off.
    """
    hues, smallest = BLOCK_HUES[name], SMALLEST_BLOCK
    if relaxed:
        paler, darker = int(hues.min_saturation * RELAXED), int(hues.min_value * RELAXED)
        hues, smallest = replace(hues, min_saturation=paler, min_value=darker), SMALLEST_SLIVER
    mask = hue_mask(hsv, hues)
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    height, width = frame or mask.shape
    free_area = BLOCK_AREA_SHARE * height * width
    pieces = stats[1:]  # row 0 is the background
    left = pieces[pieces[:, cv2.CC_STAT_AREA] <= LARGEST_BLOCK * free_area]
    hits: list[tuple[Box, float]] = []
    while len(left):
        largest = left[np.argmax(left[:, cv2.CC_STAT_AREA])]
        beside = _gaps(left, largest) <= PIECE_GAP_SHARE * width
        near, left = left[beside], left[~beside]
        area = int(near[:, cv2.CC_STAT_AREA].sum())
        if area >= smallest * free_area:
            x0, y0 = near[:, :2].min(axis=0)
            x1, y1 = (near[:, :2] + near[:, 2:4]).max(axis=0)
            hits.append(((float(x0), float(y0), float(x1), float(y1)), min(1.0, area / free_area)))
    return sorted(hits, key=lambda hit: -hit[1])


def _gaps(pieces: NDArray[np.int32], piece: NDArray[np.int32]) -> NDArray[np.int32]:
    """Chebyshev distances in pixels of bounding boxes to that of one piece; 0 where they overlap."""
    low, high = pieces[:, :2], pieces[:, :2] + pieces[:, 2:4]
    piece_low, piece_high = piece[:2], piece[:2] + piece[2:4]
    return np.maximum(0, np.maximum(low - piece_high, piece_low - high)).max(axis=1)
