"""The scheduler: rings what is ready, takes back what was lost. Any number may run."""

from __future__ import annotations

import logging
import time

from db import jobs, members, missing
from db.engine import Database
from db.silence import Silence
from settings.queue import QueueSettings
from workers.bell import Bell

logger = logging.getLogger("baton.scheduler")

#: How often the slower checks (missing workers, lost bells) run.
CHECK_SECONDS = 1.0


class Scheduler:
    """`tick` does one round; `run` repeats it until told to stop."""

    def __init__(
        self, database: Database, bell: Bell, settings: QueueSettings, silence: Silence | None = None
    ) -> None:
        self._database = database
        self._bell = bell
        self._settings = settings
        self._silence = silence or Silence()
        self._sessions = Silence()
        self._next_check = 0.0

    def tick(self) -> int:
        """One round. Returns how many bells were rung."""
        if time.monotonic() >= self._next_check:
            self._next_check = time.monotonic() + CHECK_SECONDS
            self.reap()
            self._bell.reconcile()
        return self._bell.ring_ready()

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
