"""An arm's own figures: each seed's, and intervals that say what they are of."""

from __future__ import annotations

import numpy as np
import pytest

from reports.arm_intervals import crossed_intervals, t_intervals
from reports.estimates import METHOD, METHOD_HERE, WEIGHTS, estimates
from reports.statistics import mean_interval, success_intervals


def played(seeds: int, sequences: int = 40) -> np.ndarray:
    random = np.random.default_rng(seeds)
    return np.clip(
        np.round(random.normal(1.5, 1.2, (seeds, sequences)) + random.normal(0, 0.4, (seeds, 1))), 0, 5
    ).astype(int)


def test_one_seed_speaks_of_its_weights() -> None:
    results = played(1)
    found = estimates(results, 5)
    assert found.interval_of == WEIGHTS
    assert [share.interval for share in found.shares] == success_intervals(results, 5)
    assert found.mean.interval == mean_interval(results) and found.mean.spread is None


@pytest.mark.parametrize("seeds", [2, 4])
def test_two_to_four_seeds_speak_of_the_method_on_these_sequences(seeds: int) -> None:
    results = played(seeds)
    found = estimates(results, 5)
    means = results.mean(axis=1)
    assert found.interval_of == METHOD_HERE
    assert found.mean.of_seeds == pytest.approx(means) and found.mean.spread == pytest.approx(
        means.std(ddof=1)
    )
    assert found.mean.interval == pytest.approx(t_intervals(means, 5.0))
    assert all(0 <= share.interval[0] < share.interval[1] <= 1 for share in found.shares if share.interval)


def test_five_seeds_speak_of_other_sequences_too() -> None:
    results = played(5)
    found = estimates(results, 5)
    assert found.interval_of == METHOD
    assert found.mean.interval == pytest.approx(crossed_intervals(results.astype(float), 5.0))
    assert found.shares[0].value == pytest.approx((results >= 1).mean())


@pytest.mark.parametrize("seeds", [1, 2, 5])
def test_what_never_varies_has_no_interval_without_width(seeds: int) -> None:
    found = estimates(np.zeros((seeds, 8), dtype=int), 5)
    assert found.mean.interval is None
    shares = {share.interval for share in found.shares}
    assert shares == {None} if seeds > 1 else None not in shares, "a trial knows of the other sequences"
