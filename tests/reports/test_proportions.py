"""Intervals of shares: those of statsmodels."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from reports.methods import Interval, holm_decisions
from reports.proportions import agresti_coull, wilson

SHARES = [(0, 4), (4, 4), (1, 4), (3, 1000), (997, 1000), (0.5, 3), (0, 1), (64, 128)]


@pytest.mark.parametrize(("found", "method"), [(agresti_coull, "agresti_coull"), (wilson, "wilson")])
def test_an_interval_is_that_of_statsmodels(found: Callable[[float, int], Interval], method: str) -> None:
    for successes, trials in SHARES:
        expected = proportion_confint(successes, trials, method=method)
        assert found(successes, trials) == pytest.approx(expected, rel=1e-14, abs=1e-16), (successes, trials)


@pytest.mark.parametrize(
    "p_values",
    [[0.01, 0.04, 0.03, 0.005], [0.05], [0.0125] * 4, [0.02, 0.02, 0.001], [0.9, 0.01, 0.6], [0.025, 0.05]],
)
def test_holm_is_that_of_statsmodels(p_values: list[float]) -> None:
    expected = [bool(is_rejected) for is_rejected in multipletests(p_values, method="holm")[0]]
    assert holm_decisions(p_values) == expected
    assert holm_decisions([None, *p_values]) == [None, *expected]
