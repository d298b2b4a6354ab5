"""What an evaluation that is under way says so far, whenever one looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

from scipy import optimize, special

from calvin.sequences import CHAIN_LENGTH
from errors import InvalidInput
from reports.methods import Interval
from reports.statistics import result_matrix, success_rates

#: The truth is outside at some look in at most this share of evaluations.
_ERROR = 0.05


@dataclass(frozen=True)
class RunningEstimate:
    """What `sequences` finished sequences say so far of these weights: success at 1 and at 5, and average length.

    Their 95 % intervals hold at all looks together: who stops when he likes, errs as often as who waits.
    """

    sequences: int
    success1: float
    success1_ci95: Interval
    success5: float
    success5_ci95: Interval
    avg_len: float
    avg_len_ci95: Interval


def running_estimate(results: Sequence[int]) -> RunningEstimate:
    """Quick enough to ask after every sequence. Raises InvalidInput without results."""
    matrix = result_matrix([results], CHAIN_LENGTH)
    if not matrix.size:
        raise InvalidInput("there are no sequence results to estimate from")
    rates, count = success_rates(matrix, CHAIN_LENGTH), matrix.size
    low, high = anytime_interval(float(matrix.sum()) / CHAIN_LENGTH, count)
    return RunningEstimate(
        count,
        rates[0],
        anytime_interval(float((matrix >= 1).sum()), count),
        rates[-1],
        anytime_interval(float((matrix >= CHAIN_LENGTH).sum()), count),
        float(matrix.mean()),
        (CHAIN_LENGTH * low, CHAIN_LENGTH * high),
    )


def anytime_interval(total: float, count: int) -> Interval:
    """Of the mean of numbers between 0 and 1, `count` of which sum up to `total`; valid at any number of looks.

    The means against which a mixture of bets, with a Beta(1/2, 1/2) over the other mean, has not won 20 to 1 (Robbins
    1970; Ville's inequality). For shares it is the beta-binomial mixture; numbers in between vary less than those that
    are 0 or 1, so that it holds for them too.
    """
    won = special.betaln(0.5 + total, 0.5 + count - total) - special.betaln(0.5, 0.5) + log(_ERROR)

    def beyond(mean: float) -> float:
        return float(won - special.xlogy(total, mean) - special.xlog1py(count - total, -mean))

    found = total / count
    low = 0.0 if found <= 0 else optimize.brentq(beyond, 1e-300, found)
    high = 1.0 if found >= 1 else optimize.brentq(beyond, found, 1 - 1e-16)
    return float(low), float(high)
