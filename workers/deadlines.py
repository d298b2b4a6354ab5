"""When an attempt has to stop, and whether another can still progress before a deadline: pure functions."""

from __future__ import annotations

from db.timings import Timing
from settings.queue import QueueSettings
from tasks.kind import Spec

#: A checkpoint may take this many times as long as the slowest one so far.
SAVE_SAFETY = 1.5
_MARGIN_FLOOR_SECONDS = 1.0


def slice_end(now: float, slice_seconds: float | None) -> float | None:
    """When a slice that starts now is over, by the clock that `now` is of; None for no limit."""
    return None if slice_seconds is None else now + slice_seconds


def latest_end(
    now: float, deadline: float, spec: Spec, timing: Timing | None, settings: QueueSettings
) -> float | None:
    """When an attempt that starts now has to stop for a checkpoint; None: it could not progress before.

    now, deadline and what comes back are of one clock, which nobody sets (`settings.clock.steady`).
    A sliced job progresses once it has loaded, done what it does at once (a step, or one round of simulators)
    and saved it; any other job by ending. Without measurements nothing is known but the default margin.
    """
    if timing is None:
        margin, needed = settings.deadline_margin_seconds, 0.0
    else:
        margin = _MARGIN_FLOOR_SECONDS + SAVE_SAFETY * timing.save + timing.step * spec.at_once
        sliced = spec.time_slice is not None
        needed = timing.load + timing.step * spec.at_once if sliced else timing.whole
    end = deadline - settings.hand_over_seconds - margin
    return end if now + needed < end else None
