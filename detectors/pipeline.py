"""From a finder's boxes in single frames to one gaze region for each frame of a demonstration.

The stages, each of which can be switched off:

| stage | does |
|---|---|
| `second_pass` | looks again, closer, where the first pass saw nothing convincing |
| `phrase`, `colour`, `size`, `place` | drop candidates that cannot be the target (`filters.py`) |
| `overlap` | drops a box that repeats a better one |
| `calibration` | turns scores into probabilities (`calibration.py`) |
| `temporal` | one track without impossible jumps, remembered through occlusion (`temporal.py`) |
| `key_frames` | detects only where following is in doubt (`key_frames.py`) |

Without any stage the answer is the finder's best box in every frame.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmark.tasks import BLOCK_COLOURS
from detectors.base import (
    Box,
    Detection,
    Finder,
    FrameContext,
    NoTarget,
    Reason,
    Target,
    blank_frames,
    check_frames,
)
from detectors.cache import FinderCache
from detectors.calibration import Calibration, by_threshold
from detectors.filters import plausible
from detectors.target_search import Found, TargetSearch
from detectors.targets.carried import UNNAMED, resolve_blocks
from detectors.targets.table import block
from detectors.tiles import Window, cut, to_frame
from errors import ConfigError
from settings.shown import shown

STAGES = (
    "second_pass",
    "phrase",
    "colour",
    "size",
    "place",
    "overlap",
    "calibration",
    "temporal",
    "key_frames",
)
#: Raised when the stages' behaviour changes.
PIPELINE_VERSION = 4
#: Frames, spread over the demonstration, in which the blocks are looked for to tell which one is handled.
RESOLVING_FRAMES = 3


def check_stages(stages: Iterable[str]) -> tuple[str, ...]:
    """The stages in their order. Raises ConfigError naming an unknown one."""
    wanted = tuple(stages)
    for stage in wanted:
        if stage not in STAGES:
            raise ConfigError(f"unknown gaze stage {shown(stage)}: known are {', '.join(STAGES)}")
    return tuple(stage for stage in STAGES if stage in wanted)


class GazePipeline:
    """A `Detector` made of a finder and stages.

    `calibrations`: by object name, or `""` for all others. `interval`: frames over which a moving target is
    followed at most. `cache` keeps what the finder said about a picture, if given.
    """

    def __init__(
        self,
        finder: Finder,
        stages: Iterable[str] = STAGES,
        calibrations: Mapping[str, Calibration] | None = None,
        interval: int = 8,
        cache: FinderCache | None = None,
    ) -> None:
        if interval < 1:
            raise ConfigError(f"key frame interval is {interval}, it must be at least 1")
        self.stages = frozenset(check_stages(stages))
        self._cache = cache
        self.finder = finder
        self._calibrations = dict(calibrations or {})
        self.interval = interval

    @property
    def name(self) -> str:
        return self.finder.name

    @property
    def version(self) -> str:
        """The finder's version, and a digest of the stages and what they are set to."""
        order = [stage for stage in STAGES if stage in self.stages]
        knots = {name: one.knots for name, one in sorted(self._calibrations.items())}
        settings = json.dumps([PIPELINE_VERSION, order, self.interval, knots])
        return f"{self.finder.version} {hashlib.sha256(settings.encode()).hexdigest()[:12]}"

    @property
    def precision(self) -> str | None:
        """See `Detector.precision`."""
        return self.finder.precision

    def check(self) -> None:
        """See `Detector.check`."""
        self.finder.check()

    def detect(
        self, images: NDArray[np.uint8], targets: Sequence[Target], context: FrameContext | None = None
    ) -> list[Detection | NoTarget]:
        """See `Detector.detect`. Raises what the finder raises when its weights are missing or damaged."""
        check_frames(images, targets, context)
        resolved = self.resolve(images, targets, context)
        results: list[Detection | NoTarget] = []
        frames_of: dict[Target, list[int]] = defaultdict(list)
        for frame, (target, blank) in enumerate(zip(resolved, blank_frames(images), strict=True)):
            if isinstance(target, NoTarget):
                results.append(target)
                continue
            results.append(NoTarget(Reason.BLANK_FRAME))
            if not blank:
                frames_of[target].append(frame)
        for target, frames in frames_of.items():
            found = TargetSearch(self, [images[frame] for frame in frames], target, frames).results()
            for frame, result in zip(frames, found, strict=True):
                results[frame] = result
        return results

    def look(
        self, images: Sequence[NDArray[np.uint8]], target: Target, thoroughly: bool = False
    ) -> list[Found]:
        """Plausible candidates of single frames, best first, with calibrated scores."""
        return self._judged(images, self._find(images, target, thoroughly), target)

    def look_closer(
        self, images: Sequence[NDArray[np.uint8]], windows: Sequence[Window], target: Target
    ) -> list[Found]:
        """The same of a part of each frame, which the finder sees at a larger scale; boxes in pixels of the frame."""
        tiles = [cut(image, window) for image, window in zip(images, windows, strict=True)]
        found = self._find(tiles, target, thoroughly=False)
        placed: list[Found] = []
        for image, window, candidates in zip(images, windows, found, strict=True):
            if not isinstance(candidates, NoTarget):
                candidates = to_frame(candidates, window, image.shape)
            placed.append(candidates or NoTarget(Reason.BELOW_THRESHOLD, target.phrase))
        return self._judged(images, placed, target)

    def _find(self, images: Sequence[NDArray[np.uint8]], target: Target, thoroughly: bool) -> Sequence[Found]:
        if self._cache is not None:
            return self._cache.find(self.finder, images, target, thoroughly)
        return (self.finder.find_thoroughly if thoroughly else self.finder.find)(images, target)

    def _judged(
        self, images: Sequence[NDArray[np.uint8]], found: Sequence[Found], target: Target
    ) -> list[Found]:
        looks: list[Found] = []
        for image, candidates in zip(images, found, strict=True):
            if not isinstance(candidates, NoTarget):
                calibrated = [replace(one, score=self._probability(one.score, target)) for one in candidates]
                candidates = plausible(image, calibrated, target, self.stages)
            looks.append(candidates)
        return looks

    def _probability(self, score: float, target: Target) -> float:
        fitted = self._calibrations.get(target.object, self._calibrations.get(""))
        if fitted is None or "calibration" not in self.stages:
            fitted = by_threshold(self.finder.threshold)
        return fitted(score)

    def resolve(
        self, images: NDArray[np.uint8], targets: Sequence[Target], context: FrameContext | None
    ) -> Sequence[Target | NoTarget]:
        """Name the block that a carrying task handles, from the boxes of all three."""
        if not any(target.object in UNNAMED for target in targets):
            return targets
        tracks: dict[str, list[Box | None]] = {}
        sample = np.unique(np.linspace(0, len(images) - 1, RESOLVING_FRAMES).round().astype(int))
        if context is not None and context.gripper_xyz is not None:
            for colour in BLOCK_COLOURS:
                track: list[Box | None] = [None] * len(images)
                found = self.look([images[frame] for frame in sample], block(colour))
                for frame, candidates in zip(sample.tolist(), found, strict=True):
                    if not isinstance(candidates, NoTarget) and candidates:
                        track[frame] = candidates[0].box
                tracks[f"{colour}_block"] = track
        return resolve_blocks(targets, tracks, context, images.shape[2])
