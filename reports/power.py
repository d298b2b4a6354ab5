"""How often Welch's t finds a difference of methods: power, seeds for a power, and the smallest difference found.

One number per trained model, normal, with the same standard deviation in both arms. Units are the measure's; `sd` is
that of one model's mean, which holds the seed and the sequences it was judged on (`reports.scatter`).

With equal scatter the pooled variance and the share of it that one arm has are independent, the share is Beta, and
Welch's degrees of freedom depend on the share alone. So the power is a mean of those of Student's t (noncentral t with
all degrees of freedom) over the share, each at its own critical value: no approximation but the quadrature. Of scipy
only `special` is asked, as every submission says what it finds and `stats` takes seconds to import.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

from errors import InvalidInput
from reports.level import ALPHA

#: Of an arm; nobody trains more.
MOST_SEEDS = 1000
_NODES = 64
#: Relative error of a difference.
_CLOSE = 1e-7


def power(difference: float, sd: float, seeds: tuple[int, int], alpha: float = ALPHA) -> float:
    """Chance that Welch's two-sided test at `alpha` finds a difference, with that many seeds in each arm.

    Raises InvalidInput for an arm with fewer than two seeds, which has no scatter, and for an `sd` that is not above 0.
    """
    a, b = seeds
    if min(seeds) < 2:
        raise InvalidInput("Welch's test needs two seeds in each arm")
    if not (sd > 0 and math.isfinite(sd) and math.isfinite(difference)):
        raise InvalidInput(f"the standard deviation must be above 0, it is {sd}")
    noncentrality = abs(difference) / (sd * math.sqrt(1 / a + 1 / b))
    critical, pooled, weights = _critical(a, b, alpha)
    edges = critical[:, None] * pooled[None, :]
    found = special.ndtr(noncentrality - edges) + special.ndtr(-noncentrality - edges)
    return float(min(1.0, weights @ found @ weights))


@cache
def _critical(
    a: int, b: int, alpha: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """What Student's t must exceed where Welch's test rejects, by node of the share of the variance; the pooled
    standard deviation over the true one, by node; and the weights of both kinds of node."""
    places, weights = np.polynomial.legendre.leggauss(_NODES)
    share = special.betaincinv((a - 1) / 2, (b - 1) / 2, (places + 1) / 2)  # of arm a in the sum of squares
    freedom = a + b - 2
    variance_a, variance_b = (
        share * freedom / (a - 1),
        (1 - share) * freedom / (b - 1),
    )  # of a pooled one of 1
    of_a, of_b = variance_a / a, variance_b / b
    welch = (of_a + of_b) ** 2 / (of_a**2 / (a - 1) + of_b**2 / (b - 1))
    ratio = np.sqrt((of_a + of_b) / (1 / a + 1 / b))
    pooled = np.sqrt(2 * special.gammaincinv(freedom / 2, (places + 1) / 2) / freedom)
    return -special.stdtrit(welch, alpha / 2) * ratio, pooled, weights / 2


def seeds_for(difference: float, sd: float, wanted: float, alpha: float = ALPHA) -> int | None:
    """Fewest seeds an arm with which `difference` is found with at least the power `wanted`; None: more than
    MOST_SEEDS."""
    if power(difference, sd, (MOST_SEEDS, MOST_SEEDS), alpha) < wanted:
        return None
    low, high = 1, 2
    while power(difference, sd, (high, high), alpha) < wanted:
        low, high = high, min(2 * high, MOST_SEEDS)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (
            (low, middle) if power(difference, sd, (middle, middle), alpha) >= wanted else (middle, high)
        )
    return high


def detectable(sd: float, seeds: tuple[int, int], wanted: float, alpha: float = ALPHA) -> float:
    """The smallest difference that is found with the power `wanted`. Raises InvalidInput as `power`."""
    low, high = 0.0, sd
    while power(high, sd, seeds, alpha) < wanted:
        low, high = high, 2 * high
    while high - low > _CLOSE * high:
        middle = (low + high) / 2
        low, high = (low, middle) if power(middle, sd, seeds, alpha) >= wanted else (middle, high)
    return high
