"""Texts that may be whole numbers. `str.isdigit` and `int` do not agree on what is one: ², １ and 1_0 are cases."""

from __future__ import annotations

#: What a column of either kind of state holds, and any row's id.
MOST = 2**63 - 1
_MOST_DIGITS = len(str(MOST))


def whole_number(text: str) -> int | None:
    """The number that ASCII digits say, up to `MOST`; None for every other text."""
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        return None
    number = int(text)
    return number if number <= MOST else None
