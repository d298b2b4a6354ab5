"""What trained models say about the methods that trained them: the unit is the seed, one number for each model.

Sequences tell how good given weights are, never how good another seed's would be, so whatever speaks of a method is
computed of one number for each trained model: differences by Welch's t (Welch 1947), unpaired, as seeds of one number
are not alike in success, with difference, interval and p from one object of scipy; losses, which are alike, paired by
seed. Where nothing varies, or one seed says nothing of others, there is a difference and neither interval nor p.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import fmean, stdev

import numpy as np
from numpy.typing import NDArray

from reports.level import ALPHA

#: With fewer seeds in an arm, p is wrong where arms scatter unequally.
FEWEST_RELIABLE = 3

ONE_SEED = "an arm has one seed"
NO_SPREAD = "all seeds are alike"

Interval = tuple[float, float]


@dataclass(frozen=True)
class MethodDifference:
    """Mean of arm b minus mean of arm a, in the measure's unit, over `seeds` trained models of a and of b.

    interval: 95 %. interval and p_value are None together; `reason` then says why, and is empty otherwise.
    degrees: of freedom of the t that both are of.
    """

    delta: float
    interval: Interval | None
    p_value: float | None
    degrees: float | None
    seeds: tuple[int, int]
    reason: str = ""

    @property
    def is_reliable(self) -> bool:
        """Whether p holds also where the arms scatter unequally."""
        return self.p_value is not None and min(self.seeds) >= FEWEST_RELIABLE


@dataclass(frozen=True)
class WelchTests:
    """Of many comparisons at once, an array each; NaN where an arm has one seed, or nothing varies."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    p_value: NDArray[np.float64]
    degrees: NDArray[np.float64]


def welch_tests(a: NDArray[np.float64], b: NDArray[np.float64]) -> WelchTests:
    """Welch's t and 95 % interval of b minus a, for each column; a, b: (trained models of the arm, comparisons)."""
    if min(len(a), len(b)) < 2:
        return WelchTests(*(np.full(a.shape[1], np.nan) for _ in range(4)))
    from scipy import stats  # on use: plans take the rules of looks, and it takes longer than planning

    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", RuntimeWarning
        )  # of arms without scatter; where both are, nothing is told
        test = stats.ttest_ind(b, a, axis=0, equal_var=False)
        bounds = test.confidence_interval(1 - ALPHA)
    nothing = ~(vary(a) | vary(b)) | ~(bounds.low < bounds.high)
    found = (bounds.low, bounds.high, test.pvalue, test.df)
    return WelchTests(*(np.where(nothing, np.nan, values) for values in found))


def welch(a: Sequence[float], b: Sequence[float]) -> MethodDifference:
    """Difference of two methods; `a`, `b`: one number for each trained model of an arm, at least one each.

    Raises ValueError without numbers.
    """
    delta, seeds = fmean(b) - fmean(a), (len(a), len(b))
    found = welch_tests(np.array(a, dtype=float)[:, None], np.array(b, dtype=float)[:, None])
    low, high, p_value, degrees = (
        float(values[0]) for values in (found.low, found.high, found.p_value, found.degrees)
    )
    if isfinite(p_value):
        return MethodDifference(delta, (low, high), p_value, degrees, seeds)
    return MethodDifference(delta, None, None, None, seeds, ONE_SEED if min(seeds) < 2 else NO_SPREAD)


def paired(a: Mapping[int, float], b: Mapping[int, float]) -> MethodDifference | None:
    """Difference of two methods in a loss, over the seeds that both have; None where they share none.

    a, b: from seed to the number of its model. Only for what seeds of one number share, such as losses on the same
    frames after the same batches.
    """
    shared = sorted(a.keys() & b.keys())
    if not shared:
        return None
    first, second = [a[seed] for seed in shared], [b[seed] for seed in shared]
    differences = [y - x for x, y in zip(first, second, strict=True)]
    delta, seeds = fmean(differences), (len(shared), len(shared))
    if len(shared) < 2:
        return MethodDifference(delta, None, None, None, seeds, ONE_SEED)
    if not _varies(differences):
        return MethodDifference(delta, None, None, None, seeds, NO_SPREAD)
    from scipy import stats

    test = stats.ttest_rel(second, first)
    bounds = test.confidence_interval(1 - ALPHA)
    interval = float(bounds.low), float(bounds.high)
    return MethodDifference(delta, interval, float(test.pvalue), float(test.df), seeds)


def spread(values: Sequence[float]) -> float | None:
    """Standard deviation between trained models; None of a single one."""
    return stdev(values) if len(values) > 1 else None


def holm_decisions(p_values: Sequence[float | None], alpha: float = ALPHA) -> list[bool | None]:
    """Whether each hypothesis of one family is rejected at `alpha` together with the others (Holm 1979).

    None for those without p; they count in no correction, as nothing was tested.
    """
    tested = [p for p in p_values if p is not None]
    if not tested:
        return [None] * len(p_values)
    from statsmodels.stats.multitest import multipletests  # on use, as scipy.stats above

    rejected = iter(multipletests(tested, alpha=alpha, method="holm")[0])
    return [None if p is None else bool(next(rejected)) for p in p_values]


def _varies(values: Sequence[float] | NDArray[np.float64]) -> bool:
    return bool(vary(np.asarray(values, dtype=float)[:, None])[0])


def vary(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether each column does, by more than rounding: means of the same results in another order may differ in their
    last bits."""
    scale = np.maximum(1.0, np.abs(values).max(axis=0))
    found: NDArray[np.bool_] = np.ptp(values, axis=0) > 1e-12 * scale
    return found
