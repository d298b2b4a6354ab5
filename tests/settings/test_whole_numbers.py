"""Texts that may be whole numbers."""

import pytest

from settings.whole_numbers import MOST, whole_number


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("17", 17), ("007", 7), (str(MOST), MOST)])
def test_digits_are_a_number(text: str, number: int) -> None:
    assert whole_number(text) == number


@pytest.mark.parametrize(
    "text", ["", "-1", "+1", " 1", "1_0", "0x1", "1.0", "²", "１", "١", str(MOST + 1), "9" * 5000]
)
def test_all_else_is_none(text: str) -> None:
    assert whole_number(text) is None
