"""Intervals and tests over sequences: what they say of given weights, and of no other seed's (`reports.methods` does).

Computed by scipy and statsmodels; here is only what is asked of them. `results` are integers 0..ceiling
(`reports.metric`), as an array (seeds, sequences); all arms are evaluated on the same sequences, so comparisons are
paired. Random draws come from a fixed seed: the same results give the same report. Where nothing varies there is no
interval and no p: neither would say anything of what comes next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from errors import InvalidInput
from reports.methods import Interval

BOOTSTRAP_DRAWS = 10_000
_SEED = 20_25
#: Numbers held in memory at once while drawing.
_BATCH_NUMBERS = 1_000_000


@dataclass(frozen=True)
class Difference:
    """Mean of paired differences in one measure, and the chance of one so far from 0 for these weights if sequences
    made all of it. ci95, p_value: None where no pair differs."""

    delta: float
    ci95: Interval | None
    p_value: float | None


@dataclass(frozen=True)
class Comparison:
    """Weights of arm `b` minus those of arm `a` on the same sequences and seeds.

    `success`: results of at least k, k = 1..ceiling; `mean`: of the results. Each by exact sign flips over sequences,
    which for shares of one seed are McNemar's exact test. Empty and None when the arms share no seed or no sequences.
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
    """95 % interval of each success rate; each seed and sequence is one trial.

    Agresti and Coull (1998): Wilson's with its middle, and no narrower. Wilson's holds a rate of one in a thousand in
    88 % of cases only, where one success is all there is.
    """
    from statsmodels.stats.proportion import (
        proportion_confint,  # a plan takes this module and never asks for them
    )

    intervals = []
    for k in range(1, ceiling + 1):
        low, high = proportion_confint(
            int((results >= k).sum()), results.size, alpha=0.05, method="agresti_coull"
        )
        intervals.append((float(low), float(high)))
    return intervals


def mean_interval(results: NDArray[np.int64]) -> Interval | None:
    """95 % percentile bootstrap of the mean, seeds and sequences drawn anew (two-way, Owen 2007); None where all
    results are equal."""
    return _bootstrap_mean(results.astype(np.float64))


def compare(
    a: str, b: str, results_a: dict[int, Sequence[int]], results_b: dict[int, Sequence[int]], ceiling: int
) -> Comparison:
    """Compare the weights of two arms; `results_*` map seed to that run's results (0..ceiling) over the same sequences.

    Seeds that both have; two arms of one seed each are compared whichever seeds these are.
    """
    seeds = [(seed, seed) for seed in sorted(set(results_a) & set(results_b))]
    if len(results_a) == len(results_b) == 1:
        seeds = [(next(iter(results_a)), next(iter(results_b)))]
    if not seeds:
        return Comparison(a, b, 0, 0)
    matrix_a = result_matrix([results_a[seed] for seed, _ in seeds], ceiling)
    matrix_b = result_matrix([results_b[seed] for _, seed in seeds], ceiling)
    if matrix_a.shape != matrix_b.shape or matrix_a.size == 0:
        return Comparison(a, b, len(seeds), 0)
    success = tuple(
        _difference((matrix_b >= k).astype(np.int64) - (matrix_a >= k), of_shares=True)
        for k in range(1, ceiling + 1)
    )
    mean = _difference(matrix_b - matrix_a, of_shares=False)
    return Comparison(a, b, len(seeds), matrix_a.shape[1], success, mean)


def _difference(values: NDArray[np.int64], *, of_shares: bool) -> Difference:
    """Of paired differences (seeds, sequences)."""
    floats = values.astype(np.float64)
    ci95 = _paired_shares(values[0]) if of_shares and len(values) == 1 else _bootstrap_mean(floats)
    return Difference(float(floats.mean()), ci95, sign_flip(values.sum(axis=0)))


def _paired_shares(differences: NDArray[np.int64]) -> Interval | None:
    """95 % interval of the difference of two shares on the same sequences, of -1, 0 and 1; None where all are equal.

    Bonett and Price (2012): Wald's with one pair more for each side. What is drawn from one pair that differs, as a
    bootstrap does, never differs the other way.
    """
    if (differences == differences[0]).all():
        return None
    pairs = len(differences) + 2
    more, less = (int((differences == sign).sum() + 1) / pairs for sign in (1, -1))
    half = float(stats.norm.ppf(0.975)) * sqrt((more + less - (more - less) ** 2) / pairs)
    return max(-1.0, more - less - half), min(1.0, more - less + half)


def against_random(results: NDArray[np.int64], random_results: Sequence[int]) -> float | None:
    """p-value of the difference in the first share between these weights' `results` (seeds, sequences) and random
    actions, paired by sequence; None when the sequences are not the same number, or no pair differs."""
    chance = np.asarray(random_results)
    if results.shape[1] != len(chance):
        return None
    return sign_flip(((results >= 1).astype(np.int64) - (chance >= 1)).sum(axis=0))


def sign_flip(differences: NDArray[np.int64]) -> float | None:
    """Exact two-sided sign-flip test that paired whole-number differences are symmetric about 0; None where all are 0.

    Of all the ways to give them signs, the share whose sum is as far from 0 as theirs. With differences of -1, 0 and 1
    it is McNemar's exact test.
    """
    sizes = np.abs(differences[differences != 0])
    if not sizes.size:
        return None
    chances = np.ones(1)  # of each sum of those that are positive
    for size in sizes:
        more = np.zeros(len(chances) + int(size))
        more[: len(chances)] += chances / 2
        more[size:] += chances / 2
        chances = more
    sums = 2 * np.arange(len(chances)) - int(sizes.sum())
    return float(min(1.0, chances[np.abs(sums) >= abs(int(differences.sum()))].sum()))


def _bootstrap_mean(values: NDArray[np.float64]) -> Interval | None:
    """95 % percentile interval of the mean of (seeds, sequences), both drawn with replacement; None where all are
    equal.

    What is drawn are the numbers of seeds and of sequences, independently: a sequence is the same for every
    seed. A single seed, or sequence, is not drawn.
    """
    drawn = [np.arange(count) for count in values.shape if count > 1]
    if not drawn or (values == values[0, 0]).all():
        return None

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
    low, high = float(found.low), float(found.high)
    return (low, high) if low < high else None
