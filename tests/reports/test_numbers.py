"""Rounding hides neither on which side of a limit a number lies, nor gives nothing a sign."""

from __future__ import annotations

import pytest

from reports.numbers import fixed, interval_words, p_equals, p_words, signed


@pytest.mark.parametrize(
    ("value", "told"),
    [(0.0, "0.0"), (-0.0, "0.0"), (-0.04, "0.0"), (0.04, "0.0"), (-9.14, "−9.1"), (12.5, "+12.5")],
)
def test_what_is_nothing_when_rounded_has_no_sign(value: float, told: str) -> None:
    assert signed(value, 1) == told
    assert fixed(value, 1) == told.lstrip("+")


@pytest.mark.parametrize(
    ("edges", "told"),
    [
        ((0.004, 0.308), "0.004 to 0.308"),
        ((-0.0004, 0.31), "−0.0004 to 0.3100"),
        ((0.0, 0.31), "0.00 to 0.31"),
        ((-0.3, -0.001), "−0.300 to −0.001"),
        ((0.312, 0.3141), "0.312 to 0.314"),
        ((0.31, 0.31), "0.31 to 0.31"),
        ((1e-17, 0.31), "0.00 to 0.31"),
    ],
)
def test_an_edge_beside_zero_is_told_from_it_and_one_from_the_other(
    edges: tuple[float, float], told: str
) -> None:
    assert interval_words(edges, 1, 2) == told


def test_an_edge_within_a_margin_is_told_from_it() -> None:
    assert interval_words((-0.1478, 0.09), 1, 2, 0.15) == "−0.148 to 0.090"
    assert interval_words((-0.15, 0.09), 1, 2, 0.15) == "−0.15 to 0.09"
    assert interval_words((-0.0996, 0.0305), 100, 1, 10.0) == "−9.96 to 3.05"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0.04996, "0.04996"),
        (0.0504, "0.050"),
        (0.0496, "0.0496"),
        (0.05, "0.050"),
        (0.0472, "0.047"),
        (0.2, "0.200"),
        (0.0009, "< 0.001"),
    ],
)
def test_p_is_on_its_own_side_of_the_level(value: float, told: str) -> None:
    assert p_words(value) == told
    assert p_equals(value) == f"p {'' if value < 0.001 else '= '}{told}"


def test_p_of_a_look_is_on_its_own_side_of_the_bound_as_printed() -> None:
    """0.006393, printed 0.00639."""
    assert [p_words(p, 0.006393) for p in (0.00642, 0.0064, 0.00637, 0.0061)] == [
        "0.0064",
        "0.0064",
        "0.006",
        "0.006",
    ]
    assert p_words(0.0064, 0.0638) == "0.006"
    assert p_words(0.0003, 0.0002) == "0.0003", "and below 0.001 where the bound is"
