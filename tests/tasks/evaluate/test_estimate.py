"""What an evaluation that is under way says so far."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import betaln

from errors import InvalidInput
from tasks.evaluate.estimate import anytime_interval, running_estimate


def test_running_estimate_by_hand() -> None:
    estimate = running_estimate([5, 5, 0, 0, 2, 2, 3, 3])
    assert (estimate.sequences, estimate.success1, estimate.success5, estimate.avg_len) == (
        8,
        0.75,
        0.25,
        2.5,
    )
    assert estimate.success1_ci95 == anytime_interval(6, 8)
    assert estimate.avg_len_ci95 == pytest.approx([5 * edge for edge in anytime_interval(4, 8)])
    with pytest.raises(InvalidInput):
        running_estimate([])


def test_equal_results_leave_room_for_others() -> None:
    assert running_estimate([5, 5, 5]).avg_len_ci95[0] < 2.5
    assert running_estimate([0]).success1_ci95 == pytest.approx((0.0, 0.975), abs=0.02)


def test_the_edges_are_where_the_bet_is_won_20_to_1() -> None:
    for edge in anytime_interval(77, 128):
        likelihood = 77 * np.log(edge) + 51 * np.log1p(-edge)
        assert betaln(77.5, 51.5) - betaln(0.5, 0.5) - likelihood == pytest.approx(np.log(20))
    assert anytime_interval(77, 128) == pytest.approx((0.45, 0.74), abs=0.01), (
        "half as wide again as Wilson's"
    )


def test_the_truth_stays_inside_at_all_looks_in_19_of_20_evaluations() -> None:
    """300 of 128 sequences each: shares, and lengths 0 to 5 of the same mean."""
    random = np.random.default_rng(5)
    for numbers, truth in (
        ((random.random((300, 128)) < 0.6) * 1.0, 0.6),
        (random.binomial(5, 0.2, (300, 128)) / 5, 0.2),
    ):
        sums, counts = numbers.cumsum(axis=1), np.arange(1, 129)
        won = betaln(0.5 + sums, 0.5 + counts - sums) - betaln(0.5, 0.5)
        outside = won - sums * np.log(truth) - (counts - sums) * np.log1p(-truth) >= np.log(20)
        assert outside.any(axis=1).mean() <= 0.06
        row = next((r for r in range(300) if outside[r].any()), 0)
        for look in (0, 9, 127):
            low, high = anytime_interval(float(sums[row, look]), int(counts[look]))
            assert (low <= truth <= high) is not bool(outside[row, look])
