"""What trained models say about the methods that trained them: the unit is the seed, one number for each model.

Sequences tell how good given weights are, never how good another seed's would be, so whatever speaks of a method is
computed of one number for each trained model: differences by Welch's t (Welch 1947), unpaired, as seeds of one number
are not alike in success, with difference, interval and p from one object of scipy; losses, which are alike, paired by
seed. Where nothing varies, or one seed says nothing of others, there is a difference and neither interval nor p.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, sqrt
from statistics import fmean, stdev
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.multitest import multipletests

ALPHA = 0.05

#: With fewer seeds in an arm, p is wrong where arms scatter unequally.
FEWEST_RELIABLE = 3

#: From so many seeds on an arm's interval speaks of other sequences too.
FEWEST_CROSSED = 5

ONE_SEED = "an arm has one seed"
NO_SPREAD = "results of its seeds do not differ"

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


def welch(a: Sequence[float], b: Sequence[float]) -> MethodDifference:
    """Difference of two methods; `a`, `b`: one number for each trained model of an arm, at least one each.

    Raises ValueError without numbers.
    """
    delta, seeds = fmean(b) - fmean(a), (len(a), len(b))
    if min(seeds) < 2:
        return MethodDifference(delta, None, None, None, seeds, ONE_SEED)
    if not (_varies(a) or _varies(b)):
        return MethodDifference(delta, None, None, None, seeds, NO_SPREAD)
    return _of_scipy(delta, stats.ttest_ind(b, a, equal_var=False), seeds)


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
    return _of_scipy(delta, stats.ttest_rel(second, first), seeds)


def spread(values: Sequence[float]) -> float | None:
    """Standard deviation between trained models; None of a single one."""
    return stdev(values) if len(values) > 1 else None


def t_interval(values: Sequence[float]) -> Interval | None:
    """95 % interval of a method's mean on the sequences that were played; `values`: one number for each trained model.

    None of a single model, and where nothing varies.
    """
    if len(values) < 2 or not _varies(values):
        return None
    half = float(stats.t.ppf(1 - ALPHA / 2, len(values) - 1)) * stdev(values) / sqrt(len(values))
    return fmean(values) - half, fmean(values) + half


def crossed_interval(values: NDArray[np.float64]) -> Interval | None:
    """95 % interval of a method's mean over other seeds and other sequences; `values`: (seeds, sequences).

    Mean squares of a crossed layout with random seeds and sequences, degrees of freedom after Satterthwaite (1946).
    Sequences that differ less than their cells do count as not differing. None of a single seed or sequence, and where
    the means of seeds do not vary.
    """
    seeds, sequences = values.shape
    means = values.mean(axis=1)
    if min(seeds, sequences) < 2 or not _varies(means):
        return None
    mean, of_sequences = float(values.mean()), values.mean(axis=0)
    square_seeds = sequences * float(((means - mean) ** 2).sum()) / (seeds - 1)
    square_sequences = seeds * float(((of_sequences - mean) ** 2).sum()) / (sequences - 1)
    rest = values - means[:, None] - of_sequences[None, :] + mean
    square_cells = float((rest**2).sum()) / ((seeds - 1) * (sequences - 1))
    parts = [(square_seeds, seeds - 1)]
    if square_sequences > square_cells:
        parts += [(square_sequences, sequences - 1), (-square_cells, (seeds - 1) * (sequences - 1))]
    total = sum(square for square, _ in parts)
    degrees = total**2 / sum(square**2 / freedom for square, freedom in parts)
    half = float(stats.t.ppf(1 - ALPHA / 2, degrees)) * sqrt(total / (seeds * sequences))
    return mean - half, mean + half


def holm_decisions(p_values: Sequence[float | None], alpha: float = ALPHA) -> list[bool | None]:
    """Whether each hypothesis of one family is rejected at `alpha` together with the others (Holm 1979).

    None for those without p; they count in no correction, as nothing was tested.
    """
    tested = [p for p in p_values if p is not None]
    rejected = iter(multipletests(tested, alpha=alpha, method="holm")[0] if tested else ())
    return [None if p is None else bool(next(rejected)) for p in p_values]


def _of_scipy(delta: float, test: Any, seeds: tuple[int, int]) -> MethodDifference:
    """Interval and p of one test of scipy; neither where rounding alone makes numbers differ."""
    bounds = test.confidence_interval(1 - ALPHA)
    low, high, p_value = float(bounds.low), float(bounds.high), float(test.pvalue)
    if not all(map(isfinite, (low, high, p_value))) or low >= high:
        return MethodDifference(delta, None, None, None, seeds, NO_SPREAD)
    return MethodDifference(delta, (low, high), p_value, float(test.df), seeds)


def _varies(values: Sequence[float] | NDArray[np.float64]) -> bool:
    """More than rounding: means of the same results in another order may differ in their last bits."""
    scale = max(abs(float(value)) for value in values)
    return float(max(values)) - float(min(values)) > 1e-12 * max(1.0, scale)
