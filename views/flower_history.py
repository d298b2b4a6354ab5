"""Telling Flower again what it missed: events are lost while the broker or Flower is away, rows are not.

Every ended attempt is told a few seconds after its end was seen and again later, when a Flower that had lost its
connection listens again. Told twice, a task is still one task: its id names job and attempt.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError

from db import progress
from db.engine import Database
from db.progress import NamedAttempt
from db.states import FAILED, LOST, OOM, SUCCEEDED
from errors import StateDamaged
from workers.app import TASK_PREFIX, task_arguments, task_id

logger = logging.getLogger("baton.flower")

#: How long after its end was seen an attempt is told.
_DELAYS_SECONDS = (2.0, 15.0, 90.0)

_LOOK_SECONDS = 2.0

#: Attempts told when Flower starts: as many as it keeps.
_LIMIT = 10_000


@dataclass
class _Ended:
    """An attempt that ended, when that was seen, and how often it was told."""

    row: NamedAttempt
    seen_at: float
    told: int = 0

    def due(self, now: float) -> bool:
        return now - self.seen_at >= _DELAYS_SECONDS[self.told]


class History:
    """Tells each attempt once for each delay; what could not be sent is sent in the next round."""

    def __init__(self, app: Celery, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._database = database
        self._clock = clock
        self._away = (OSError, OperationalError, *app.connection().connection_errors)
        self._newest = 0
        self._running: set[int] = set()
        self._ended: dict[int, _Ended] = {}

    def run(self, stop: threading.Event) -> None:
        """Rounds until `stop`. A broker that is away is no fault: the next round comes."""
        while not stop.wait(_LOOK_SECONDS):
            try:
                self.tell()
            except StateDamaged as error:
                logger.error("%s", error)
                return
            except self._away as error:
                logger.info("the broker is away: %s", error)

    def tell(self) -> int:
        """One round. Returns how many attempts were told."""
        now = self._clock()
        for row in progress.attempts_since(self._database, self._newest, self._running, _LIMIT):
            self._newest = max(self._newest, row.id)
            if row.outcome is None:
                self._running.add(row.id)
            else:
                self._running.discard(row.id)
                self._ended[row.id] = _Ended(row, now)
        due = [entry for entry in self._ended.values() if entry.due(now)]
        if due:
            with self._app.connection_for_write() as connection:
                connection.ensure_connection(max_retries=1)
                with self._app.events.Dispatcher(connection, buffer_while_offline=False) as dispatcher:
                    for entry in due:
                        _tell(dispatcher, entry.row)
        for entry in due:
            entry.told += 1
            if entry.told == len(_DELAYS_SECONDS):
                del self._ended[entry.row.id]
        return len(due)


def _tell(dispatcher: Any, row: NamedAttempt) -> None:
    dispatcher.hostname = f"{row.worker}@{row.host}"
    about = {"uuid": task_id(row.job_id, row.lease_token)}
    arguments = task_arguments(row.kind, row.label, row.step_from, row.target_steps)
    dispatcher.send(
        "task-received", **about, name=TASK_PREFIX + row.kind, args=arguments, kwargs="{}", retries=0, eta=None,
        expires=None, timestamp=row.started_at,
    )  # fmt: skip
    dispatcher.send("task-started", **about, timestamp=row.started_at)
    if row.outcome in (FAILED, OOM, LOST):
        said = f"{row.outcome}: {row.reason}"
        dispatcher.send("task-failed", **about, exception=repr(said), traceback="", timestamp=row.ended_at)
        return
    said = row.outcome if row.outcome == SUCCEEDED else f"{row.outcome} at step {row.step_to}"
    dispatcher.send(
        "task-succeeded", **about, result=repr(said), runtime=row.took_seconds, timestamp=row.ended_at
    )
