"""For how long nothing new was said, by the clock of whoever listens.

Clocks of machines differ, any of them may be set, a virtual machine or a server may stand still for a while:
what others wrote down as the time is only compared with what they wrote before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

Who = TypeVar("Who", bound=Hashable)

#: At most this counts between two looks: whoever could not look did not hear either.
_BETWEEN_LOOKS_SECONDS = 2.0


class Silence:
    """Call `seconds` about once a second. Whoever is new has just spoken."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._looked_at = clock()
        self._heard: dict[Hashable, tuple[object, float]] = {}  # who -> (what was said last, seconds since)

    def seconds(self, said: Mapping[Who, object]) -> dict[Who, float]:
        """Since when each says the same. Who is not in `said` is forgotten."""
        now = self._clock()
        passed, self._looked_at = min(now - self._looked_at, _BETWEEN_LOOKS_SECONDS), now
        silent: dict[Who, float] = {}
        for who, word in said.items():
            before = self._heard.get(who)
            silent[who] = before[1] + passed if before is not None and before[0] == word else 0.0
        self._heard = {who: (said[who], seconds) for who, seconds in silent.items()}
        return silent


class Hearing:
    """The same for people, who look as often as they like: how long ago each was heard to say something new.

    None of whom was not heard to since this listener began: what it said before is of an unknown age.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._heard: dict[Hashable, tuple[object, float | None]] = {}  # who -> (what was said last, when)

    def ages(self, said: Mapping[Who, object]) -> dict[Who, float | None]:
        """Seconds by who. Who is not in `said` is forgotten."""
        now = self._clock()
        heard: dict[Hashable, tuple[object, float | None]] = {}
        for who, word in said.items():
            before = self._heard.get(who, (word, None))
            heard[who] = before if before[0] == word else (word, now)
        self._heard = heard
        moments = {who: heard[who][1] for who in said}
        return {who: None if at is None else now - at for who, at in moments.items()}
