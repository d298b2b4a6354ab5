"""Whether the broker takes work, asked beside everything else: asking may take seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from redis import RedisError

from workers.broker import fault_of, try_it

_ASK_SECONDS = 2.0

#: A busy machine may let a broker wait for that long.
SILENT_SECONDS = 15.0


class BrokerWatch:
    """Asks in a thread of its own until `stop`. `fault`: what ails it, to be said after its name, or None."""

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._clock = clock
        self._answered = self._began = clock()
        self._fault: str | None = None
        self._done = threading.Event()
        threading.Thread(target=self._watch, name="broker", daemon=True).start()

    @property
    def fault(self) -> str | None:
        """None while it has taken something within SILENT_SECONDS."""
        silent = self._clock() - self._answered > SILENT_SECONDS
        return (self._fault or "does not answer") if silent else None

    @property
    def overdue(self) -> bool:
        """Whether it has a fault and had as long since it was last started."""
        return self.fault is not None and self._clock() - self._began > SILENT_SECONDS

    def started(self) -> None:
        """Call when it is started again: its fault stays until it answers."""
        self._began = self._clock()

    def stop(self) -> None:
        self._done.set()

    def ask(self) -> None:
        try:
            try_it(self._url)
        except (RedisError, OSError, ValueError) as error:
            self._fault = fault_of(error)
        else:
            self._answered = self._clock()

    def _watch(self) -> None:
        while not self._done.wait(_ASK_SECONDS):
            self.ask()
