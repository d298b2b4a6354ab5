"""The scheduler: rings what is ready, takes back what was lost. Any number may run."""

from __future__ import annotations

import logging
import time

from db import jobs, members
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
        for missing in members.find_missing(self._database, self._settings.lease_seconds, self._silence):
            lost = jobs.take_back(
                self._database, missing.leases, missing.reason, self._settings.max_losses, now
            )
            taken += len(lost)
            for entry in lost:
                logger.warning("%s: taken back (%s), now %s", entry.label, missing.reason, entry.state)
            if missing.worker_id:
                members.mark_gone(self._database, missing.worker_id, missing.reason, now)
        return taken
