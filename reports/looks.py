"""What it costs to add seeds after results were seen: every look is another chance to call equal methods different."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from reports.level import ALPHA
from reports.methods import welch_tests

#: Simulated ablations; the standard error of the share is at most 0.4 points.
_DRAWS = 15_000
_SEED = 20_26
#: Of an arm; more change the share by less than its error.
_MOST_SEEDS = 60

Seeds = tuple[int, int]


def looks_before(earlier: Sequence[Seeds], now: Seeds) -> tuple[Seeds, ...]:
    """Looks at a pair of arms that could have ended it otherwise: earlier numbers of seeds, each once, with two in each
    arm at least and fewer in all than `now`, in their order."""
    found = (seeds for seeds in dict.fromkeys(earlier) if min(seeds) >= 2 and sum(seeds) < sum(now))
    return tuple(sorted(found, key=sum))


@cache
def error_of_looks(looks: tuple[Seeds, ...]) -> float:
    """Chance that one of several looks at growing numbers of seeds gives p below 0.05 though the methods are the same:
    Welch's t at each, normal results with equal scatter, by simulation from a fixed seed."""
    random = np.random.default_rng(_SEED)
    most = [min(_MOST_SEEDS, max(seeds[arm] for seeds in looks)) for arm in (0, 1)]
    a, b = (random.standard_normal((count, _DRAWS)) for count in most)
    called: NDArray[np.bool_] = np.zeros(_DRAWS, dtype=bool)
    for of_a, of_b in looks:
        called |= welch_tests(a[:of_a], b[:of_b]).p_value < ALPHA
    return float(called.mean())
