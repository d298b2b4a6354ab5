"""This process as a worker: its row, its heartbeat, and what it is doing right now."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time

from db import jobs, members
from db.engine import Database
from db.jobs import Claim, gangs
from errors import LeaseLost, StateDamaged
from settings.gang_address import gang_address
from settings.queue import QueueSettings
from tasks.kind import Spec
from workers.attempt import AttemptContext, StopSignal
from workers.unsaved import Unsaved

logger = logging.getLogger("baton.worker")


class Member:
    """A registered worker. `stop` is set once and ends every attempt from then on."""

    def __init__(
        self, database: Database, settings: QueueSettings, name: str, device: str, session_id: int | None
    ) -> None:
        self._database = database
        self._settings = settings
        self.name = name
        self.device = device
        self.id = members.join(database, name, device, session_id, time.time(), gang_address())
        #: When the machine goes away, as `settings.clock.steady` tells it; None: not known.
        self.ends_at = members.session_end(database, session_id)
        self.stop = StopSignal()
        self.unsaved = Unsaved.inherited()
        #: Set when the state turned out to be damaged: nothing more can be written.
        self.damage: StateDamaged | None = None
        #: Jobs of the message that this worker is at, which it has not begun.
        self.to_come: list[int] = []
        self._current: tuple[Claim, AttemptContext[Spec]] | None = None
        self._wanted_by: tuple[int, float] | None = None
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._beat_until_left, name="heartbeat", daemon=True)
        self._thread.start()

    def begin(self, claim: Claim, context: AttemptContext[Spec]) -> None:
        self._current = (claim, context)

    def end(self) -> None:
        """The attempt is over, and what it did is in the state or of no use."""
        self._current = None
        self.unsaved.anything = False

    @property
    def busy(self) -> bool:
        return self._current is not None

    def abandon(self, reason: str) -> None:
        """Put back what this worker holds and mark its row, in the midst of an attempt, which is none from now on."""
        jobs.put_back(self._database, [self.id], reason, time.time())
        jobs.unring(self._database, list(self.to_come))
        members.leave(self._database, self.id, time.time())

    def give_up(self, damage: StateDamaged) -> None:
        """End this process in order, as by SIGTERM: its next attempt would end like this one."""
        if self.damage is None:
            self.damage = damage
            self.stop.set("preempted")
            os.kill(os.getpid(), signal.SIGTERM)

    def leave(self) -> None:
        """Stop beating and mark the row. Call once, when the process ends in order."""
        self._left.set()
        self._thread.join()
        members.leave(self._database, self.id, time.time())

    def _beat_until_left(self) -> None:
        while not self._left.wait(self._settings.heartbeat_seconds):
            try:
                self._beat()
            except StateDamaged as error:
                self.give_up(error)
            except Exception:
                # The lease outlives several beats; the next one may get through.
                logger.exception("heartbeat failed")

    def _is_wanted(self, claim: Claim) -> bool:
        """Whether a job of several devices waited for this worker long enough, by this process's clock."""
        wanted = gangs.keeps_waiting(self._database, self.id)
        if wanted is None or wanted == claim.job_id:
            self._wanted_by = None
            return False
        if self._wanted_by is None or self._wanted_by[0] != wanted:
            self._wanted_by = wanted, time.monotonic()
        return time.monotonic() - self._wanted_by[1] >= self._settings.gang_wait_seconds

    def _beat(self) -> None:
        current = self._current
        now = time.time()
        if current is None:
            members.beat(self._database, self.id, None, None, now)
            return
        claim, context = current
        members.beat(self._database, self.id, claim.job_id, context.progress, now)
        try:
            asked = jobs.extend_lease(
                self._database, claim, self._settings.lease_seconds, context.furthest, context.seconds, now
            )
            if asked is not None:
                context.job_stop.set(asked)
            context.is_wanted_elsewhere = self._is_wanted(claim)
        except LeaseLost:
            # Between the end of one attempt and the begin of the next the lease is rightly gone.
            if self._current is current:
                context.job_stop.set("fenced")
