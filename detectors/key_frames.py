"""Which frames of a demonstration to detect, and what their neighbours have from them.

First the first. What can be followed from a detected frame is; where that ends early the last frame is detected;
short stretches between two boxes that overlap well lie on the line between them; in the middle of each stretch
that is left the next detection is made, all of them in one batch, until no frame is left. A still scene costs one
detection. Frames are numbered by `times` where some of a demonstration are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from detectors.base import Box
from detectors.scoring import iou
from detectors.tracking import Nearby, Tracker


@dataclass(frozen=True)
class Link:
    """A frame's box as followed from the detected frame `origin`. `moved`: the target's pixels did.

    `unseen`: how many frames away it was seen, where it lies on a line between places in which it was; 0 where
    this frame shows it, or where nothing changed around it before and after.
    """

    origin: int
    box: Box
    moved: bool
    unseen: int = 0


#: Frames that may lie between two detected ones, and their boxes' least overlap, to put boxes on a straight line.
LONGEST_LINE, MIN_LINE_IOU = 3, 0.5
#: A finder that looks near a box does so in every this many frames, and is trusted for this many intervals.
LOOK_EVERY, NEARBY_INTERVALS = 4, 6

#: Detects frames in one batch and returns, for all frames detected so far, the box each one shows or None.
Look = Callable[[list[int]], dict[int, Box | None]]


def cover(
    images: Sequence[NDArray[np.uint8]],
    look: Look,
    interval: int,
    nearby: Nearby | None = None,
    times: Sequence[int] | None = None,
) -> dict[int, Link]:
    """Detect as few frames as needed and return the links of the others. `nearby`: see `Tracker`; `times`: the
    images' numbers, rising [default: 0, 1, ...].

    A frame that is neither detected nor linked lies between two detected frames without a target, at most
    `interval` frames apart, where nothing is taken to appear and vanish again.
    """
    spreads: dict[tuple[int, Box, int], list[Link]] = {}
    end = len(images)
    times = range(end) if times is None else times
    wanted = [0]
    while True:
        seen = look(wanted)
        links: dict[int, Link] = {}
        order = sorted(seen)
        # Backwards only what could not be followed forwards.
        for step in (1, -1):
            for frame, neighbour in pairwise([*order, end][::step]):
                if frame == end:
                    continue
                box = seen[frame]
                if box is None:
                    continue
                places = [at for at in range(frame + step, neighbour, step) if step > 0 or at not in links]
                if not places or abs(places[0] - frame) != 1:
                    continue
                key = (frame, box, step)
                if key not in spreads:
                    spreads[key] = _spread(images, times, frame, box, places, interval, nearby)
                links.update(zip(places, spreads[key], strict=False))
        links |= _lines(order, times, seen, links)
        wanted = _middles(order, times, seen, links, interval)
        if end - 1 not in seen and end - 1 not in links:
            wanted.append(end - 1)
        if not wanted:
            return links


def _spread(
    images: Sequence[NDArray[np.uint8]],
    times: Sequence[int],
    frame: int,
    box: Box,
    places: Sequence[int],
    interval: int,
    nearby: Nearby | None,
) -> list[Link]:
    """Links of the given frames, which lead away from a detected one, up to the first doubt.

    With `nearby`, only every few frames are looked at as long as that works; those between lie on a line.
    """
    tracker = Tracker(images[frame], box, nearby)
    stride = 1 if nearby is None else LOOK_EVERY
    limit = interval if nearby is None else interval * NEARBY_INTERVALS
    links: list[Link] = []
    while len(links) < len(places):
        reach = min(stride, len(places) - len(links))
        at = places[len(links) + reach - 1]
        followed = tracker.follow(images[at])
        if followed is None and reach > 1:
            stride = 1
            continue
        if followed is None or (followed.moved and abs(times[at] - times[frame]) > limit):
            break
        last, start = (links[-1].box, places[len(links) - 1]) if links else (box, frame)
        for place in places[len(links) : len(links) + reach]:
            gone, left = abs(times[place] - times[start]), abs(times[at] - times[place])
            unseen = min(gone, left) if followed.moved else 0
            between = _between(last, followed.box, gone / (gone + left))
            links.append(Link(frame, between, followed.moved, unseen))
    return links


def _between(a: Box, b: Box, share: float) -> Box:
    x0, y0, x1, y1 = ((1 - share) * p + share * q for p, q in zip(a, b, strict=True))
    return x0, y0, x1, y1


def _lines(
    order: Sequence[int], times: Sequence[int], seen: Mapping[int, Box | None], links: Mapping[int, Link]
) -> dict[int, Link]:
    """Links for the frames left over between detected boxes that are near in time and place."""
    found: dict[int, Link] = {}
    for before, after in pairwise(order):
        first, last = seen[before], seen[after]
        left = [frame for frame in range(before + 1, after) if frame not in links]
        if first is None or last is None or not left or times[after] - times[before] - 1 > LONGEST_LINE:
            continue
        if iou(first, last) < MIN_LINE_IOU:
            continue
        shown = [at for at in range(before, after + 1) if at not in links or not links[at].unseen]
        for frame in left:
            share = (times[frame] - times[before]) / (times[after] - times[before])
            origin = before if share <= 0.5 else after
            unseen = min(abs(times[frame] - times[at]) for at in shown if at not in left)
            found[frame] = Link(origin, _between(first, last, share), True, unseen)
    return found


def _middles(
    order: Sequence[int],
    times: Sequence[int],
    seen: Mapping[int, Box | None],
    links: Mapping[int, Link],
    interval: int,
) -> list[int]:
    """The middle of every stretch of frames that are neither detected nor linked nor taken to be empty."""
    middles = []
    for before, after in pairwise(order):
        if seen[before] is None and seen[after] is None and times[after] - times[before] <= interval:
            continue
        left = [frame for frame in range(before + 1, after) if frame not in links]
        if left:
            middles.append(left[len(left) // 2])
    return middles
