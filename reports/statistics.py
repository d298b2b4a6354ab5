"""Intervals and tests for results of sequences: success rates, means, paired comparisons.

Computed by scipy and statsmodels; here is only what is asked of them. `results` are integers 0..ceiling
(`reports.metric`), as an array (seeds, sequences); all arms are evaluated on the same sequences, so comparisons are
paired. Random draws come from a fixed seed: the same results give the same report.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from errors import InvalidInput

BOOTSTRAP_DRAWS = 10_000
SIGN_FLIPS = 20_000
_SEED = 20_25
#: Numbers held in memory at once while drawing.
_BATCH_NUMBERS = 1_000_000

Interval = tuple[float, float]


@dataclass(frozen=True)
class Difference:
    """Mean of paired differences in one measure, and the chance of one so far from 0 if there were none.

    `p_value_holm` is `p_value` corrected for the number of pairs of arms that were compared in this measure.
    """

    delta: float
    ci95: Interval
    p_value: float
    p_value_holm: float


@dataclass(frozen=True)
class Comparison:
    """Arm `b` minus arm `a` on the same sequences and seeds.

    `success`: results of at least k, k = 1..ceiling (exact McNemar with one seed, sign flips over sequences with
    more). `mean`: of the results (sign flips). Empty and None when the arms share no seed or no sequences.
    """

    a: str
    b: str
    seeds: int
    sequences: int
    success: tuple[Difference, ...] = ()
    mean: Difference | None = None


def result_matrix(results_by_seed: Sequence[Sequence[int]], ceiling: int) -> NDArray[np.int64]:
    """(seeds, sequences) array. Raises InvalidInput for ragged rows or values outside 0..ceiling."""
    if len({len(row) for row in results_by_seed}) > 1:
        raise InvalidInput(
            f"runs of one arm have different sequence counts: {[len(r) for r in results_by_seed]}"
        )
    matrix = np.asarray(results_by_seed, dtype=np.int64).reshape(len(results_by_seed), -1)
    if matrix.size and not (matrix.min() >= 0 and matrix.max() <= ceiling):
        raise InvalidInput(f"sequence results must be 0..{ceiling}, found {matrix.min()}..{matrix.max()}")
    return matrix


def success_rates(results: NDArray[np.int64], ceiling: int) -> list[float]:
    """Share of sequences with a result of at least k, k = 1..ceiling, over all seeds."""
    return [float((results >= k).mean()) for k in range(1, ceiling + 1)]


def success_intervals(results: NDArray[np.int64], ceiling: int) -> list[Interval]:
    """95 % Wilson interval of each success rate (Wilson 1927); each seed and sequence is one trial."""
    intervals = []
    for k in range(1, ceiling + 1):
        low, high = proportion_confint(int((results >= k).sum()), results.size, alpha=0.05, method="wilson")
        intervals.append((float(low), float(high)))
    return intervals


def mean_interval(results: NDArray[np.int64]) -> Interval:
    """95 % percentile bootstrap of the mean, seeds and sequences drawn anew (two-way, Owen 2007)."""
    return _bootstrap_mean(results.astype(np.float64))


def compare(
    a: str, b: str, results_a: dict[int, Sequence[int]], results_b: dict[int, Sequence[int]], ceiling: int
) -> Comparison:
    """Compare two arms; `results_*` map seed to that run's results (0..ceiling) over the same sequences."""
    seeds = sorted(set(results_a) & set(results_b))
    if not seeds:
        return Comparison(a, b, 0, 0)
    matrix_a = result_matrix([results_a[seed] for seed in seeds], ceiling)
    matrix_b = result_matrix([results_b[seed] for seed in seeds], ceiling)
    if matrix_a.shape != matrix_b.shape or matrix_a.size == 0:
        return Comparison(a, b, len(seeds), 0)
    success = tuple(
        _difference((matrix_b >= k).astype(np.float64) - (matrix_a >= k), binary=True)
        for k in range(1, ceiling + 1)
    )
    mean = _difference((matrix_b - matrix_a).astype(np.float64), binary=False)
    return Comparison(a, b, len(seeds), matrix_a.shape[1], success, mean)


def corrected(comparisons: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """Each `p_value_holm` over all these pairs of arms, every measure by itself (Holm 1979)."""
    found = [(*c.success, c.mean) for c in comparisons if c.mean is not None]
    columns = [holm([difference.p_value for difference in column]) for column in zip(*found, strict=True)]
    by_pair = zip(*columns, strict=True)
    return tuple(
        comparison if comparison.mean is None else _with_holm(comparison, comparison.mean, next(by_pair))
        for comparison in comparisons
    )


def _with_holm(comparison: Comparison, mean: Difference, p_values: Sequence[float]) -> Comparison:
    *success, last = (
        replace(difference, p_value_holm=p)
        for difference, p in zip((*comparison.success, mean), p_values, strict=True)
    )
    return replace(comparison, success=tuple(success), mean=last)


def _difference(values: NDArray[np.float64], *, binary: bool) -> Difference:
    """Of paired differences (seeds, sequences); as long as no other pair is compared, nothing is corrected."""
    p_value = paired_test(values) if binary else sign_flip(values.mean(axis=0))
    return Difference(float(values.mean()), _bootstrap_mean(values), p_value, p_value)


def against_random(results: NDArray[np.int64], random_results: Sequence[int]) -> float | None:
    """p-value of the difference in the first share between `results` (seeds, sequences) and random actions, paired by
    sequence; None when the sequences are not the same number."""
    chance = np.asarray(random_results)
    if results.shape[1] != len(chance):
        return None
    differences = (results >= 1).astype(np.float64) - (chance >= 1)
    return paired_test(differences)


def paired_test(differences: NDArray[np.float64]) -> float:
    """p-value of differences of -1, 0 or 1 (seeds, sequences): exact McNemar, or sign flips with several seeds."""
    return mcnemar_exact(differences[0]) if len(differences) == 1 else sign_flip(differences.mean(axis=0))


def mcnemar_exact(differences: NDArray[np.float64]) -> float:
    """Two-sided exact McNemar test on paired differences of -1, 0 or 1; 1.0 when no pair differs."""
    gained, lost = int((differences > 0).sum()), int((differences < 0).sum())
    return float(stats.binomtest(gained, gained + lost, 0.5).pvalue) if gained + lost else 1.0


def sign_flip(differences: NDArray[np.float64]) -> float:
    """Two-sided Monte-Carlo sign-flip test that paired differences are symmetric about 0.

    Counts the observed arrangement as one of the draws, so it is never 0 (Phipson & Smyth 2010).
    """
    differences = differences[differences != 0]  # their signs change nothing
    if differences.size < 2:
        return 1.0  # either sign of a single pair is as far from 0
    found = stats.permutation_test(
        (differences,),
        lambda values, axis: values.mean(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=SIGN_FLIPS,
        batch=1000,
        random_state=np.random.default_rng(_SEED),
    )
    return float(found.pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction."""
    return [float(p) for p in multipletests(p_values, method="holm")[1]] if p_values else []


def _bootstrap_mean(values: NDArray[np.float64]) -> Interval:
    """95 % percentile interval of the mean of (seeds, sequences), both drawn with replacement.

    What is drawn are the numbers of seeds and of sequences, independently: a sequence is the same for every
    seed. A single seed, or sequence, is not drawn.
    """
    drawn = [np.arange(count) for count in values.shape if count > 1]
    if not drawn or (values == values[0, 0]).all():
        return float(values.mean()), float(values.mean())

    def mean(*numbers: NDArray[np.int64], axis: int) -> NDArray[np.float64]:
        rows = numbers[0] if values.shape[0] > 1 else np.zeros((1, 1), dtype=np.int64)
        columns = numbers[-1] if values.shape[1] > 1 else np.zeros((1, 1), dtype=np.int64)
        picked: NDArray[np.float64] = values[rows[..., :, None], columns[..., None, :]].mean(axis=(-2, -1))
        return picked

    found = stats.bootstrap(
        drawn,
        mean,
        n_resamples=BOOTSTRAP_DRAWS,
        batch=max(1, _BATCH_NUMBERS // values.size),
        vectorized=True,
        method="percentile",
        random_state=np.random.default_rng(_SEED),
    ).confidence_interval
    return float(found.low), float(found.high)
