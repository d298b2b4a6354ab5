"""What an evaluation that is under way says so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from calvin.sequences import CHAIN_LENGTH
from errors import InvalidInput
from reports.statistics import Interval, result_matrix, success_intervals, success_rates


@dataclass(frozen=True)
class RunningEstimate:
    """What `sequences` finished sequences say so far: success at 1 and at 5, and average length."""

    sequences: int
    success1: float
    success1_ci95: Interval
    success5: float
    success5_ci95: Interval
    avg_len: float
    avg_len_ci95: Interval


def running_estimate(results: Sequence[int]) -> RunningEstimate:
    """Wilson intervals of the rates, Student's of the length: quick enough to ask after every sequence.

    Raises InvalidInput without results. One sequence has the interval 0 to 5.
    """
    matrix = result_matrix([results], CHAIN_LENGTH)
    if not matrix.size:
        raise InvalidInput("there are no sequence results to estimate from")
    rates, intervals = success_rates(matrix, CHAIN_LENGTH), success_intervals(matrix, CHAIN_LENGTH)
    mean, error = float(matrix.mean()), float(stats.sem(matrix[0])) if matrix.size > 1 else np.inf
    half = float(stats.t.ppf(0.975, max(1, matrix.size - 1))) * error
    length = (max(0.0, mean - half), min(float(CHAIN_LENGTH), mean + half))
    return RunningEstimate(matrix.size, rates[0], intervals[0], rates[-1], intervals[-1], mean, length)
