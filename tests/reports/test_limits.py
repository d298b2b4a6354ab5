"""What could not have been found is what a power analysis with the scatter of models says, not an interval's width."""

from __future__ import annotations

import numpy as np

from reports.data import RunReport
from reports.limits import limits
from reports.power import detectable
from reports.scatter import Spread
from reports.summary import summarise
from tests.reports.samples import made

KNOWN = Spread(0.12, 0.67, 33, 128, "stored runs")


def said(
    arms: dict[str, int], scatter: Spread | None = KNOWN, rate: float = 0.5, **more: object
) -> list[str]:
    """arms: seeds by name; each with 128 sequences."""
    chance = np.random.default_rng(3)
    runs = tuple(
        RunReport(arm, seed, 1, tuple(int(x) for x in chance.binomial(1, rate, 128)))
        for arm, count in arms.items()
        for seed in range(count)
    )
    data = made(
        "x", runs, scatter={} if scatter is None else {"avg_len": scatter, "success_1": scatter}, **more
    )
    return list(limits(data, summarise(data)))


def test_it_is_the_difference_that_is_found_in_four_of_five() -> None:
    (only,) = said({"a": 3, "b": 3})
    expected = detectable(KNOWN.of_model(128), (3, 3), 0.8)
    low, high = (detectable(edge, (3, 3), 0.8) for edge in KNOWN.interval_of_model(128))
    assert f"with 3 and 3 seeds on 128 sequences true differences below {expected:.2f} tasks" in only
    assert f"({low:.2f} to {high:.2f})" in only and "Holm" not in only
    assert only.endswith("; stored runs); ranges in brackets are of the ends of that interval.")


def test_unequal_seeds_and_several_arms() -> None:
    (only,) = said({"a": 6, "b": 3, "c": 4})
    for seeds in ((6, 3), (6, 4)):
        both = [detectable(KNOWN.of_model(128), seeds, 0.8, alpha) for alpha in (0.05, 0.025)]
        assert f"with {seeds[1]} and 6 seeds" in only
        assert all(f"below {value:.2f} tasks" in only for value in both)
    assert "Holm's correction for 2 arms is at its strictest" in only


def test_what_cannot_be_as_large_is_called_that() -> None:
    wide = Spread(30.0, 40.0, 5, 128, "here")
    (only,) = said({"a": 2, "b": 2}, wide, primary="success_1")
    assert "true differences of any size" in only


def test_it_is_not_known_where_nobody_measured_it_or_where_everything_fails() -> None:
    assert "was not measured" in said({"a": 3, "b": 3}, None)[0]
    assert "nearly all sequences fail" in said({"a": 3, "b": 3}, rate=0.01)[0]
    assert said({"a": 1, "b": 1}) == said({"a": 1, "b": 3}) == []
