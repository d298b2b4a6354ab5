"""Whether anything moves: what cannot be asked is watched for a while, by this process's own clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Seen = TypeVar("Seen")


def watched(look: Callable[[], Seen], before: Seen, seconds: float, look_seconds: float) -> Seen:
    """What `look` gives once that is not `before` any more, or `before` where it stood still for `seconds`.

    look_seconds: between two looks. The last one is not before the end. Raises what `look` raises.
    """
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(min(look_seconds, seconds))
        now = look()
        if now != before:
            return now
    return before
