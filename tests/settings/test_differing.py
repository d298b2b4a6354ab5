"""What differs, by key; a section that is off in one is told as one thing."""

from __future__ import annotations

from typing import Any

import pytest

from settings.differing import differing


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ({"a": 1, "b": 2}, {"a": 1.0, "b": 3}, {"b": (2, 3)}),
        ({"a": 1}, {"b": 2}, {"a": (1, None), "b": (None, 2)}),
        ({"s": None}, {"s.x": 1, "s.y": None}, {"s": (None, {"x": 1, "y": None})}),
        ({"s.x": 1, "s.y": 2}, {"s": None}, {"s": ({"x": 1, "y": 2}, None)}),
        ({"s.x": 1, "s.y": 2}, {"s.x": 1, "s.y": 3}, {"s.y": (2, 3)}),
        ({"s": None, "st": 1}, {"s": None, "st": 2}, {"st": (1, 2)}),
        ({"o": {}}, {"o.x": 1}, {"o.x": (None, 1)}),
        ({"o.x": 1}, {"o": {}}, {"o.x": (1, None)}),
        ({"s": None}, {"s": 3}, {"s": (None, 3)}),
    ],
)
def test_what_differs(before: dict[str, Any], after: dict[str, Any], found: dict[str, Any]) -> None:
    assert differing(before, after) == found
