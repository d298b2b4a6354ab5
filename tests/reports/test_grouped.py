"""Shares of frames whose unit is the demonstration."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats
from statsmodels.stats.proportion import proportion_confint

from reports.grouped import grouped_share_interval


def test_of_demonstrations_of_one_length_it_is_students_on_log_odds() -> None:
    hits = np.array([5, 7, 6, 8, 4])
    low, high = stats.ttest_1samp(hits / 10, 0).confidence_interval()
    half, middle = (high - low) / 2 / (0.6 * 0.4), np.log(0.6 / 0.4)
    expected = special.expit([middle - half, middle + half])
    assert grouped_share_interval(hits.tolist(), [10] * 5) == pytest.approx(tuple(expected))


def test_more_frames_of_the_same_demonstrations_say_no_more() -> None:
    few, many = (
        grouped_share_interval([1, 2, 2], [2, 2, 2]),
        grouped_share_interval([50, 100, 100], [100] * 3),
    )
    assert few == pytest.approx(many)


def test_every_frame_detected_is_as_many_trials_as_demonstrations() -> None:
    """222 of 222 frames in 8 demonstrations."""
    found = grouped_share_interval([27] * 6 + [30] * 2, [27] * 6 + [30] * 2)
    assert found == pytest.approx(proportion_confint(8, 8, method="wilson")) and found[0] < 0.7
    assert grouped_share_interval([5], [9]) is None and grouped_share_interval([5, 0], [9, 0]) is None


@pytest.mark.parametrize("rate", [0.9, 0.97, 0.06])
def test_it_holds_the_share_in_nine_of_ten_with_27_demonstrations(rate: float) -> None:
    """Of 400 simulated sets: 5 to 39 frames each, correlation of frames 0.1."""
    random, held = np.random.default_rng(2), 0
    for _ in range(400):
        counts = random.integers(5, 40, 27)
        hits = random.binomial(counts, random.beta(rate * 9, (1 - rate) * 9, 27))
        low, high = grouped_share_interval(hits.tolist(), counts.tolist()) or (0.0, 0.0)
        held += low <= rate <= high
    assert held / 400 >= 0.9
