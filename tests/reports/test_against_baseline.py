"""Arms against the baseline: methods with two seeds and more in both arms, else weights or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from scipy import stats

from experiments.reconvla.report.metric import TASKS_IN_A_ROW
from reports.against_baseline import (
    ALL_ALIKE,
    BY_LOOKS,
    EACH_ALIKE,
    ArmComparison,
    compare_with_baseline,
    decided,
)
from reports.last_look import NO_LOOK_YET, LastLook
from reports.methods import ONE_SEED
from reports.statistics import sign_flip
from tests.reports.samples import results

LENGTH = 5


def seeds(mean: float, *numbers: int) -> dict[int, Sequence[int]]:
    return {number: results(100 * number + round(10 * mean), mean + number / 5) for number in numbers}


def compared(a: Mapping[int, Sequence[int]], b: Mapping[int, Sequence[int]], **more: Any) -> ArmComparison:
    return compare_with_baseline("a", "b", a, b, TASKS_IN_A_ROW, LENGTH, **more)


def test_all_seeds_of_both_arms_count_whichever_numbers_they_have() -> None:
    a, b = seeds(1.5, 0, 1, 2), seeds(2.5, 1, 5)
    found = compared(a, b)
    means = [[sum(row) / len(row) for row in arm.values()] for arm in (a, b)]
    test = stats.ttest_ind(means[1], means[0], equal_var=False)
    assert (found.interval_of, found.seeds, found.sequences) == ("method", (3, 2), 60)
    assert found.main is not None and found.main.p_value == pytest.approx(test.pvalue)
    assert found.main.interval == pytest.approx(tuple(test.confidence_interval()))
    assert not found.is_reliable, "two seeds"
    assert [one.p_value for one in found.contrasts[:LENGTH]] == [None] * 5
    assert found.weights.seeds == 1, "one seed is in both"


def test_one_seed_each_are_two_models() -> None:
    a, b = seeds(1.5, 0), seeds(2.5, 3)
    found = compared(a, b)
    differences = [y - x for x, y in zip(a[0], b[3], strict=True)]
    assert (found.interval_of, found.seeds, found.is_reliable) == ("weights", (1, 1), True)
    assert found.main is not None and found.main.delta == pytest.approx(sum(differences) / 60)
    assert found.main.p_value == sign_flip(np.array(differences))


def test_one_seed_against_several_says_nothing() -> None:
    found = compared(seeds(1.5, 0, 1, 2), seeds(2.5, 3))
    assert found.main is not None
    assert (found.main.interval, found.main.p_value, found.main.reason) == (None, None, ONE_SEED)


def test_what_does_not_vary_has_neither_interval_nor_p() -> None:
    nothing = {0: (0,) * 9, 1: (0,) * 9}
    found = compared(nothing, nothing)
    assert {(one.delta, one.interval, one.p_value, one.reason) for one in found.contrasts} == {
        (0.0, None, None, EACH_ALIKE)
    }
    alone = compared({0: (0,) * 9}, {0: (0,) * 9})
    assert {(one.interval, one.p_value, one.reason) for one in alone.contrasts} == {(None, None, ALL_ALIKE)}


@pytest.mark.parametrize("other", [{}, {0: (1, 2)}])
def test_what_was_not_judged_alike_is_not_compared(other: dict[int, Sequence[int]]) -> None:
    found = compared(seeds(1.5, 0), other)
    assert (found.main, found.interval_of, found.contrasts) == (None, None, ())


def test_failed_seeds_are_counted_and_what_they_would_do() -> None:
    a, b = seeds(1.5, 0, 1, 2), seeds(2.5, 0, 1)
    found = compared(a, b, failed=(0, 1))
    assert found.failed == (0, 1) and found.with_failed is not None
    means = [[sum(row) / len(row) for row in arm.values()] for arm in (a, b)]
    test = stats.ttest_ind([*means[1], 0.0], means[0], equal_var=False)
    assert found.with_failed.seeds == (3, 3)
    assert found.with_failed.contrast.p_value == pytest.approx(test.pvalue)
    assert compared(a, b).with_failed is None


def test_looks_are_told_where_seeds_came_later() -> None:
    a, b = seeds(1.5, 0, 1, 2, 3), seeds(2.5, 0, 1, 2, 3)
    found = compared(a, b, earlier=[(2, 2), (2, 2)])
    assert found.looked is not None and found.looked.looks == ((2, 2),)
    assert 0.05 < found.looked.error < 0.08
    assert compared(a, b, earlier=[(4, 4)]).looked is None, "nothing was added that counts"


def test_with_adaptive_seeds_the_last_look_is_what_is_told() -> None:
    """Over the first seeds of both as it was, with the interval that looks allow; other measures have none."""
    a, b = seeds(1.5, 0, 1, 2, 3, 4), seeds(2.5, 0, 1, 2)
    look = LastLook(3, "better", (0.2, 1.9), 0.004, 0.009, 0.25, 8)
    found = compared(a, b, last_look=look, failed=(0, 1))
    means = [[sum(arm[seed]) / len(arm[seed]) for seed in range(3)] for arm in (a, b)]
    assert found.main is not None and found.main.delta == pytest.approx(sum(means[1]) / 3 - sum(means[0]) / 3)
    assert (found.seeds, found.main.interval, found.main.p_value) == ((3, 3), (0.2, 1.9), 0.004)
    assert {(one.interval, one.p_value, one.reason) for one in found.contrasts[:LENGTH]} == {
        (None, None, BY_LOOKS)
    }
    (one,) = decided([found])
    assert one.is_difference and one.holm is None, "Holm has no say"
    assert found.with_failed is not None and found.with_failed.contrast.p_value is None
    early = compared(a, b, last_look=LastLook(0, "open", None, None, 0.009, 0.25, 8))
    assert early.main is not None and (early.main.p_value, early.main.reason) == (None, NO_LOOK_YET)
    assert not early.is_difference


def test_holm_decides_over_the_arms_that_have_a_p() -> None:
    a = seeds(1.5, 0, 1, 2, 3)
    far, near, nothing = (compared(a, b) for b in (seeds(3.5, 0, 1, 2, 3), seeds(1.6, 0, 1, 2, 3), {}))
    assert [one.holm for one in decided([far, nothing, near])] == [True, None, False]
