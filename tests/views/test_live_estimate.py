"""What is said while an evaluation runs."""

from __future__ import annotations

import pytest

from views.live_estimate import OF_ONE, SO_FAR, FirstSteps, live_estimate


def said(capsys: pytest.CaptureFixture[str], *results: int) -> str:
    capsys.readouterr()
    with live_estimate(len(results)) as show:
        show(results)
    return capsys.readouterr().err


def test_both_intervals_are_told_and_what_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    first, told = said(capsys, 0, 1, 5, 2).splitlines()
    assert first == SO_FAR
    assert told.startswith("4/4  1/5 75.0% [13.") and "average length 2.00 [0." in told


@pytest.mark.parametrize("results", [(0,), (0, 3)])
def test_that_the_result_has_other_intervals_is_told(
    results: tuple[int, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """Also of one sequence, whose first line is the last."""
    first, *_ = said(capsys, *results).splitlines()
    assert first == (SO_FAR if len(results) > 1 else OF_ONE)
    assert "hold at any look, and are wider than those of the result" in first


def test_equal_results_leave_room_for_others(capsys: pytest.CaptureFixture[str]) -> None:
    low, high = said(capsys, 0, 0).splitlines()[-1].rsplit("[", 1)[1].rstrip("]").split(", ")
    assert float(low) == 0 and float(high) > 2


def test_elsewhere_than_on_a_terminal_a_line_comes_at_every_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    with live_estimate(40) as show:
        for number in range(1, 41):
            show([0, 5] * (number // 2) + [1] * (number % 2))
    lines = capsys.readouterr().err.splitlines()[1:]
    assert [line.split("/")[0] for line in lines] == [str(number) for number in range(4, 41, 4)]


def test_before_the_first_result_steps_are_told_whenever_they_are_twice_as_many(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with live_estimate(2) as show:
        for steps in range(5, 45, 5):
            show((), steps)
        show((3,))
        show((3, 0))
    words = "so far; no sequence has ended yet"
    lines = capsys.readouterr().err.splitlines()
    assert lines[:4] == [f"0/2  {steps} steps {words}" for steps in (5, 10, 20, 40)]
    assert lines[4] == SO_FAR and lines[5].startswith("1/2  1/5 100.0%")
    FirstSteps(7)(1)
    assert capsys.readouterr().err == f"0/7  1 step {words}\n"
