"""At which p an arm may be called different at every look, so that all looks together err no more than one test would.

One nominal p for all looks (Pocock 1977), on the scale of significance levels, which carries over to a t whose degrees
of freedom grow (Jennison and Turnbull 2000, chapter 4); and that p such that, where two arms are the same, Welch's t
over the first k models of each is below it at any look in at most alpha divided by the number of comparisons. By
simulation of normal models, with draws that never change: the same design has the same bounds.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

from reports.level import ALPHA

#: Seeds of an arm at the first look: with two, p cannot be relied on.
FIRST_LOOK = 3
#: Seeds of an arm at the last look; nobody trains more.
MOST_LOOKED_AT = 50
#: More comparisons divide alpha further than so many draws tell.
MOST_COMPARISONS = 50

_DRAWS = 200_000
_PART = 20_000
_SEED = 20_26
#: In standard errors of the simulation, on the safe side.
_SAFE = 2.0
#: Above it no p is within reach of a bound.
_LEAST_T = 1.9


@cache
def looks_bounds(most: int, comparisons: int) -> tuple[float, ...]:
    """The p at or below which an arm is different, for looks at FIRST_LOOK to `most` seeds."""
    chance = np.random.default_rng(_SEED)
    least = np.concatenate([_least_p(chance, most) for _ in range(_DRAWS // _PART)])
    errors = ALPHA / comparisons * _DRAWS
    bound = float(np.sort(least)[int(errors - _SAFE * np.sqrt(errors))])
    return (min(bound, ALPHA / comparisons),) * (most - FIRST_LOOK + 1)


def _least_p(chance: np.random.Generator, most: int) -> NDArray[np.float64]:
    """The smallest p over all looks, of _PART comparisons of a method with itself; 1 where none is near a bound."""
    a, b = chance.standard_normal((2, most, _PART))
    least = np.ones(_PART)
    sums = np.zeros((4, _PART))
    for seeds, (x, y) in enumerate(zip(a, b), start=1):
        sums += x, x * x, y, y * y
        if seeds < FIRST_LOOK:
            continue
        of_a, of_b = ((sums[i + 1] - sums[i] ** 2 / seeds) / (seeds - 1) / seeds for i in (0, 2))
        t = np.abs(sums[0] - sums[2]) / seeds / np.sqrt(of_a + of_b)
        near = t > _LEAST_T
        of_a, of_b = of_a[near], of_b[near]
        freedom = (of_a + of_b) ** 2 / ((of_a**2 + of_b**2) / (seeds - 1))
        least[near] = np.minimum(least[near], 2 * special.stdtr(freedom, -t[near]))
    return least
