"""Demonstrations of one split whose frames are in another split too: what is held out of a training, and is not.

CALVIN's debug dataset has the same recording in both of its splits (mees/calvin, issue 66).
"""

from __future__ import annotations

from bisect import bisect_right

from calvin.split import Demonstration, Split
from errors import DatasetError


def shared_demonstrations(held_out: Split, trained: Split) -> int:
    """How many demonstrations of `held_out` begin or end with a frame that a demonstration of `trained` holds.

    Frames are the same where the checksums in their archives are. They are looked for under their own number, and,
    where somebody numbered frames anew, among the first and last frames of demonstrations. Raises DatasetError for a
    frame that cannot be opened.
    """
    starts = sorted((d.start, d.end) for d in trained.demonstrations)
    furthest: list[int] = []
    for _, end in starts:
        furthest.append(max(end, furthest[-1] if furthest else end))
    ends = {_content(trained, frame) for d in trained.demonstrations for frame in (d.start, d.end)}

    def is_trained(frame: int) -> bool:
        content = _content(held_out, frame)
        place = bisect_right(starts, frame, key=lambda bounds: bounds[0])
        covered = place > 0 and frame <= furthest[place - 1]
        return content in ends or (covered and content == _content(trained, frame))

    def is_shared(demonstration: Demonstration) -> bool:
        return is_trained(demonstration.start) or is_trained(demonstration.end)

    return sum(map(is_shared, held_out.demonstrations))


def told_shared(held_out: Split, trained: Split) -> str | None:
    """A note on demonstrations of both splits; None where there are none, or frames cannot be opened."""
    try:
        count = shared_demonstrations(held_out, trained)
    except DatasetError:  # told where that split is examined
        return None
    if not count:
        return None
    return (
        f"frames of {count} of {len(held_out.demonstrations)} demonstrations are in {trained.split}/ too: errors and"
        " losses on them are not of held-out data"
    )


def _content(split: Split, frame: int) -> tuple[tuple[str, int], ...]:
    return tuple(split.content_of(frame))
