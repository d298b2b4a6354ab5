"""How much longer an ablation takes: a range, and what it does not cover.

The range is that of list scheduling (Graham, Bounds on multiprocessing timing anomalies, SIAM J. Appl. Math.
17, 1969): work W on m workers with a longest chain L ends no sooner than max(W / m, L) and, as no worker
idles while something is ready, no later than W / m + L.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import quantiles

from db.progress import OpenWork

#: With fewer attempts of a kind than this, their spread says nothing; the pace is taken as known within 2.
_FEW = 4
_SPREAD_OF_FEW = 2.0

#: Shares of attempts that are quicker than the low and than the high pace.
_LOW_DECILE, _HIGH_DECILE = 0, 8


@dataclass(frozen=True)
class TimeLeft:
    """Seconds; None without workers. `untimed`: kinds that never ran, which the range does not contain."""

    low_seconds: float | None
    high_seconds: float | None
    untimed: tuple[str, ...]


def time_left(
    work: Sequence[OpenWork], paces: Mapping[str, Sequence[float]], workers: Mapping[str, int]
) -> TimeLeft:
    """The range for `work`.

    paces: seconds per step of earlier attempts by kind. workers: how many take jobs of a resource; one worker
    may count for both.
    """
    untimed = tuple(sorted({part.kind for part in work if not paces.get(part.kind)}))
    timed = [part for part in work if paces.get(part.kind)]
    if any(not workers.get(part.resource) for part in work):
        return TimeLeft(None, None, untimed)
    low_work: dict[str, float] = {}
    high_total = low_chain = 0.0
    for part in timed:
        low, high = pace_range(paces[part.kind])
        low_work[part.resource] = low_work.get(part.resource, 0.0) + low * part.steps
        high_total += high * (part.steps / workers[part.resource] + part.longest)
        low_chain = max(low_chain, low * part.longest)
    low_total = max((seconds / workers[resource] for resource, seconds in low_work.items()), default=0.0)
    return TimeLeft(max(low_total, low_chain), high_total, untimed)


def pace_range(seconds_per_step: Sequence[float]) -> tuple[float, float]:
    """The range that holds four of five attempts; of few attempts, all of them and twice as much room."""
    if len(seconds_per_step) < _FEW:
        return min(seconds_per_step) / _SPREAD_OF_FEW, max(seconds_per_step) * _SPREAD_OF_FEW
    deciles = quantiles(seconds_per_step, n=10, method="inclusive")
    return deciles[_LOW_DECILE], deciles[_HIGH_DECILE]
