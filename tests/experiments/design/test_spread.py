"""How results scatter between seeds: moments of simulated and of stored results."""

from __future__ import annotations

import math

import numpy as np
import pytest

from experiments.design.measures import measures_of
from experiments.design.spread import FEWEST_DEGREES, prior, spread_for, spread_of, spreads_of_runs
from experiments.reconvla.report.metric import TASKS_IN_A_ROW
from reports.data import RunReport

MEASURES = {measure.name: measure for measure in measures_of(TASKS_IN_A_ROW)}


def arm(seeds: int, sequences: int, between: float, rate: float = 0.6, seed: int = 0) -> list[list[int]]:
    """Results 0 or 1 whose rates scatter between seeds by `between` points."""
    chance = np.random.default_rng(seed)
    rates = np.clip(rate + between / 100 * chance.standard_normal((seeds, 1)), 0, 1)
    return (chance.random((seeds, sequences)) < rates).astype(int).tolist()


def test_the_seed_and_single_results_are_told_apart() -> None:
    found = spread_of(MEASURES["success_1"], [arm(40, 400, 8.0, seed=number) for number in range(20)])
    assert found is not None and found.freedom == 20 * 39 and found.sequences == 400
    assert found.between_seeds == pytest.approx(8.0, abs=0.5)
    assert found.cells == pytest.approx(100 * math.sqrt(0.24 - 0.0064), rel=0.02)
    low, high = found.interval
    assert low < found.between_seeds < high and high - low < 1.2


def test_seeds_that_do_not_differ_have_no_spread_of_their_own() -> None:
    found = spread_of(MEASURES["success_1"], [arm(10, 100, 0.0, seed=number) for number in range(4)])
    assert found is not None and found.between_seeds < 2.5 and found.interval[0] == 0.0
    assert found.of_model(100) > 4


def test_by_hand() -> None:
    """Two seeds of 32 sequences: halves that are 1, and three quarters."""
    found = spread_of(MEASURES["avg_len"], [[[1, 0] * 16, [1, 1, 1, 0] * 8]])
    assert found is not None and found.freedom == 1
    square = 2 * 0.125**2  # of the means
    rest = np.array([[1, 0] * 16, [1, 1, 1, 0] * 8], dtype=float)
    cells = (rest - rest.mean(1, keepdims=True) - rest.mean(0) + rest.mean()) ** 2
    assert found.cells == pytest.approx(math.sqrt(cells.sum() / 31))
    assert found.of_model(32) == pytest.approx(math.sqrt(max(square, found.cells**2 / 32)))


def test_the_stored_one_is_as_uncertain_as_it_was_measured() -> None:
    stored = prior(MEASURES["success_1"])
    assert stored is not None and stored.interval == pytest.approx((4.7, 9.2), abs=0.15)
    assert prior(MEASURES["success_4"]) is None, "nobody measured it"


def test_a_home_counts_once_it_has_seeds_enough() -> None:
    measure = MEASURES["success_1"]
    few, more = [arm(3, 64, 5.0)], [arm(3, 64, 5.0), arm(FEWEST_DEGREES - 1, 64, 5.0, seed=1)]
    assert spread_for(measure, few) == prior(measure) and spread_for(measure, []) == prior(measure)
    found = spread_for(measure, more)
    assert found is not None and found.source == "6 trained models of this home"
    assert spread_for(MEASURES["success_3"], []) is None


def test_arms_that_say_nothing_of_others_are_counted() -> None:
    nothing = [[[0] * 64] * 3, arm(1, 64, 5.0), arm(3, 16, 5.0), arm(3, 64, 0.0, rate=0.99)]
    assert spread_of(MEASURES["success_1"], nothing) is None
    found = spread_of(MEASURES["success_1"], [*nothing, arm(5, 64, 5.0)])
    assert found is not None and (found.left_out, found.freedom) == (4, 4)


def test_a_report_takes_its_own_runs_or_what_stored_runs_say() -> None:
    results = arm(4, 100, 8.0)
    runs = [RunReport(name, seed, 1, tuple(results[seed])) for name in ("a", "b") for seed in range(4)] + [
        RunReport("a", 9, 1),
        RunReport("given", 0, None, tuple(results[0])),
    ]
    found = spreads_of_runs(TASKS_IN_A_ROW, runs)
    assert (
        found["success_1"].source == "8 trained models of this ablation" and found["success_1"].freedom == 6
    )
    few = spreads_of_runs(TASKS_IN_A_ROW, runs[:2])
    for name in ("avg_len", "success_1", "success_2"):
        assert few[name] == prior(MEASURES[name]), "two models say too little"
