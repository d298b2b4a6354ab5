"""The scheduler: rings what is ready, takes back what was lost. Any number may run."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from db import jobs, members, missing, rounds
from db.engine import Database
from db.rows import AblationRow
from db.silence import Silence
from settings.queue import QueueSettings
from workers.bell import Bell

logger = logging.getLogger("baton.scheduler")

#: How often the slower checks (missing workers, lost bells) run.
CHECK_SECONDS = 1.0
#: After a round was planned, or could not be.
ROUND_SECONDS = 10.0

#: Decides how an ablation goes on whose jobs have all succeeded, and says what came of it (None: somebody else did).
PlayRound = Callable[[Database, AblationRow, float], str | None]


class Scheduler:
    """`tick` does one round; `run` repeats it until told to stop."""

    def __init__(
        self,
        database: Database,
        bell: Bell,
        settings: QueueSettings,
        silence: Silence | None = None,
        play_round: PlayRound | None = None,
    ) -> None:
        """play_round: None leaves ablations that wait for a decision to other schedulers."""
        self._database = database
        self._bell = bell
        self._settings = settings
        self._silence = silence or Silence()
        self._sessions = Silence()
        self._next_check = 0.0
        self._play_round = play_round
        self._next_round: dict[tuple[int, str], float] = {}

    def tick(self) -> int:
        """One round. Returns how many bells were rung."""
        if time.monotonic() >= self._next_check:
            self._next_check = time.monotonic() + CHECK_SECONDS
            self.reap()
            self._bell.reconcile()
            self.play_rounds()
        return self._bell.ring_ready()

    def play_rounds(self) -> None:
        """Have it decided how ablations go on that wait for that. What cannot be decided is tried again in a while."""
        for row in rounds.waiting(self._database) if self._play_round is not None else ():
            assert self._play_round is not None
            if time.monotonic() >= self._next_round.get((row.id, row.key), 0.0):
                sentence = self._play_round(self._database, row, time.time())
                self._next_round[row.id, row.key] = time.monotonic() + ROUND_SECONDS
                if sentence is not None:
                    logger.info("%s", sentence)

    def reap(self) -> int:
        """Take jobs back from workers that are gone. Returns how many jobs."""
        taken = 0
        now = time.time()
        lease_seconds = self._settings.lease_seconds
        missing.close_lost_sessions(self._database, lease_seconds, self._sessions, now)
        for gone in missing.find_missing(self._database, lease_seconds, self._silence):
            lost = jobs.take_back(
                self._database,
                gone.leases,
                gone.reason,
                self._settings.max_losses,
                now,
                max_session_losses=self._settings.max_session_losses if gone.with_session else None,
            )
            taken += len(lost)
            for entry in lost:
                logger.warning("%s: taken back (%s), now %s", entry.label, gone.reason, entry.state)
            if gone.worker_id:
                members.mark_gone(self._database, gone.worker_id, gone.reason, now)
        return taken
