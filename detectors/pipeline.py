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
from functools import partial

import numpy as np
from numpy.typing import NDArray

from detectors.base import (
    TRUSTED,
    Box,
    Candidate,
    Detection,
    Finder,
    FrameContext,
    NoTarget,
    Reason,
    Source,
    Target,
    blank_frames,
    check_frames,
)
from detectors.cache import FinderCache
from detectors.calibration import Calibration, by_threshold
from detectors.carried import UNNAMED, resolve_blocks
from detectors.filters import plausible
from detectors.key_frames import Link, cover
from detectors.targets import COLOURS, block
from detectors.temporal import choose_track, faded, hidden_reach, is_jump, remember
from detectors.tiles import Window, cut, to_frame, window_around
from detectors.tracking import MAX_SPEED_SHARE
from errors import ConfigError

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

_Found = list[Candidate] | NoTarget


def check_stages(stages: Iterable[str]) -> tuple[str, ...]:
    """The stages in their order. Raises ConfigError naming an unknown one."""
    wanted = tuple(stages)
    for stage in wanted:
        if stage not in STAGES:
            raise ConfigError(f"unknown gaze stage {stage!r}: known are {', '.join(STAGES)}")
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
        self._interval = interval

    @property
    def name(self) -> str:
        return self.finder.name

    @property
    def version(self) -> str:
        """The finder's version, and a digest of the stages and what they are set to."""
        order = [stage for stage in STAGES if stage in self.stages]
        knots = {name: one.knots for name, one in sorted(self._calibrations.items())}
        settings = json.dumps([PIPELINE_VERSION, order, self._interval, knots])
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
            found = _Episode(self, [images[frame] for frame in frames], target, frames).results()
            for frame, result in zip(frames, found, strict=True):
                results[frame] = result
        return results

    def look(
        self, images: Sequence[NDArray[np.uint8]], target: Target, thoroughly: bool = False
    ) -> list[_Found]:
        """Plausible candidates of single frames, best first, with calibrated scores."""
        return self._judged(images, self._find(images, target, thoroughly), target)

    def look_closer(
        self, images: Sequence[NDArray[np.uint8]], windows: Sequence[Window], target: Target
    ) -> list[_Found]:
        """The same of a part of each frame, which the finder sees at a larger scale; boxes in pixels of the frame."""
        tiles = [cut(image, window) for image, window in zip(images, windows, strict=True)]
        found = self._find(tiles, target, thoroughly=False)
        placed: list[_Found] = []
        for image, window, candidates in zip(images, windows, found, strict=True):
            if not isinstance(candidates, NoTarget):
                candidates = to_frame(candidates, window, image.shape)
            placed.append(candidates or NoTarget(Reason.BELOW_THRESHOLD, target.phrase))
        return self._judged(images, placed, target)

    def _find(
        self, images: Sequence[NDArray[np.uint8]], target: Target, thoroughly: bool
    ) -> Sequence[_Found]:
        if self._cache is not None:
            return self._cache.find(self.finder, images, target, thoroughly)
        return (self.finder.find_thoroughly if thoroughly else self.finder.find)(images, target)

    def _judged(
        self, images: Sequence[NDArray[np.uint8]], found: Sequence[_Found], target: Target
    ) -> list[_Found]:
        looks: list[_Found] = []
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
            for colour in COLOURS:
                track: list[Box | None] = [None] * len(images)
                found = self.look([images[frame] for frame in sample], block(colour))
                for frame, candidates in zip(sample.tolist(), found, strict=True):
                    if not isinstance(candidates, NoTarget) and candidates:
                        track[frame] = candidates[0].box
                tracks[f"{colour}_block"] = track
        return resolve_blocks(targets, tracks, context, images.shape[2])


class _Episode:
    """One target in the frames of one demonstration that look for it and are not blank.

    `times`: the images' places in the demonstration, by which speeds and uncertainties are told.
    """

    def __init__(
        self,
        pipeline: GazePipeline,
        images: Sequence[NDArray[np.uint8]],
        target: Target,
        times: Sequence[int],
    ) -> None:
        self._pipeline = pipeline
        self._images = images
        self._target = target
        self._times = times
        self._size = images[0].shape[1]
        self._found: dict[int, _Found] = {}
        self._checked: set[int] = set()
        self._chosen: dict[int, Candidate | NoTarget] = {}

    def results(self) -> list[Detection | NoTarget]:
        stages, count = self._pipeline.stages, len(self._images)
        links: dict[int, Link] = {}
        if "key_frames" in stages:
            finder = self._pipeline.finder
            nearby = partial(_near, finder, self._target) if finder.finds_near(self._target) else None
            links = cover(self._images, self._look, self._pipeline._interval, nearby, self._times)
        else:
            self._look(list(range(count)))
        results = [self._result(frame, links) for frame in range(count)]
        return remember(results, self._size, self._times) if "temporal" in stages else results

    def _look(self, frames: list[int]) -> dict[int, Box | None]:
        """Detect some frames; what all detected frames show, now that these are known too."""
        new = [frame for frame in frames if frame not in self._found]
        looks = self._pipeline.look([self._images[frame] for frame in new], self._target)
        self._found.update(zip(new, looks, strict=True))
        if "second_pass" in self._pipeline.stages:
            self._look_again([frame for frame in new if _best_score(self._found[frame]) < TRUSTED])
        self._choose()
        if {"second_pass", "temporal"} <= self._pipeline.stages:
            jumped = [
                frame
                for frame, choice in self._chosen.items()
                if isinstance(choice, NoTarget) and choice.reason is Reason.IMPLAUSIBLE_JUMP
            ]
            if self._look_again(jumped):
                self._choose()
        return {
            frame: choice.box if isinstance(choice, Candidate) else None
            for frame, choice in self._chosen.items()
        }

    def _look_again(self, frames: Sequence[int]) -> bool:
        """The second pass over frames that have not had one. True when there was something to do."""
        again = [frame for frame in frames if frame not in self._checked]
        if not again:
            return False
        self._checked.update(again)
        windows = self._windows(again)
        near, rest = list(windows), [frame for frame in again if frame not in windows]
        looks = [
            *self._pipeline.look_closer(
                [self._images[frame] for frame in near], list(windows.values()), self._target
            ),
            *self._pipeline.look([self._images[frame] for frame in rest], self._target, thoroughly=True),
        ]
        for frame, more in zip([*near, *rest], looks, strict=True):
            known = self._found[frame]
            if isinstance(known, NoTarget):
                self._found[frame] = more if not isinstance(more, NoTarget) else known
            elif not isinstance(more, NoTarget):
                self._found[frame] = plausible(
                    self._images[frame], [*known, *more], self._target, self._pipeline.stages
                )
        return True

    def _windows(self, frames: Sequence[int]) -> dict[int, Window]:
        """The parts of frames in which the target must be, as the trusted box nearest in time tells; not of all."""
        trusted = {
            frame: choice.box
            for frame, choice in self._chosen.items()
            if isinstance(choice, Candidate) and choice.score >= TRUSTED
        }
        if not trusted or not self._pipeline.finder.zooms:
            return {}
        found: dict[int, Window] = {}
        for frame in frames:
            apart, nearest = min((abs(self._times[other] - self._times[frame]), other) for other in trusted)
            reach = MAX_SPEED_SHARE * self._size * apart
            window = window_around(trusted[nearest], reach, *self._images[frame].shape[:2])
            if window is not None:
                found[frame] = window
        return found

    def _choose(self) -> None:
        """One candidate, or the reason for none, in every detected frame."""
        frames = sorted(self._found)
        lists = [_candidates(self._found[frame]) for frame in frames]
        if "temporal" in self._pipeline.stages:
            chosen = choose_track([self._times[frame] for frame in frames], lists, self._size)
        else:
            chosen = [options[0] if options else None for options in lists]
        self._chosen = {}
        for place, (frame, candidate) in enumerate(zip(frames, chosen, strict=True)):
            found = self._found[frame]
            if isinstance(found, NoTarget):
                self._chosen[frame] = found
            elif not found:
                self._chosen[frame] = NoTarget(Reason.NOT_FOUND, self._target.object)
            elif candidate is None:
                self._chosen[frame] = NoTarget(Reason.IMPLAUSIBLE_JUMP, self._target.object)
            elif candidate.score < TRUSTED and not self._is_supported(place, frames, chosen):
                self._chosen[frame] = NoTarget(
                    Reason.BELOW_THRESHOLD, f"{self._target.object}, {candidate.score:.3f}"
                )
            else:
                self._chosen[frame] = candidate

    def _is_supported(self, place: int, frames: Sequence[int], chosen: Sequence[Candidate | None]) -> bool:
        """A doubtful box counts where a trusted one beside it in time is near."""
        candidate = chosen[place]
        if candidate is None or "temporal" not in self._pipeline.stages:
            return False
        for other in (place - 1, place + 1):
            neighbour = chosen[other] if 0 <= other < len(chosen) else None
            if neighbour is None or neighbour.score < TRUSTED:
                continue
            gap = abs(self._times[frames[other]] - self._times[frames[place]])
            if gap <= self._pipeline._interval and not is_jump(candidate.box, neighbour.box, gap, self._size):
                return True
        return False

    def _result(self, frame: int, links: Mapping[int, Link]) -> Detection | NoTarget:
        choice = self._chosen.get(frame)
        if isinstance(choice, Candidate):
            return Detection(choice.box, choice.score, self._target.phrase, choice.source)
        if choice is not None:
            return choice
        if frame in links:
            link = links[frame]
            origin = self._chosen[link.origin]
            assert isinstance(origin, Candidate)
            source = Source.TRACKED if link.moved else Source.UNCHANGED
            uncertainty = hidden_reach(link.unseen, self._size)
            score = faded(origin.score, link.box, uncertainty)
            return Detection(link.box, score, self._target.phrase, source, uncertainty)
        before = max(other for other in self._chosen if other < frame)
        empty = self._chosen[before]
        assert isinstance(empty, NoTarget)
        return empty


def _near(finder: Finder, target: Target, image: NDArray[np.uint8], box: Box) -> Box | None:
    return finder.find_near(image, target, box)


def _candidates(found: _Found) -> list[Candidate]:
    return [] if isinstance(found, NoTarget) else found


def _best_score(found: _Found) -> float:
    return max((candidate.score for candidate in _candidates(found)), default=0.0)
