"""What belongs together over a demonstration: one track without impossible jumps, remembered while hidden."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from detectors.base import TRUSTED, Box, Candidate, Detection, NoTarget, Reason, Source
from detectors.tracking import MAX_SPEED_SHARE

#: Costs are negative logarithms of probabilities: of a missed target, and of a jump that a hand cannot make.
MISS_COST, JUMP_COST = -math.log(0.05), -math.log(0.01)
_SMALLEST_PROBABILITY = 1e-3
#: Detected frames without a target over which a jump is still one.
REMEMBERED_MISSES = 6
#: While out of sight a target is taken to move at half of the hand's greatest speed ...
HIDDEN_SPEED = 0.5
#: ... and is forgotten when it may have left its own box by this many box lengths.
FORGET_AFTER = 1.0


def choose_track(
    frames: Sequence[int], candidates: Sequence[Sequence[Candidate]], image_size: int
) -> list[Candidate | None]:
    """The cheapest sequence of candidates, or misses, over the given frames (Viterbi 1967).

    `candidates` have calibrated scores and may be empty. None where no candidate fits the rest of the track:
    a box is compared with the last one chosen, unless more than REMEMBERED_MISSES misses lie in between.
    """
    count = len(candidates)
    best: list[list[float]] = []  # cost of the cheapest track that ends in this candidate
    back: list[list[tuple[int, int] | None]] = []
    for place, options in enumerate(candidates):
        best.append([])
        back.append([])
        for option in options:
            cost, origin = place * MISS_COST, None
            for before in range(place):
                misses = place - before - 1
                for index, earlier in enumerate(candidates[before]):
                    far = misses <= REMEMBERED_MISSES and is_jump(
                        earlier.box, option.box, frames[place] - frames[before], image_size
                    )
                    step = misses * MISS_COST + (JUMP_COST if far else 0.0)
                    if best[before][index] + step < cost:
                        cost, origin = best[before][index] + step, (before, index)
            best[place].append(cost - math.log(max(option.score, _SMALLEST_PROBABILITY)))
            back[place].append(origin)
    ends = [
        (cost + (count - 1 - place) * MISS_COST, (place, index))
        for place, costs in enumerate(best)
        for index, cost in enumerate(costs)
    ]
    chosen: list[Candidate | None] = [None] * count
    at = min(ends)[1] if ends and min(ends)[0] < count * MISS_COST else None
    while at is not None:
        chosen[at[0]] = candidates[at[0]][at[1]]
        at = back[at[0]][at[1]]
    return chosen


def is_jump(a: Box, b: Box, frames: int, image_size: int) -> bool:
    """True when the middle of a box moved further than a hand can move it in this many frames."""
    distance = math.hypot((b[0] + b[2] - a[0] - a[2]) / 2, (b[1] + b[3] - a[1] - a[3]) / 2)
    # A box that loses a side to an occluder moves its middle by up to half of its size at once.
    slack = max(a[2] - a[0], a[3] - a[1], b[2] - b[0], b[3] - b[1]) / 2
    return distance > frames * MAX_SPEED_SHARE * image_size + slack


def hidden_reach(frames: int, image_size: int) -> float:
    """Pixels that a target may have moved in so many frames in which nobody saw it."""
    return frames * HIDDEN_SPEED * MAX_SPEED_SHARE * image_size


def faded(score: float, box: Box, uncertainty_pixels: float) -> float:
    """A score that falls in proportion as the target may have left its box, down to 0 where it is forgotten."""
    return score * max(0.0, 1 - uncertainty_pixels / _forgotten_from(box))


def _forgotten_from(box: Box) -> float:
    return FORGET_AFTER * max(box[2] - box[0], box[3] - box[1])


def remember(
    results: Sequence[Detection | NoTarget], image_size: int, times: Sequence[int] | None = None
) -> list[Detection | NoTarget]:
    """Fill frames without a target from the nearest ones with one, with rising uncertainty, until forgotten.

    `times`: the frames' numbers, rising, where some are left out. Between two sightings the box lies on the
    straight line between them. Scores of remembered boxes are below TRUSTED, as the target was looked for and
    not seen, and fall to 0 as the uncertainty rises. Blank frames and unknown wording stay as they are.
    """
    times = range(len(results)) if times is None else times
    seen = [frame for frame, result in enumerate(results) if isinstance(result, Detection)]
    filled = list(results)
    for frame, result in enumerate(results):
        if isinstance(result, Detection) or result.reason in (Reason.BLANK_FRAME, Reason.UNKNOWN_WORDING):
            continue
        before = max((other for other in seen if other < frame), default=None)
        after = min((other for other in seen if other > frame), default=None)
        nearest = min(
            (other for other in (before, after) if other is not None),
            key=lambda other: abs(times[other] - times[frame]),
            default=None,
        )
        if nearest is None:
            continue
        anchor = results[nearest]
        assert isinstance(anchor, Detection)
        uncertainty = hidden_reach(abs(times[nearest] - times[frame]), image_size)
        if uncertainty >= _forgotten_from(anchor.box):
            filled[frame] = NoTarget(Reason.LOST_TRACK, result.detail or result.reason.value)
            continue
        box = anchor.box
        if before is not None and after is not None:
            share = (times[frame] - times[before]) / (times[after] - times[before])
            box = _between(results[before], results[after], share)
        score = faded(min(anchor.score, TRUSTED), anchor.box, uncertainty) * (1 - 1e-6)
        filled[frame] = replace(
            anchor, box=box, score=score, source=Source.REMEMBERED, uncertainty_pixels=uncertainty
        )
    return filled


def _between(a: Detection | NoTarget, b: Detection | NoTarget, share: float) -> Box:
    assert isinstance(a, Detection) and isinstance(b, Detection)
    x0, y0, x1, y1 = ((1 - share) * p + share * q for p, q in zip(a.box, b.box, strict=True))
    return x0, y0, x1, y1
