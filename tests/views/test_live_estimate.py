"""What is said while an evaluation runs."""

from __future__ import annotations

import pytest

from views.live_estimate import live_estimate


def said(capsys: pytest.CaptureFixture[str], *results: int) -> str:
    capsys.readouterr()
    with live_estimate(len(results)) as show:
        show(results)
    return capsys.readouterr().err


def test_both_intervals_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    told = said(capsys, 0, 1, 5, 2)
    assert told.startswith("4/4  1/5 75.0% [30.1%, 95.4%]  average length 2.00 [0.")


def test_equal_results_have_no_interval(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, 0, 0).endswith("average length 0.00 [all 2 alike]\n")


def test_elsewhere_than_on_a_terminal_a_line_comes_at_every_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    with live_estimate(40) as show:
        for number in range(1, 41):
            show([0, 5] * (number // 2) + [1] * (number % 2))
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("/")[0] for line in lines] == [str(number) for number in range(4, 41, 4)]
