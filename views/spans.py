"""Spans of time, in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def time_left_text(left: Mapping[str, Any] | None, workers: bool) -> str:
    """In words, and as vague as it has to be."""
    if left is None:
        return ""
    if not workers or left["low_seconds"] is None:
        return (
            "time left: unknown while no worker runs" if not workers else "time left: no worker for some jobs"
        )
    if not left["untimed"]:
        low, high = span(left["low_seconds"]), span(left["high_seconds"])
        return f"time left: about {low}" if low == high else f"time left: {low} to {high}"
    kinds = ", ".join(left["untimed"])
    if left["low_seconds"] == 0:
        return f"time left: unknown, as no such {kinds} job has ended yet"
    return f"time left: more than {span(left['low_seconds'])} (no such {kinds} job has ended yet)"


def span(seconds: float) -> str:
    """Two units at most: `40 s`, `12 min`, `3 h 05 min`, `2 d 4 h`."""
    if not math.isfinite(seconds):
        return "unknown"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"
