"""Durations as people write them, and how long a session may last."""

from __future__ import annotations

import math
import os
import re

from errors import ConfigError
from settings.shown import shown

DEADLINE_VARIABLE = "BATON_SESSION_DEADLINE"

_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_FORM = re.compile(r"(?:(\d+(?:\.\d+)?)([dhms]))+")


def seconds_of(text: str) -> float:
    """`11h30m`, `90s`, `2h`, or a plain number of seconds. Raises ConfigError for anything else."""
    compact = text.strip().lower()
    try:
        plain = float(compact)
    except ValueError:
        if not _FORM.fullmatch(compact):
            raise ConfigError(f"{shown(text)} is not a duration; write 11h30m, 90m or 45s") from None
        plain = sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"([\d.]+)([dhms])", compact))
    if not 0 < plain < float("inf"):
        raise ConfigError(f"{shown(text)} is not a positive duration")
    return plain


def session_seconds(limit: str | None, now: float) -> float | None:
    """How long this session may last: `limit`, or until `BATON_SESSION_DEADLINE` (Unix seconds; negative once that
    is past). That time of day is compared with `now` here, once: the clock may be set later."""
    if limit is not None:
        return seconds_of(limit)
    text = os.environ.get(DEADLINE_VARIABLE)
    if not text:
        return None
    try:
        deadline = float(text)
    except ValueError:
        deadline = math.nan
    if not math.isfinite(deadline):
        raise ConfigError(f"{DEADLINE_VARIABLE} must be Unix seconds, not {shown(text)}")
    return deadline - now
