"""What ablations are called where several are told of: by name, and by id too where two have one name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable


def told_apart(named: Iterable[tuple[int, str]]) -> dict[int, str]:
    """(id, name) of each -> what it is called."""
    entries = list(named)
    count = Counter(name for _, name in entries)
    return {number: f"{name} ({number})" if count[name] > 1 else name for number, name in entries}
