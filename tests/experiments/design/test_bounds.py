"""Bounds of looks: that all looks together err as one test would, and that the same design has the same bounds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from experiments.design.bounds import FIRST_LOOK, looks_bounds


@pytest.mark.parametrize(("most", "comparisons"), [(6, 1), (12, 2)])
def test_looks_at_the_same_method_err_as_rarely_as_one_test(most: int, comparisons: int) -> None:
    """By scipy's own p, on other draws than the bounds are made of."""
    bounds = looks_bounds(most, comparisons)
    assert len(bounds) == most - FIRST_LOOK + 1
    chance = np.random.default_rng(11)
    a, b = chance.standard_normal((2, 20_000, most))
    found = np.zeros(20_000, dtype=bool)
    for seeds, bound in enumerate(bounds, start=FIRST_LOOK):
        found |= stats.ttest_ind(a[:, :seeds], b[:, :seeds], axis=1, equal_var=False).pvalue <= bound
    alpha = 0.05 / comparisons
    assert found.mean() == pytest.approx(alpha, abs=3.5 * np.sqrt(alpha / 20_000))


def test_one_look_is_one_test() -> None:
    assert looks_bounds(FIRST_LOOK, 1) == (0.05,) and looks_bounds(FIRST_LOOK, 5) == (0.01,)


def test_more_looks_and_more_arms_ask_for_more() -> None:
    single = [looks_bounds(most, 1)[0] for most in (4, 8, 15)]
    assert single == sorted(single, reverse=True) and single[0] < 0.05
    assert looks_bounds(12, 1)[0] / 2 > looks_bounds(12, 2)[0] > looks_bounds(12, 1)[0] / 3


def test_the_same_design_has_the_same_bounds_everywhere() -> None:
    """They stand in the plan, so another machine must come to the same."""
    looks_bounds.cache_clear()
    assert looks_bounds(15, 1)[0] == pytest.approx(0.0113757909, rel=1e-6)
