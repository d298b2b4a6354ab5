"""Which candidates cannot be the target: other words, other colours, impossible sizes and places, repeats.

Each filter is a function of one candidate and can be switched off by its stage's name. Sizes and places are
computed from the furniture's and blocks' sizes (calvin_env `data/`, `conf/scene/`) and the camera; nothing is
fitted to frames.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmark.embodiment import CALVIN
from detectors.base import Box, Candidate, NoTarget, Reason, Target
from detectors.colour import BLOCK_HUES, HueRange, hue_mask
from detectors.scoring import iou
from detectors.targets.camera import project_static

#: Where an object's pixels can be, world frame in metres: (low, high) corners over all four scenes.
_BLOCK_SPACE = ((-0.45, -0.45, 0.3), (0.45, 0.25, 0.85))
_FRONT_SPACE = ((-0.4, -0.55, 0.28), (0.4, -0.1, 0.45))
_CABINET_SPACE = ((-0.45, -0.1, 0.44), (0.45, 0.2, 0.68))
_DESK_SPACE = ((-0.45, -0.2, 0.42), (0.45, 0.1, 0.55))
_SPACES = {
    "drawer_handle": _FRONT_SPACE,
    "drawer": _FRONT_SPACE,
    "slider_handle": _CABINET_SPACE,
    "slider": _CABINET_SPACE,
    "switch": _CABINET_SPACE,
    "button": _DESK_SPACE,
}

#: Longest extent in metres of the largest object of a name (a block's diagonal; blocks reach 0.1 x 0.05 m).
_EXTENTS_M = {
    "drawer_handle": 0.25,
    "drawer": 0.55,
    "slider_handle": 0.18,
    "slider": 0.36,
    "switch": 0.16,
    "button": 0.08,
}
_BLOCK_EXTENT_M = 0.123
#: Pixels per metre at the table's middle, as a share of the image width (see `colour.py`), and the slack for
#: nearer objects and loose boxes.
_SHARE_PER_METRE = 270 / CALVIN.static_pixels
_SLACK = 1.3
#: Shortest edge of a box worth looking at: 3 pixels of 200.
_SMALLEST_EDGE_SHARE = 0.015

#: Least share of a box's pixels that have the target's colour: a third of a block behind fingers, in a loose box.
MIN_COLOUR_SHARE = 0.1
#: Boxes that overlap by more than this are the same thing (GroundingDINO itself suppresses none).
SAME_IOU = 0.7

Filter = Callable[[NDArray[np.uint8], Candidate, Target], bool]


def has_phrase(image: NDArray[np.uint8], candidate: Candidate, target: Target) -> bool:
    """The finder saw the target's noun in the box, and its colour where it has one."""
    words = candidate.words.split()
    noun = target.phrase.split()[-1]
    return noun in words and (target.colour is None or target.colour in words)


def has_colour(image: NDArray[np.uint8], candidate: Candidate, target: Target) -> bool:
    """A coloured target's colour covers part of the box, and more of it than any other block's colour."""
    if target.colour is None:
        return True
    x0, y0, x1, y1 = _pixels(candidate.box, image)
    hsv = np.asarray(cv2.cvtColor(image[y0:y1, x0:x1], cv2.COLOR_RGB2HSV_FULL), dtype=np.uint8)
    shares = {name: float(hue_mask(hsv, _pale(hues)).mean()) for name, hues in BLOCK_HUES.items()}
    share = shares[f"{target.colour}_block"]
    return share >= MIN_COLOUR_SHARE and share == max(shares.values())


def has_size(image: NDArray[np.uint8], candidate: Candidate, target: Target) -> bool:
    """No longer than the object can appear, no thinner than can be told from noise."""
    height, width = image.shape[:2]
    x0, y0, x1, y1 = candidate.box
    longest = _EXTENTS_M.get(target.object, _BLOCK_EXTENT_M) * _SHARE_PER_METRE * width * _SLACK
    smallest = _SMALLEST_EDGE_SHARE * min(height, width)
    edges = (x1 - x0, y1 - y0)
    return max(edges) <= longest and min(edges) >= smallest


def has_place(image: NDArray[np.uint8], candidate: Candidate, target: Target) -> bool:
    """The box's middle lies where the object can be."""
    height, width = image.shape[:2]
    x0, y0, x1, y1 = candidate.box
    middle = ((x0 + x1) / 2 / width, (y0 + y1) / 2 / height)
    return cv2.pointPolygonTest(_zone(target.object), middle, False) >= 0


#: Stage name -> (filter, reason where it leaves nothing), in the order of use.
FILTERS: dict[str, tuple[Filter, Reason]] = {
    "phrase": (has_phrase, Reason.OTHER_PHRASE),
    "colour": (has_colour, Reason.OTHER_COLOUR),
    "size": (has_size, Reason.IMPLAUSIBLE_SIZE),
    "place": (has_place, Reason.IMPLAUSIBLE_PLACE),
}


def plausible(
    image: NDArray[np.uint8], candidates: Sequence[Candidate], target: Target, stages: frozenset[str]
) -> list[Candidate] | NoTarget:
    """What the filters among `stages` leave, best first. NoTarget with the reason of the one that took the last.

    With the stage `overlap`, a box that repeats a better one is left out.
    """
    left = sorted(candidates, key=lambda candidate: -candidate.score)
    for name, (keeps, reason) in FILTERS.items():
        if name in stages:
            kept = [candidate for candidate in left if keeps(image, candidate, target)]
            if left and not kept:
                return NoTarget(reason, target.object)
            left = kept
    return suppress_repeats(left) if "overlap" in stages else left


def suppress_repeats(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Greedy non-maximum suppression of candidates given best first."""
    kept: list[Candidate] = []
    for candidate in candidates:
        if all(iou(candidate.box, other.box) <= SAME_IOU for other in kept):
            kept.append(candidate)
    return kept


@cache
def _zone(name: str) -> NDArray[np.float32]:
    """Outline (n, 1, 2) of an object's space in shares of the image."""
    space = _SPACES.get(name, _BLOCK_SPACE)
    corners = np.array(list(itertools.product(*zip(*space, strict=True))))
    return np.asarray(cv2.convexHull(project_static(corners, 1).astype(np.float32)), dtype=np.float32)


def _pale(hues: HueRange) -> HueRange:
    """The same hues down to half the saturation and value: this filter says no, it does not find."""
    return HueRange(hues.low_degrees, hues.high_degrees, hues.min_saturation // 2, hues.min_value // 2)


def _pixels(box: Box, image: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    height, width = image.shape[:2]
    x0, y0 = min(max(0, int(box[0])), width - 1), min(max(0, int(box[1])), height - 1)
    return x0, y0, min(width, max(x0 + 1, round(box[2]))), min(height, max(y0 + 1, round(box[3])))
