"""Long lists in parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

#: Rows, or values of one column, in one statement; SQLite binds at most 32,766 values.
PER_STATEMENT = 500

Item = TypeVar("Item")


def in_parts(items: Sequence[Item], size: int = PER_STATEMENT) -> Iterator[Sequence[Item]]:
    """All of them in order, at most `size` at a time; nothing for an empty list."""
    return (items[start : start + size] for start in range(0, len(items), size))
