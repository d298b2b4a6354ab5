"""Figures on methods: one number for each trained model, against formulas and against scipy and statsmodels."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from reports.methods import (
    NO_SPREAD,
    ONE_SEED,
    holm_decisions,
    paired,
    spread,
    welch,
)

A, B = [0.75, 0.77, 0.66], [0.65, 0.62, 0.63, 0.60]


def test_welch_by_its_formula() -> None:
    found = welch(A, B)
    squares = [np.var(arm, ddof=1) / len(arm) for arm in (A, B)]
    error = sqrt(sum(squares))
    degrees = sum(squares) ** 2 / (squares[0] ** 2 / 2 + squares[1] ** 2 / 3)
    delta = np.mean(B) - np.mean(A)
    half = stats.t.ppf(0.975, degrees) * error
    assert found.delta == pytest.approx(delta)
    assert found.interval == pytest.approx((delta - half, delta + half))
    assert found.p_value == pytest.approx(2 * stats.t.sf(abs(delta) / error, degrees))
    assert found.degrees == pytest.approx(degrees)
    assert (found.seeds, found.reason, found.is_reliable) == ((3, 4), "", True)


def test_welch_is_that_of_statsmodels() -> None:
    found = welch(A, B)
    other = CompareMeans(DescrStatsW(B), DescrStatsW(A))
    assert found.interval == pytest.approx(other.tconfint_diff(usevar="unequal"))
    assert found.p_value == pytest.approx(other.ttest_ind(usevar="unequal")[1])


def test_interval_and_p_never_contradict_each_other() -> None:
    random = np.random.default_rng(3)
    for _ in range(300):
        found = welch(
            random.normal(0, 1, random.integers(2, 7)), random.normal(1.5, 2, random.integers(2, 7))
        )
        assert found.interval is not None and found.p_value is not None
        assert (found.p_value < 0.05) is not (found.interval[0] <= 0 <= found.interval[1])


def test_the_other_way_round_is_the_same_with_the_other_sign() -> None:
    there, back = welch(A, B), welch(B, A)
    assert there.delta == pytest.approx(-back.delta) and there.p_value == pytest.approx(back.p_value)
    assert there.interval == pytest.approx([-edge for edge in reversed(back.interval or ())])
    assert there.seeds == back.seeds[::-1]


@pytest.mark.parametrize(
    ("a", "b", "reason"),
    [
        ([0.5], [0.25, 0.5], ONE_SEED),
        ([0.5, 0.25], [0.75], ONE_SEED),
        ([0.0, 0.0], [0.0, 0.0, 0.0], NO_SPREAD),
        ([0.1 + 0.2, 0.3], [0.3, 0.3], NO_SPREAD),  # differs by rounding alone
        ([1.0, 1.0], [0.0, 0.0], NO_SPREAD),
    ],
)
def test_one_seed_or_no_spread_gives_the_difference_alone(
    a: list[float], b: list[float], reason: str
) -> None:
    found = welch(a, b)
    assert found.delta == pytest.approx(np.mean(b) - np.mean(a))
    assert (found.interval, found.p_value, found.degrees, found.reason) == (None, None, None, reason)
    assert not found.is_reliable


def test_one_arm_without_spread_is_compared_by_that_of_the_other() -> None:
    found = welch([0.0, 0.0, 0.0], [0.1, 0.2, 0.3])
    assert found.p_value == pytest.approx(stats.ttest_1samp([0.1, 0.2, 0.3], 0).pvalue)


def test_with_two_seeds_in_an_arm_p_is_not_relied_on() -> None:
    found = welch(A, B[:2])
    assert found.p_value is not None and not found.is_reliable


def test_losses_are_paired_by_the_seeds_that_both_have() -> None:
    found = paired({0: 0.927, 1: 0.904, 2: 0.982, 5: 9.0}, {2: 0.963, 0: 0.895, 1: 0.890, 7: 0.0})
    assert found is not None
    other = stats.ttest_1samp([0.895 - 0.927, 0.890 - 0.904, 0.963 - 0.982], 0)
    assert found.delta == pytest.approx(other.statistic * other._standard_error)
    assert found.p_value == pytest.approx(other.pvalue)
    assert found.interval == pytest.approx(tuple(other.confidence_interval()))
    assert found.seeds == (3, 3)
    assert paired({0: 1.0}, {1: 1.0}) is None
    alone = paired({0: 1.0}, {0: 0.5})
    assert alone is not None and (alone.delta, alone.interval, alone.reason) == (-0.5, None, ONE_SEED)
    equal = paired({0: 1.0, 1: 2.0}, {0: 1.5, 1: 2.5})
    assert equal is not None and (equal.delta, equal.p_value, equal.reason) == (0.5, None, NO_SPREAD)


def test_the_scatter_between_seeds_needs_two() -> None:
    assert spread(A) == pytest.approx(np.std(A, ddof=1)) and spread([0.5]) is None


def test_holms_decisions_by_hand() -> None:
    assert holm_decisions([0.01, 0.04, 0.03]) == [True, False, False]
    assert holm_decisions([0.02, None, 0.04]) == [True, None, True]
    assert holm_decisions([None]) == [None] and holm_decisions([]) == []
