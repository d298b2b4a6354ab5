"""Intervals of a share of independent trials: closed formulas, for which nobody waits until statsmodels is loaded."""

from __future__ import annotations

from math import sqrt

from scipy import special

from reports.level import ALPHA
from reports.methods import Interval


def agresti_coull(successes: float, trials: int) -> Interval:
    """95 % interval of successes / trials, within 0..1 (Agresti and Coull 1998). trials: one at least."""
    sure = _quantile()
    more = trials + sure**2
    middle = (successes + sure**2 / 2.0) / more
    half = sure * sqrt(middle * (1.0 - middle) / more)
    return max(0.0, middle - half), min(1.0, middle + half)


def wilson(successes: float, trials: int) -> Interval:
    """95 % interval of successes / trials, within 0..1 (Wilson 1927). trials: one at least."""
    share, sure = successes / trials, _quantile()
    widened = 1 + sure**2 / trials
    middle = (share + sure**2 / (2 * trials)) / widened
    half = sure * sqrt(share * (1.0 - share) / trials + sure**2 / (4.0 * trials**2)) / widened
    return max(0.0, middle - half), min(1.0, middle + half)


def _quantile() -> float:
    return -float(special.ndtri(ALPHA / 2))
