"""Blocks by their colour and fixtures by their dark grey or black handles, in CALVIN's static image.

Runs on a CPU in 1 to 2 ms a frame. Thresholds come from first principles: blocks are painted with the pure
colours red, blue and magenta, shading changes value and not hue, wood is an unsaturated orange, the arm is
grey. Sizes follow from the camera: 200 pixels, a field of view of 10 degrees and a distance of 4.2 m make 270
pixels per metre, so a block of 5 cm shows about 250 pixels. Block thresholds were never adjusted; those of
the fixtures (`fixtures.py`) were, on training frames of scene D with even ids. On 222 validation frames of
scene D: blocks found in 439 of 442 times that one shows (mean IoU 1.00; no false target in 224 times that
none does), drawer handle 222 of 222 (0.94), switch 222 of 222 (1.00), button 172 of 197 (0.98), door handle
168 of 222 (0.88; the arm hides much of it in the rest). `tests/detectors/test_colour.py` repeats the scoring.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.base import (
    Box,
    Detection,
    FrameContext,
    NoTarget,
    Reason,
    Target,
    check_frames,
    is_blank,
)
from detectors.carried import resolve_blocks
from detectors.fixtures import FIXTURES, find_fixture

#: Visible area of a block of 5 cm edge, as a share of the image area (see the module's docstring).
BLOCK_AREA_SHARE = 250 / 200**2
#: Less than a twentieth of a block is a sliver between fingers, more than five blocks is no block.
SMALLEST_BLOCK, LARGEST_BLOCK = 0.05, 5.0
#: Pieces of one block cut apart by fingers lie within about one block's width (share of the image width).
PIECE_GAP_SHARE = 0.05


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


class ColourDetector:
    """Blocks, drawer and door handles, switch and button by colour; NoTarget for anything else."""

    name = "colour"
    version = "1"

    def detect(
        self, images: NDArray[np.uint8], targets: Sequence[Target], context: FrameContext | None = None
    ) -> list[Detection | NoTarget]:
        """See `Detector.detect`. A block's score is its visible area over that of a free block, at most 1."""
        check_frames(images, targets, context)
        hsv_images = [cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL) for image in images]
        resolved = self._resolve(hsv_images, targets, context)
        return [
            NoTarget(Reason.BLANK_FRAME) if is_blank(image) else self._find(hsv, target)
            for image, hsv, target in zip(images, hsv_images, resolved, strict=True)
        ]

    def _resolve(
        self, hsv_images: Sequence[NDArray[np.uint8]], targets: Sequence[Target], context: FrameContext | None
    ) -> Sequence[Target | NoTarget]:
        if not any(target.object in ("block", "other_block") for target in targets):
            return targets
        found = {name: [find_block(hsv, name) for hsv in hsv_images] for name in BLOCK_HUES}
        tracks = {name: [hit[0] if hit else None for hit in hits] for name, hits in found.items()}
        return resolve_blocks(targets, tracks, context, hsv_images[0].shape[1])

    def _find(self, hsv: NDArray[np.uint8], target: Target | NoTarget) -> Detection | NoTarget:
        if isinstance(target, NoTarget):
            return target
        if target.object in BLOCK_HUES:
            hit = find_block(hsv, target.object)
        elif target.object in FIXTURES:
            hit = find_fixture(hsv, target.object)
        else:
            return NoTarget(Reason.NOT_A_COLOURED_OBJECT, target.object)
        if hit is None:
            return NoTarget(Reason.NOT_FOUND, target.object)
        box, score = hit
        return Detection(box, score, target.phrase)


def hue_mask(hsv: NDArray[np.uint8], hues: HueRange) -> NDArray[np.bool_]:
    """(H, W) mask of the pixels in a colour range; `hsv` is OpenCV's full-range HSV (hue 0..255)."""
    degrees = hsv[..., 0] * (360.0 / 255.0)
    if hues.low_degrees <= hues.high_degrees:
        in_range = (degrees >= hues.low_degrees) & (degrees <= hues.high_degrees)
    else:
        in_range = (degrees >= hues.low_degrees) | (degrees <= hues.high_degrees)
    return in_range & (hsv[..., 1] >= hues.min_saturation) & (hsv[..., 2] >= hues.min_value)


def find_block(hsv: NDArray[np.uint8], name: str) -> tuple[Box, float] | None:
    """Box and score of a block in one (H, W, 3) HSV image: the largest piece and those right beside it."""
    mask = hue_mask(hsv, BLOCK_HUES[name])
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    height, width = mask.shape
    free_area = BLOCK_AREA_SHARE * height * width
    pieces = stats[1:]  # row 0 is the background
    plausible = pieces[pieces[:, cv2.CC_STAT_AREA] <= LARGEST_BLOCK * free_area]
    if len(plausible) == 0:
        return None
    largest = plausible[np.argmax(plausible[:, cv2.CC_STAT_AREA])]
    near = plausible[_gaps(plausible, largest) <= PIECE_GAP_SHARE * width]
    area = int(near[:, cv2.CC_STAT_AREA].sum())
    if area < SMALLEST_BLOCK * free_area:
        return None
    x0, y0 = near[:, :2].min(axis=0)
    x1, y1 = (near[:, :2] + near[:, 2:4]).max(axis=0)
    return (float(x0), float(y0), float(x1), float(y1)), min(1.0, area / free_area)


def _gaps(pieces: NDArray[np.int32], piece: NDArray[np.int32]) -> NDArray[np.int32]:
    """Chebyshev distances in pixels of bounding boxes to that of one piece; 0 where they overlap."""
    low, high = pieces[:, :2], pieces[:, :2] + pieces[:, 2:4]
    piece_low, piece_high = piece[:2], piece[:2] + piece[2:4]
    return np.maximum(0, np.maximum(low - piece_high, piece_low - high)).max(axis=1)
