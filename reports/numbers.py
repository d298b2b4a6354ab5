"""Differences, intervals and p-values as people read them."""

from __future__ import annotations

from reports.methods import Interval


def signed(value: float, digits: int) -> str:
    """`+1.5`, `−0.2`: with a minus sign, not a hyphen."""
    return f"{value:+.{digits}f}".replace("-", "−")


def p_words(value: float) -> str:
    """A p-value as people read it."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def interval_words(interval: Interval, scale: float, digits: int) -> str:
    low, high = (f"{scale * edge:.{digits}f}".replace("-", "−") for edge in interval)
    return f"{low} to {high}"


def p_equals(value: float) -> str:
    """`p < 0.001`, `p = 0.235`."""
    return f"p {'' if value < 0.001 else '= '}{p_words(value)}"
