"""Whole numbers as people type them, where something else may stand in their place."""

from __future__ import annotations

#: PostgreSQL's INTEGER, which numbers of rows are.
LARGEST = 2**31 - 1
_MOST_DIGITS = 10


def whole_number(text: str) -> int | None:
    """The number from 0 to LARGEST that `text` is; None where it is anything else.

    Letters such as `²` are digits to Python and no numbers to `int`.
    """
    if not (text.isascii() and text.isdigit()) or len(text.lstrip("0")) > _MOST_DIGITS:
        return None
    number = int(text.lstrip("0") or "0")
    return number if number <= LARGEST else None
