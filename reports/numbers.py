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


def duration(seconds: float) -> str:
    """Seconds as a person reads them: `41 s`, `3 min 05 s`, `7 h 20 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
