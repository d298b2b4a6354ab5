"""Sentences of a report say what its figures say, and no more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reports.data import RunReport
from reports.summary import summarise
from reports.words import findings
from tests.reports.samples import made, results


def told(*runs: RunReport, **more: Any) -> list[str]:
    data = made("x", runs, **more)
    return list(findings(data, summarise(data)))


def runs_of(arm: str, mean: float, seeds: Sequence[int]) -> list[RunReport]:
    return [RunReport(arm, seed, 1, results=results(31 * seed + len(arm), mean)) for seed in seeds]


def test_a_difference_of_methods() -> None:
    found = told(*runs_of("a", 1.0, range(5)), *runs_of("bb", 3.0, range(5)))
    assert (
        found[0].startswith("bb has more average length than a, with 5 and 5 seeds: +")
        and "p < 0.001)" in found[0]
    )
    assert found[1].startswith("What could not have been found") and "every other time" in found[1]
    assert len(found) == 2, "nothing of arms that were corrected for, as there is one"


def test_no_difference_is_not_called_equality() -> None:
    first = told(*runs_of("a", 1.5, range(3)), *runs_of("bb", 1.5, range(3)))[0]
    assert first.startswith("No difference in average length was shown between bb and a, with 3 and 3 seeds")


def test_one_seed_is_of_two_models_and_says_how_far_another_would_move_it() -> None:
    runs = [*runs_of("a", 1.0, [0]), *runs_of("bb", 3.0, [0])]
    first, second = told(*runs, seed_spread={"avg_len": 0.12})
    assert "the one model of bb and the one of a differ on 60 sequences" in first
    assert second.startswith(
        "One seed says nothing of the methods: other seeds move such a difference by up to 0.33 tasks"
    )
    assert "was not measured" in told(*runs)[1]


def test_nothing_but_zeros() -> None:
    runs = [RunReport(arm, seed, 1, results=(0,) * 9) for arm in "ab" for seed in (0, 1)]
    (only,) = told(*runs)
    assert only == (
        "Nothing can be said of b against a in average length, with 2 and 2 seeds: +0.00 tasks, without an interval as "
        "all seeds are alike."
    )


def test_two_seeds_in_an_arm_are_warned_of_and_failed_ones_told() -> None:
    failed = RunReport("bb", 7, 1, failed="train bb seed 7: diverged")
    found = told(*runs_of("a", 0.5, range(2)), *runs_of("bb", 4.0, range(2)), failed)
    assert "do not rely on p" in found[0]
    assert any(
        "leaves out 1 seed that failed; counted as 0, with 3 and 2 seeds, it would be +" in one
        for one in found
    )


def test_looks_are_told() -> None:
    runs = [*runs_of("a", 1.5, range(4)), *runs_of("bb", 1.6, range(4))]
    found = told(*runs, looks=({"a": 2, "bb": 2},))
    assert found[-1].startswith("Seeds of bb or the baseline were added when 2 and 2 had been judged.")


def test_holm_is_said_of_several_arms() -> None:
    runs = [*runs_of("a", 1.0, range(5)), *runs_of("bb", 3.0, range(5)), *runs_of("ccc", 1.0, range(5))]
    assert "also corrected for the number of arms" in told(*runs)[0]


def test_nothing_is_said_where_nothing_is_compared() -> None:
    assert told(*runs_of("a", 1.0, [0])) == []
    (only,) = told(*runs_of("a", 1.0, [0]), RunReport("bb", 0, 1))
    assert only == "bb and a were not compared: not judged, or not judged alike."
