"""What is known of the gaze: how well it was found, where it lies, and what training used of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from errors import InvalidInput


@dataclass(frozen=True)
class GazeScores:
    """Detection figures of the frames of one difficulty; the counts in `outcomes` add up to `frames`.

    demonstrations: that have such frames; rate_interval: 95 % over other demonstrations, as frames of one are alike.
    """

    frames: int
    detected: int
    rate: float | None
    mean_iou: float | None
    outcomes: Mapping[str, int] = field(default_factory=dict)
    demonstrations: int | None = None
    rate_interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class ObjectScores:
    """Detection figures of one object that was looked for. `visible`: frames known to show it. `trusted_wrong`: trusted
    boxes off the target, None where that was not counted."""

    frames: int
    visible: int
    detected: int
    mean_iou: float | None
    false_targets: int
    guesses: int
    trusted_wrong: int | None = None

    @property
    def rate(self) -> float | None:
        return self.detected / self.visible if self.visible else None


@dataclass(frozen=True)
class IndexUse:
    """What the index of a split took of its frames: items, those with a region, weighed down, and left out."""

    items: int
    with_target: int
    weighed_down: int
    dropped: int


@dataclass(frozen=True)
class GazeRegions:
    """How the regions of all frames came about.

    `sources`: frames with a region, by the stage that gave it; `reasons`: frames without one, by why. `trusted`:
    regions more likely right than wrong. `demonstrations`: how many were looked at, of how many.
    `by_task`: demonstrations and frames whose instruction is not understood and whose target is the task's. Raises
    InvalidInput where the counts do not add up to the frames.
    """

    frames: int
    trusted: int
    sources: Mapping[str, int]
    reasons: Mapping[str, int]
    objects: Mapping[str, ObjectScores]
    index: Mapping[str, IndexUse] = field(default_factory=dict)
    demonstrations: tuple[int, int] = (0, 0)
    by_task: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        sums = {
            "sources and reasons": self.with_region + self.without_region,
            "objects": sum(scores.frames for scores in self.objects.values()),
        }
        for name, count in sums.items():
            if count != self.frames:
                raise InvalidInput(f"gaze regions: {name} add up to {count} of {self.frames} frames")
        if self.trusted > self.with_region:
            raise InvalidInput(f"gaze regions: {self.trusted} of {self.with_region} regions are trusted")

    @property
    def with_region(self) -> int:
        return sum(self.sources.values())

    @property
    def without_region(self) -> int:
        return sum(self.reasons.values())


@dataclass(frozen=True)
class GazeExample:
    """A frame for the overlay: (H, W, 3) uint8 image, box in pixels (None: no target) and a caption.

    `true_box`: None where it is not known or the target is out of sight.
    """

    image: NDArray[np.uint8]
    box: tuple[float, float, float, float] | None
    caption: str
    trusted: bool = True
    true_box: tuple[float, float, float, float] | None = None


@dataclass(frozen=True)
class GazeOfRows:
    """Gaze figures of rows that have other demonstrations, or regions of another detector, than the first row: never
    added to those of the first. rows: their titles."""

    rows: tuple[str, ...]
    detector: str
    scores: Mapping[str, GazeScores]
    regions: GazeRegions | None


@dataclass(frozen=True)
class OtherGaze:
    """Gaze figures of a second dataset, that of the pretraining: never added to those of the first."""

    dataset: str
    scores: Mapping[str, GazeScores]
    regions: GazeRegions | None
