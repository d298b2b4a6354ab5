"""Looks at results that came before the present ones, and what they cost."""

from __future__ import annotations

import pytest

from reports.looks import error_of_looks, looks_before


def test_only_what_could_have_been_concluded_from_is_a_look() -> None:
    earlier = [(1, 1), (3, 3), (3, 3), (4, 2), (6, 6), (9, 9)]
    assert looks_before(earlier, (6, 6)) == ((3, 3), (4, 2))
    assert looks_before([], (6, 6)) == ()


def test_one_look_errs_as_p_says_and_more_looks_more_often() -> None:
    one, two, four = (error_of_looks(tuple((n, n) for n in looks)) for looks in ((8,), (4, 8), (4, 5, 6, 8)))
    assert one == pytest.approx(0.05, abs=0.006)
    assert one + 0.01 < two < four < 0.15
    assert error_of_looks(((4, 4), (8, 8))) == two, "the same in every report"
