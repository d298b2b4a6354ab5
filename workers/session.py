"""How old a session is and how long it has left, by a clock that nobody sets."""

from __future__ import annotations

import logging
from collections.abc import Callable

from db import members
from db.engine import Database
from settings.clock import steady
from settings.queue import QueueSettings

logger = logging.getLogger("baton.session")


class SessionClock:
    """The row of this session in the state, kept up by its own command. `id`: the row's.

    Workers read the end from the row; whoever looks from another machine reads the age there, as nothing else that
    both know is the same on both.
    """

    def __init__(
        self,
        database: Database,
        command: str,
        limit_seconds: float | None,
        now: float,
        began: float | None = None,
        clock: Callable[[], float] = steady,
        tell_seconds: float = QueueSettings.heartbeat_seconds,
    ) -> None:
        """began: the reading of `clock` from which the limit counts; None: this moment. now: for people.

        tell_seconds: how often others are told, who take a session that says nothing for a lease for gone.
        """
        self._database = database
        self._clock = clock
        self._tell_seconds = tell_seconds
        self._began = clock() if began is None else began
        self._limit_seconds = limit_seconds
        self.id = members.open_session(database, command, limit_seconds, now, self._began)
        self._tell_at = clock() + self._tell_seconds

    @property
    def age_seconds(self) -> float:
        return self._clock() - self._began

    @property
    def left_seconds(self) -> float | None:
        """Until the machine goes away, negative once it should be gone; None where that is not known."""
        return None if self._limit_seconds is None else self._limit_seconds - self.age_seconds

    def tell(self) -> None:
        """Write down the age now and then. Call it as often as you like.

        A full disk or a state that is busy does not end a session: the next time may get through.
        """
        if self._clock() < self._tell_at:
            return
        self._tell_at = self._clock() + self._tell_seconds
        try:
            members.note_age(self._database, self.id, self.age_seconds)
        except Exception:
            logger.warning("the session's age could not be written down", exc_info=True)

    def close(self, reason: str, now: float) -> None:
        members.close_session(self._database, self.id, reason, now, self.age_seconds)
