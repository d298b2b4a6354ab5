"""Differences, intervals and p-values as people read them."""

from __future__ import annotations

from reports.level import ALPHA
from reports.methods import Interval

#: Digits after the point at most, of what a rounded figure would hide.
_MOST_DIGITS = 8


def fixed(value: float, digits: int) -> str:
    """`1.5`, `−0.2`: with a minus sign, not a hyphen; what is 0 when rounded has none."""
    told = f"{value:.{digits}f}"
    return told.replace("-", "−" if float(told) else "")


def signed(value: float, digits: int) -> str:
    """`+1.5`, `−0.2`, `0.0`."""
    told = fixed(value, digits)
    return f"+{told}" if value > 0 and float(told) else told


def bound_words(value: float) -> str:
    """A bound of p as people read it."""
    return f"{value:.3g}"


def p_words(value: float, bound: float = ALPHA) -> str:
    """A p-value as people read it, with as many digits as show whether it is below the bound."""
    if value < 0.001 <= bound:
        return "< 0.001"
    limit, digits = float(bound_words(bound)), 3
    while (float(f"{value:.{digits}f}") < limit) != (value < bound) and digits < _MOST_DIGITS:
        digits += 1
    return f"{value:.{digits}f}"


def interval_words(interval: Interval, scale: float, digits: int, margin: float = 0.0) -> str:
    """`−0.42 to 0.18`, with as many digits as tell an edge from 0, from ± the margin, and one edge from the other."""
    edges = [0.0 if abs(scale * edge) < 10.0**-_MOST_DIGITS else scale * edge for edge in interval]

    def hides(places: int) -> bool:
        told = [float(f"{edge:.{places}f}") for edge in edges]
        same = told[0] == told[1] and edges[1] - edges[0] > 10.0**-_MOST_DIGITS
        return same or any(
            abs(edge) != limit and abs(shown) == limit
            for edge, shown in zip(edges, told, strict=True)
            for limit in (0.0, round(margin, _MOST_DIGITS))
        )

    digits = next((places for places in range(digits, _MOST_DIGITS) if not hides(places)), digits)
    low, high = (fixed(edge, digits) for edge in edges)
    return f"{low} to {high}"


def p_equals(value: float, bound: float = ALPHA) -> str:
    """`p < 0.001`, `p = 0.235`."""
    told = p_words(value, bound)
    return f"p {'' if told.startswith('<') else '= '}{told}"


def duration(seconds: float) -> str:
    """Seconds as a person reads them: `41 s`, `3 min 05 s`, `7 h 20 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
