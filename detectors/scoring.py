"""How good gaze regions are: overlap with the true boxes, split by how hard a frame is and by object.

A frame is *absent* when no pixel of the target is visible: the only right answer is no detection. It is
*complex* when the target is partly hidden (fewer than 75 % of its usual pixels show, the median over the frames
of the demonstration that show it; where pixels were not counted the area of its box stands for them), small
(its box has less than 0.25 % of the image) or crowded (an object of its own class within half its width); all
other frames are *simple*. Occlusion, size and crowding are the difficulties that COCO and KITTI split by (Lin et
al. 2014, Geiger et al. 2012). Where no truth is known a frame is *unlabelled*.

A *false target* is a trusted box (score of 0.5 or more) on something else: the target is out of sight, the overlap
with it is below 0.1, or below 0.5 and smaller than that with another object of its class (a block huddled against
it). It is the costly failure, as training learns to look at the wrong thing. The same box with a lower score is a
*guess*, which training can weigh down. Any other box of an overlap below 0.5 is *misplaced*. *Trusted and wrong* are
all trusted boxes that are not detections, false targets and misplaced ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import TypedDict

from detectors.base import Box, Detection, NoTarget

DIFFICULTIES = ("simple", "complex", "absent", "unlabelled")

#: A detection counts from this overlap on (PASCAL VOC's criterion).
MIN_IOU = 0.5
#: Below this overlap a box is on something else.
MIN_SAME_IOU = 0.1
MIN_VISIBLE_SHARE = 0.75
MIN_AREA_SHARE = 0.0025
#: Gap to a same-class object, as a share of the target's box width, below which a frame is crowded.
CROWDING_GAP = 0.5


@dataclass(frozen=True)
class FrameTruth:
    """What is really in a frame: the target's box (None: not visible), how much of it shows as a share of the
    usual, and the boxes of other objects of the same class."""

    box: Box | None
    visible_share: float = 1.0
    distractors: tuple[Box, ...] = ()


@dataclass(frozen=True)
class ScoredFrame:
    """One frame judged. `outcome`: detected, misplaced, false_target, guess, found (unlabelled), or the reason
    of a NoTarget. `iou` is None unless there is a true box and a detection. `object`: what was looked for.
    `trusted`: the box is."""

    difficulty: str
    outcome: str
    iou: float | None = None
    object: str = ""
    trusted: bool = False

    @property
    def is_trusted_right(self) -> bool:
        """What training gets at full weight, and rightly: a trusted box on the target."""
        return self.trusted and self.outcome == "detected"

    @property
    def is_trusted_wrong(self) -> bool:
        """What training gets at full weight and should not: a trusted box off the target."""
        return self.trusted and self.outcome in ("misplaced", "false_target")

    @property
    def has_failed(self) -> bool:
        """Not what it should be: no box on what is to be seen, or a box elsewhere. Without truth: no box."""
        if self.difficulty == "absent":
            return self.outcome in ("false_target", "guess")
        return self.outcome not in ("detected", "found")


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, 0..1."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    overlap = width * height
    return overlap / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - overlap)


def object_truths(
    boxes: Sequence[Mapping[str, Box | None]], name: str, pixels: Sequence[Mapping[str, int]] | None = None
) -> list[FrameTruth | None]:
    """What is really in each frame of a demonstration for one object; None where a frame does not name it.

    `boxes`: true boxes by object name, None where no pixel is visible. `pixels`: how many show it, where known.
    How much of it shows is their number, or else the area of its box, as a share of the median over the frames
    that show it.
    """
    if pixels is None:
        shown = [_area(frame.get(name)) for frame in boxes]
    else:
        shown = [float(frame.get(name, 0)) for frame in pixels]
    usual = median([amount for amount in shown if amount > 0] or [1.0])
    return [
        FrameTruth(frame[name], amount / usual, _same_class(frame, name)) if name in frame else None
        for frame, amount in zip(boxes, shown, strict=True)
    ]


def _same_class(frame: Mapping[str, Box | None], name: str) -> tuple[Box, ...]:
    """Boxes of the other objects that this one can be taken for: only blocks have such."""
    if not name.endswith("_block"):
        return ()
    others = (box for other, box in frame.items() if other != name and other.endswith("_block"))
    return tuple(box for box in others if box is not None)


def _area(box: Box | None) -> float:
    return 0.0 if box is None else float((box[2] - box[0]) * (box[3] - box[1]))


def difficulty(truth: FrameTruth | None, image_area: int) -> str:
    """simple, complex, absent or unlabelled, as defined at the top of this module."""
    if truth is None:
        return "unlabelled"
    if truth.box is None:
        return "absent"
    x0, y0, x1, y1 = truth.box
    hidden = truth.visible_share < MIN_VISIBLE_SHARE
    small = (x1 - x0) * (y1 - y0) < MIN_AREA_SHARE * image_area
    crowded = any(_gap(truth.box, other) < CROWDING_GAP * (x1 - x0) for other in truth.distractors)
    return "complex" if hidden or small or crowded else "simple"


def score_frame(
    result: Detection | NoTarget, truth: FrameTruth | None, image_area: int, name: str = ""
) -> ScoredFrame:
    """Judge one result. `image_area` in pixels, `name`: the object looked for."""
    level = difficulty(truth, image_area)
    if isinstance(result, NoTarget):
        return ScoredFrame(level, result.reason.value, None, name)
    trusted = result.is_trusted
    if truth is None:
        return ScoredFrame(level, "found", None, name, trusted)
    elsewhere = "false_target" if trusted else "guess"
    if truth.box is None:
        return ScoredFrame(level, elsewhere, None, name, trusted)
    overlap = iou(result.box, truth.box)
    if overlap >= MIN_IOU:
        return ScoredFrame(level, "detected", overlap, name, trusted)
    nearest = max((iou(result.box, other) for other in truth.distractors), default=0.0)
    outcome = elsewhere if overlap < MIN_SAME_IOU or nearest > overlap else "misplaced"
    return ScoredFrame(level, outcome, overlap, name, trusted)


class LevelFigures(TypedDict):
    """See `summarise`."""

    frames: int
    detected: int
    rate: float | None
    mean_iou: float | None
    trusted_right: int
    outcomes: dict[str, int]


class ObjectFigures(TypedDict):
    """See `summarise_objects`."""

    frames: int
    visible: int
    detected: int
    rate: float | None
    mean_iou: float | None
    measured: int
    trusted_right: int
    trusted_wrong: int
    false_targets: int
    false_rate: float | None
    guesses: int


def summarise(frames: Iterable[ScoredFrame]) -> dict[str, LevelFigures]:
    """Figures per difficulty: frames, detected, rate, mean_iou, trusted_right, outcomes.

    `detected` counts boxes whatever their score, `trusted_right` those of them that are trusted. The counts in
    `outcomes` add up to `frames`. `mean_iou` is over the frames with a detection; it and `rate` are None where
    nothing could be measured (no frames, or no truth).
    """
    by_level: dict[str, list[ScoredFrame]] = {level: [] for level in DIFFICULTIES}
    for frame in frames:
        by_level[frame.difficulty].append(frame)
    return {level: _figures(level, members) for level, members in by_level.items()}


def summarise_objects(frames: Iterable[ScoredFrame]) -> dict[str, ObjectFigures]:
    """Per object, and for all of them as `all`: frames, visible, detected, rate, mean_iou, measured (frames in
    that mean), trusted_right, trusted_wrong, false_targets, false_rate, guesses. Rates are None where nothing could
    be measured."""
    by_object: dict[str, list[ScoredFrame]] = {}
    for frame in frames:
        by_object.setdefault(frame.object, []).append(frame)
    table = {name: _object_figures(members) for name, members in sorted(by_object.items())}
    table["all"] = _object_figures([frame for members in by_object.values() for frame in members])
    return table


def _object_figures(frames: Sequence[ScoredFrame]) -> ObjectFigures:
    labelled = [frame for frame in frames if frame.difficulty != "unlabelled"]
    visible = [frame for frame in labelled if frame.difficulty != "absent"]
    outcomes = Counter(frame.outcome for frame in labelled)
    overlaps = [frame.iou for frame in visible if frame.iou is not None]
    return {
        "frames": len(frames),
        "visible": len(visible),
        "detected": outcomes["detected"],
        "rate": outcomes["detected"] / len(visible) if visible else None,
        "mean_iou": fmean(overlaps) if overlaps else None,
        "measured": len(overlaps),
        "trusted_right": sum(frame.is_trusted_right for frame in labelled),
        "trusted_wrong": sum(frame.is_trusted_wrong for frame in labelled),
        "false_targets": outcomes["false_target"],
        "false_rate": outcomes["false_target"] / len(labelled) if labelled else None,
        "guesses": outcomes["guess"],
    }


def _figures(level: str, frames: Sequence[ScoredFrame]) -> LevelFigures:
    outcomes = Counter(frame.outcome for frame in frames)
    overlaps = [frame.iou for frame in frames if frame.iou is not None]
    detected = outcomes["detected"] + outcomes["found"]
    measurable = frames and level in ("simple", "complex")
    return {
        "frames": len(frames),
        "detected": detected,
        "rate": detected / len(frames) if measurable else None,
        "mean_iou": fmean(overlaps) if overlaps else None,
        "trusted_right": sum(frame.is_trusted_right for frame in frames),
        "outcomes": {name: count for name, count in sorted(outcomes.items()) if count},
    }


def _gap(a: Box, b: Box) -> float:
    """Chebyshev distance between two boxes in pixels, 0 where they touch or overlap."""
    return max(0.0, b[0] - a[2], a[0] - b[2], b[1] - a[3], a[1] - b[3])
