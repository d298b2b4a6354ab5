"""Sentences of a report say what its figures say, and no more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from reports.data import RunReport
from reports.last_look import LastLook
from reports.scatter import Spread
from reports.summary import summarise
from reports.words import findings
from tests.reports.samples import made, results

LENGTH = Spread(0.12, 0.67, 33, 128, "stored runs")


def told(*runs: RunReport, **more: Any) -> list[str]:
    data = made("x", runs, **more)
    return list(findings(data, summarise(data)))


def runs_of(arm: str, mean: float, seeds: Sequence[int]) -> list[RunReport]:
    return [RunReport(arm, seed, 1, results=results(31 * seed + len(arm), mean)) for seed in seeds]


def test_a_difference_of_methods() -> None:
    first, *_ = found = told(*runs_of("a", 1.0, range(5)), *runs_of("bb", 3.0, range(5)))
    assert first.startswith(
        "A difference in average length was shown: bb above a, with 5 and 5 seeds on 60 sequences: +"
    )
    assert "p < 0.001)" in first
    assert found[1] == (
        "How large a difference could have been found is not known: how trained models scatter in average length was "
        "not measured."
    )
    assert len(found) == 2, "nothing of arms that were corrected for, as there is one"


def test_no_difference_is_not_called_equality() -> None:
    first = told(*runs_of("a", 1.5, range(3)), *runs_of("bb", 1.5, range(3)))[0]
    assert first.startswith(
        "No difference in average length was shown between bb and a, with 3 and 3 seeds on 60 sequences"
    )


def test_one_seed_is_of_two_models_and_says_how_far_their_difference_may_be_off() -> None:
    runs = [*runs_of("a", 1.0, [0]), *runs_of("bb", 1.3, [0])]
    first, second = told(*runs, scatter={"avg_len": LENGTH})
    assert "the one model of bb and the one of a differ on 60 sequences" in first
    assert second.startswith(
        "One seed says nothing of the methods: the difference of two single models is off by up to 0.41 tasks"
    )
    assert (
        "a standard deviation of 0.15 tasks (95\N{NO-BREAK SPACE}% interval 0.12 to 0.19; stored runs)"
        in second
    )
    assert "was not measured" in told(*runs)[1]


def test_models_that_differ_by_themselves_are_corrected_for_other_arms() -> None:
    """Six of six pairs in one direction have p 0.031, two of two 0.5; Holm asks for 0.017 of the first of three."""
    base = RunReport("a", 0, 1, results=(0,) * 30)
    some = [
        RunReport(arm, 0, 1, results=(1,) * up + (0,) * (30 - up))
        for arm, up in (("b", 6), ("c", 2), ("d", 2))
    ]
    first, second, _, *_ = told(base, *some)
    assert (
        "differ on 30 sequences" in first
        and "corrected for the number of arms, they are not told apart" in first
    )
    assert "are not told apart on 30 sequences" in second and "corrected" not in second


@pytest.mark.parametrize(
    ("up", "down", "verdict", "disagree"),
    [(9, 2, "are not told apart by p", True), (5, 0, "are not told apart", False), (12, 0, "differ", False)],
)
def test_p_and_interval_of_two_models_that_disagree_are_told(
    up: int, down: int, verdict: str, disagree: bool
) -> None:
    """McNemar's exact p of 9 against 2 of 128 is 0.065, and Bonett and Price's interval does not hold 0."""
    a = RunReport("a", 0, 1, results=(0,) * up + (1,) * down + (0,) * (128 - up - down))
    b = RunReport("b", 0, 1, results=(1,) * up + (0,) * (128 - up))
    first = told(a, b, primary="success_1")[0]
    assert f" {verdict} on 128 sequences" in first
    assert ("p and interval are of two tests, which disagree here" in first) is disagree


def test_what_is_shown_though_most_would_have_missed_it_is_said_to_be_too_large() -> None:
    runs = [*runs_of("a", 1.0, range(5)), *runs_of("bb", 3.0, range(5))]
    said = "larger on average than those of the methods"
    large, small = Spread(3.0, 0.67, 33, 128, "stored runs"), LENGTH
    assert any(
        one.startswith("The difference of bb is smaller than what four of five") and said in one
        for one in told(*runs, scatter={"avg_len": large})
    )
    assert not any(said in one for one in told(*runs, scatter={"avg_len": small}))


def test_nothing_but_zeros() -> None:
    runs = [RunReport(arm, seed, 1, results=(0,) * 9) for arm in "ab" for seed in (0, 1)]
    first, second = told(*runs, scatter={"avg_len": LENGTH})
    assert first == (
        "Nothing can be said of b against a in average length, with 2 and 2 seeds on 9 sequences: 0.00 tasks, without "
        "an interval as the seeds of each arm are alike."
    )
    assert "is not known: where nearly all sequences fail" in second
    alone = told(*(RunReport(arm, 0, 1, results=(0,) * 9) for arm in "ab"), scatter={"avg_len": LENGTH})
    assert "is not known where nearly all sequences fail" in alone[-1]


def test_two_seeds_in_an_arm_are_warned_of_whatever_was_found() -> None:
    shown, missed = (
        told(*runs_of("a", low, range(2)), *runs_of("bb", high, range(2)))[0]
        for low, high in ((0.5, 4.0), (1.5, 1.5))
    )
    assert all("rely neither on p nor on the interval" in one for one in (shown, missed))
    assert shown.startswith(
        "A difference in average length is shown only if both arms scatter alike, which two seeds do not tell: bb above"
    )
    assert missed.startswith("No difference in average length was shown")


def test_failed_seeds_and_those_that_wait_are_told_by_arm() -> None:
    runs = [*runs_of("a", 0.5, range(2)), *runs_of("bb", 4.0, range(2))]
    failed = RunReport("bb", 7, 1, failed="train bb seed 7: diverged")
    found = told(*runs, failed, RunReport("a", 5, 1), RunReport("a", 6, 1))
    assert any(
        "leaves out 1 seed of bb that failed; counted as 0, with 3 and 2 seeds, it would be +" in one
        for one in found
    )
    assert any("bb against a is not whole, as 2 seeds of a wait to be judged" in one for one in found)
    assert any("as 1 seed of a waits to be judged" in one for one in told(*runs, RunReport("a", 5, 1)))


def test_cancelled_seeds_are_told_and_do_not_wait() -> None:
    runs = [*runs_of("a", 0.5, range(2)), *runs_of("bb", 4.0, range(2))]
    found = told(*runs, RunReport("bb", 7, 1, cancelled=True))
    assert any(
        "leaves out 1 seed of bb that was cancelled; a difference means something only if" in one
        for one in found
    )
    assert not any("to be judged" in one for one in found)


def test_looks_are_told_once_of_arms_that_were_looked_at_alike() -> None:
    runs = [run for arm in ("a", "bb", "ccc") for run in runs_of(arm, 1.5, range(4))]
    found = told(*runs, looks=({"a": 2, "bb": 2, "ccc": 2},))
    assert found[-1].startswith("Seeds were added when 2 and 2 of bb, ccc and of a had been judged")
    assert found[-1].endswith(", for each arm.") and sum("had been judged" in one for one in found) == 1
    assert all("; neither p nor the interval knows of the looks before." in one for one in found[:2])


def test_holm_is_said_of_several_arms() -> None:
    runs = [*runs_of("a", 1.0, range(5)), *runs_of("bb", 3.0, range(5)), *runs_of("ccc", 1.0, range(5))]
    assert "also corrected for the number of arms (2)" in told(*runs)[0]


def adaptive(verdict: Any, p_value: float | None = 0.3) -> list[str]:
    runs = [*runs_of("a", 1.5, range(4)), *runs_of("bb", 1.5, range(3))]
    look = LastLook(3, verdict, (-0.6, 0.9), p_value, 0.009, 1.0, 8)
    return told(*runs, scatter={"avg_len": LENGTH}, last_looks={"bb": look})


def test_with_adaptive_seeds_the_looks_decide_and_their_interval_is_told() -> None:
    first, limit, together, early = adaptive("better", 0.004)
    assert (
        first.startswith("A difference in average length was shown: bb ")
        and "−0.60 to 0.90, p = 0.004)" in first
    )
    assert "at the look with 3 and 3 seeds on 60 sequences" in first and "from 0.009 down" in first
    assert "at the last look that is planned, with 8 seeds" in limit
    assert "hold together" in together and "ended early" in early
    assert (
        "were shown to differ in average length by less than the margin of 1.00 tasks"
        in adaptive("within")[0]
    )
    assert "Neither a difference in average length was shown" in adaptive("undecided")[0]
    assert "so far" in adaptive("open", 0.02)[0], "a p that would do without looks does not"


def test_before_the_first_look_nothing_is_said() -> None:
    runs = [*runs_of("a", 1.0, range(2)), *runs_of("bb", 4.0, range(2))]
    found = told(*runs, last_looks={"bb": LastLook(0, "open", None, None, 0.009, 1.0, 8)})
    assert found[0].startswith("Nothing can be said of bb against a") and "no look yet" in found[0]


@pytest.mark.parametrize(
    ("verdict", "ends"),
    [("open", "no look decides before they differ"), ("undecided", "no look is left")],
)
def test_where_nothing_varies_a_look_says_nothing(verdict: Any, ends: str) -> None:
    alike = [RunReport(arm, seed, 1, results=(0, 0, 0)) for arm in ("aa", "bb") for seed in range(3)]
    found = told(*alike, last_looks={"bb": LastLook(3, verdict, None, None, 0.009, 1.0, 8)})
    assert found[0].startswith("Nothing can be said of bb against aa") and found[0].endswith(f"; {ends}.")


def test_nothing_is_said_where_nothing_is_compared() -> None:
    assert told(*runs_of("a", 1.0, [0])) == []
    (only,) = told(*runs_of("a", 1.0, [0]), RunReport("bb", 0, 1))
    assert only == "bb and a were not compared: not judged, or not judged alike."
