"""Which frames of a demonstration to detect, and what their neighbours have from them.

First the first. What can be followed from a detected frame is; where that ends early the last frame is detected;
what is followed from both sides is the more like the one the nearer it is; short stretches between two boxes that
overlap well lie on the line between them; in the stretches that are left, as where the two sides disagree, the next
detections are made, all of them in one batch, until no frame is left. A still scene costs one detection. Frames are
numbered by `times` where some of a demonstration are left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
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
#: Least overlap of the boxes that a frame has from the detected ones before and after it.
MIN_AGREEMENT_IOU = 0.6
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
        order = sorted(seen)
        ahead: dict[int, Link] = {}
        behind: dict[int, Link] = {}
        for step, links in ((1, ahead), (-1, behind)):
            for frame, neighbour in pairwise([*order, end][::step]):
                box = None if frame == end else seen[frame]
                if box is None:
                    continue
                places = list(range(frame + step, neighbour, step))
                if (
                    nearby is not None and step < 0
                ):  # each look is the finder's own: none is better for a second one
                    places = [at for at in places if at not in ahead]
                if not places or abs(places[0] - frame) != 1:
                    continue
                key = (frame, box, step)
                if key not in spreads:
                    spreads[key] = _spread(images, times, frame, box, places, interval, nearby)
                links.update(zip(places, spreads[key], strict=False))
        links = _joined(order, times, ahead, behind)
        links |= _lines(order, times, seen, links)
        wanted = _next(
            order,
            times,
            seen,
            links,
            interval,
            end,
            interval if nearby is None else interval * NEARBY_INTERVALS,
        )
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


def _joined(
    order: Sequence[int], times: Sequence[int], ahead: Mapping[int, Link], behind: Mapping[int, Link]
) -> dict[int, Link]:
    """One link of a frame that has some: followed onwards from the detected frame before it, or back from the one
    after it, or both where they agree."""
    links = dict(ahead) | {at: link for at, link in behind.items() if at not in ahead or not link.moved}
    for before, after in pairwise(order):
        both = [at for at in range(before + 1, after) if at in ahead and at in behind]
        both = [at for at in both if ahead[at].moved and behind[at].moved]
        if not both:
            continue
        for at in both:
            if iou(ahead[at].box, behind[at].box) < MIN_AGREEMENT_IOU:
                del links[at]
                continue
            share = _share(times, before, at, after)
            origin = ahead[at].origin if share <= 0.5 else behind[at].origin
            links[at] = Link(origin, _between(ahead[at].box, behind[at].box, share), True)
        # What comes before is corrected by as much of the difference as it is near to it, and what comes after.
        for first, last, own in ((before, both[0], ahead), (after, both[-1], behind)):
            if last in links:
                for at in range(min(first, last) + 1, max(first, last)):
                    if at in own and own[at].moved:
                        moved = _corrected(
                            own[at].box, own[last].box, links[last].box, _share(times, first, at, last)
                        )
                        links[at] = replace(own[at], box=moved)
    return links


def _share(times: Sequence[int], start: int, at: int, end: int) -> float:
    return (times[at] - times[start]) / (times[end] - times[start])


def _corrected(box: Box, wrong: Box, right: Box, share: float) -> Box:
    x0, y0, x1, y1 = (edge + share * (r - w) for edge, w, r in zip(box, wrong, right, strict=True))
    return x0, y0, x1, y1


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


def _next(
    order: Sequence[int],
    times: Sequence[int],
    seen: Mapping[int, Box | None],
    links: Mapping[int, Link],
    interval: int,
    end: int,
    reach: int,
) -> list[int]:
    """What to detect next: of every stretch of frames that are neither detected nor linked nor taken to be empty as
    many, evenly spread, as it takes to follow `reach` frames from each to both sides; and the last frame, if there
    is a stretch that it ends."""
    wanted = []
    for before, after in pairwise([*order, end]):
        if (
            after < end
            and seen[before] is None
            and seen[after] is None
            and times[after] - times[before] <= interval
        ):
            continue
        left = [frame for frame in range(before + 1, after) if frame not in links]
        if after == end and left:
            wanted.append(left.pop())
            left = left[:-reach]
        parts = math.ceil(len(left) / (2 * reach))
        wanted += [left[(2 * part + 1) * len(left) // (2 * parts)] for part in range(parts)]
    return wanted
