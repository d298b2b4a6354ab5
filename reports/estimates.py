"""What an arm's results say by themselves: each seed's figures, their mean and scatter, and an interval that says what
it is of."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from reports.arm_intervals import FEWEST_CROSSED, method_intervals
from reports.methods import Interval, spread
from reports.statistics import mean_interval, success_intervals

#: What an interval is of: given weights on other sequences; a method on the sequences that were played; a method on
#: other sequences too.
IntervalOf = Literal["weights", "method on these sequences", "method"]
WEIGHTS: IntervalOf = "weights"
METHOD_HERE: IntervalOf = "method on these sequences"
METHOD: IntervalOf = "method"


@dataclass(frozen=True)
class Estimate:
    """One measure of an arm. of_seeds: each trained model's figure, in the order of seeds; value: their mean; spread:
    standard deviation between them, None of one. interval: 95 %, None where nothing varies."""

    value: float
    of_seeds: tuple[float, ...]
    spread: float | None
    interval: Interval | None


@dataclass(frozen=True)
class Estimates:
    """`shares`: of sequences with at least k, k = 1..ceiling; `mean`: of the results. `interval_of`: what all intervals
    are of."""

    shares: tuple[Estimate, ...]
    mean: Estimate
    interval_of: IntervalOf

    @property
    def measures(self) -> tuple[Estimate, ...]:
        """In the order of the metric's columns."""
        return (*self.shares, self.mean)


def interval_of(seeds: int) -> IntervalOf:
    """What the interval of an arm with so many seeds can be of."""
    if seeds < 2:
        return WEIGHTS
    return METHOD if seeds >= FEWEST_CROSSED else METHOD_HERE


def estimates(results: NDArray[np.int64], ceiling: int) -> Estimates:
    """Of results 0..ceiling of an arm, (seeds, sequences), at least one of each."""
    which = interval_of(len(results))
    shares = []
    of_weights = success_intervals(results, ceiling) if which == WEIGHTS else []
    for level in range(1, ceiling + 1):
        values = (results >= level).astype(np.float64)
        shares.append(_estimate(values, of_weights[level - 1] if of_weights else _interval(values, 1.0)))
    values = results.astype(np.float64)
    of_mean = mean_interval(results) if which == WEIGHTS else _interval(values, float(ceiling))
    return Estimates(tuple(shares), _estimate(values, of_mean), which)


def _estimate(values: NDArray[np.float64], interval: Interval | None) -> Estimate:
    of_seeds = tuple(float(mean) for mean in values.mean(axis=1))
    return Estimate(float(values.mean()), of_seeds, spread(of_seeds), interval)


def _interval(values: NDArray[np.float64], most: float) -> Interval | None:
    low, high = (float(end) for end in method_intervals(values, most))
    return (low, high) if isfinite(low) else None
