"""What is said while an evaluation runs."""

from __future__ import annotations

import pytest

from views.live_estimate import SO_FAR, live_estimate


def said(capsys: pytest.CaptureFixture[str], *results: int) -> str:
    capsys.readouterr()
    with live_estimate(len(results)) as show:
        show(results)
    return capsys.readouterr().err


def test_both_intervals_are_told_and_what_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    first, told = said(capsys, 0, 1, 5, 2).splitlines()
    assert first == SO_FAR
    assert told.startswith("4/4  1/5 75.0% [13.") and "average length 2.00 [0." in told


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
