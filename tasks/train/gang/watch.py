"""Whether ranks stand still: no step for much longer than steps take. Nothing here reads a clock.

A rank that is frozen (a stopped process, a device that hangs, a lost driver) keeps all others waiting, and each of them
looks alive. Loading, checkpoints and measuring are no steps and have bounds of their own, which the ranks tell with the
stage. Time counts only as often as somebody looked: where the attempt itself was stopped, or the whole machine, the
ranks had no time either.
"""

from __future__ import annotations

from collections import deque
from statistics import median

from tasks.train.gang.words import LOADING, STEPPING

#: A step may take the larger of these: seconds, and times the median of those before.
LEAST_SECONDS, TIMES = 20.0, 20.0
#: The most that counts between two looks.
_LONGEST_LOOK = 2.0
#: Steps whose median counts.
_REMEMBERED = 101


class Watch:
    """Of one attempt's ranks. bound: seconds until the first stage is told."""

    def __init__(self, now: float, bound: float) -> None:
        self._looked = now
        self._silent = 0.0
        self._stage, self._bound = LOADING, bound
        self._steps: deque[float] = deque(maxlen=_REMEMBERED)

    def stage(self, name: str, bound: float) -> None:
        """The ranks have begun with something else, which takes `bound` seconds at most; steps are judged by those
        before, and the first by `bound`."""
        self._stage, self._bound, self._silent = name, bound, 0.0

    def step(self, seconds: float) -> None:
        """A step is done, which took so long."""
        self._steps.append(seconds)
        self._silent = 0.0

    def allowed(self) -> float:
        """Seconds of silence that are none to worry about."""
        if self._stage == STEPPING and self._steps:
            return max(LEAST_SECONDS, TIMES * median(self._steps))
        return self._bound

    def look(self, now: float) -> str | None:
        """Why the attempt has to end, in words; None where it has not."""
        self._silent += min(max(0.0, now - self._looked), _LONGEST_LOOK)
        self._looked = now
        allowed = self.allowed()
        if self._silent <= allowed:
            return None
        if self._stage != STEPPING:
            return f"ranks stand still while {self._stage}: nothing for {self._silent:.0f} s, {allowed:.0f} s at most"
        usual = f", a step takes {median(self._steps):.3g} s" if self._steps else ""
        return f"ranks stand still: no step for {self._silent:.0f} s{usual}"
