"""One target in the frames of one demonstration: which to detect, what is chosen among their boxes, what all have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from detectors.base import (
    TRUSTED,
    Box,
    Candidate,
    Detection,
    Finder,
    NoTarget,
    Reason,
    Source,
    Target,
)
from detectors.filters import plausible
from detectors.key_frames import Link, cover
from detectors.temporal import choose_track, faded, hidden_reach, is_jump, remember
from detectors.tiles import Window, window_around
from detectors.tracking import MAX_SPEED_SHARE

#: What single frames show: plausible candidates, best first, or why there is none.
Found = list[Candidate] | NoTarget


class Looks(Protocol):
    """What a pipeline gives for single frames, and what it is set to."""

    stages: frozenset[str]
    finder: Finder
    interval: int

    def look(
        self, images: Sequence[NDArray[np.uint8]], target: Target, thoroughly: bool = False
    ) -> list[Found]: ...

    def look_closer(
        self, images: Sequence[NDArray[np.uint8]], windows: Sequence[Window], target: Target
    ) -> list[Found]: ...


class TargetSearch:
    """One target in the frames of one demonstration that look for it and are not blank.

    `times`: the images' places in the demonstration, by which speeds and uncertainties are told.
    """

    def __init__(
        self,
        pipeline: Looks,
        images: Sequence[NDArray[np.uint8]],
        target: Target,
        times: Sequence[int],
    ) -> None:
        self._pipeline = pipeline
        self._images = images
        self._target = target
        self._times = times
        self._size = images[0].shape[1]
        self._found: dict[int, Found] = {}
        self._checked: set[int] = set()
        self._chosen: dict[int, Candidate | NoTarget] = {}

    def results(self) -> list[Detection | NoTarget]:
        stages, count = self._pipeline.stages, len(self._images)
        links: dict[int, Link] = {}
        if "key_frames" in stages:
            finder = self._pipeline.finder
            nearby = partial(_near, finder, self._target) if finder.finds_near(self._target) else None
            links = cover(self._images, self._look, self._pipeline.interval, nearby, self._times)
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
            if gap <= self._pipeline.interval and not is_jump(candidate.box, neighbour.box, gap, self._size):
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


def _candidates(found: Found) -> list[Candidate]:
    return [] if isinstance(found, NoTarget) else found


def _best_score(found: Found) -> float:
    return max((candidate.score for candidate in _candidates(found)), default=0.0)
