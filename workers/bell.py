"""Ringing: ready jobs become queued in the database, then a message wakes a worker.

Dying between the two loses only a message; `reconcile` puts such jobs back.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import redis
from celery import Celery
from kombu.exceptions import OperationalError

from db import jobs, members, timings
from db.engine import Database
from db.jobs import gangs
from db.jobs.bells import Rung, WaitingJob
from db.jobs.seating import Hand
from db.members import LivingWorker
from db.silence import Silence
from db.states import QUEUED, RUNNING
from settings.queue import QueueSettings
from tasks.registry import versions
from workers.app import key_of, resource_queue, ring_bell, worker_queue
from workers.together import begun_with, together

logger = logging.getLogger("baton.scheduler")

#: For how long it is believed how long the jobs of each kind take.
_TIMED_SECONDS = 1.0

ACCELERATOR = "accelerator"
RESOURCES = ("cpu", ACCELERATOR)


class Bell:
    """Any number of processes may ring: every move is guarded.

    Each counts by its own clock for how long it saw a bell unanswered, and a job wait.
    """

    def __init__(
        self,
        database: Database,
        app: Celery,
        broker: redis.Redis,
        settings: QueueSettings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._app = app
        self._broker = broker
        self._settings = settings
        self._clock = clock
        self._unanswered, self._waits = Silence(clock), Silence(clock)
        self._gathers = Silence(clock)
        self._seconds_of: Mapping[str, float] = {}
        self._timed_at: float | None = None
        #: Whether jobs were rung that nobody knew the time of: by the next time some may have ended.
        self._met_unknown = False

    def ring_ready(self) -> int:
        """Ring what is ready and has room. Returns for how many jobs bells were sent.

        A broker that cannot be reached is logged; the jobs go back to ready.
        """
        sent = 0
        before = jobs.outlook(self._database)
        self._end_waits(before.waiting)
        living = members.living(self._database)
        hands = _hands(living)
        known = self._seconds_by_kind() if self._met_unknown else self._seconds_of
        some = partial(begun_with, seconds=known, workers=len(living))
        for resource, room in self._room(before.out, len(hands)).items():
            if resource == ACCELERATOR and before.several:
                sent += self._ring_seated(hands)
            elif room > 0:
                rows = jobs.ring(self._database, resource, room, time.time(), versions(), some)
                sent += self._send(rows, resource, living)
        return sent

    def _end_waits(self, waiting: Sequence[WaitingJob]) -> None:
        wanted = {(row.id, row.lease_token): row.wait_seconds for row in waiting}
        waited = self._waits.seconds(wanted)
        jobs.end_wait(self._database, [who for who, seconds in waited.items() if seconds >= wanted[who]])

    def _room(self, out: Mapping[tuple[str, str], int], hands: int) -> dict[str, int]:
        """Jobs to ring now, by resource, where none is divided over devices.

        Small jobs need a supply. Those of the accelerator are long, and what is rung stands in line: they are
        rung when a worker is free, so that the order is the database's at that moment.
        """
        busy = out.get((ACCELERATOR, QUEUED), 0) + out.get((ACCELERATOR, RUNNING), 0)
        return {
            "cpu": self._settings.ring_window - out.get(("cpu", QUEUED), 0),
            ACCELERATOR: max(1, hands) - busy,
        }

    def _ring_seated(self, hands: Sequence[LivingWorker]) -> int:
        """Where jobs are divided over devices each bell is for certain workers, in queues of their own."""
        rung = gangs.ring_seated(self._database, ACCELERATOR, _as_seen(hands), time.time(), versions())
        for place, (row, workers) in enumerate(rung):
            try:
                for worker_id in workers:
                    ring_bell(
                        self._app, [row], worker_queue(worker_id), worker_id if row.devices > 1 else None
                    )
            except (OperationalError, redis.RedisError, OSError) as error:
                logger.warning("broker: %s", error)
                jobs.unring(self._database, [unsent.id for unsent, _ in rung[place:]])
                return place
        return len(rung)

    def reconcile(self) -> int:
        """queued -> ready where the broker no longer holds the bell. Returns how many."""
        every = jobs.queued(self._database)
        rows = [row for row in every if row.devices == 1]
        unanswered = self._unanswered.seconds({row.id: row.queued_at for row in rows})
        stale = [
            row.id
            for row in rows
            if row.preferred_worker_id is not None and unanswered[row.id] > self._settings.affinity_seconds
        ]
        for resource in RESOURCES:
            old = [
                row.id
                for row in rows
                if row.resource == resource
                and row.preferred_worker_id is None
                and unanswered[row.id] > self._settings.ring_timeout_seconds
            ]
            try:
                if old and self._broker.llen(key_of(self._app, resource_queue(resource))) == 0:
                    stale += old
            except redis.RedisError as error:
                logger.warning("broker: %s", error)
                return 0
        if len(rows) < len(every):
            stale += self._ungathered({row.id: row.queued_at for row in every})
        moved = jobs.unring(self._database, stale)
        if moved:
            logger.info("%d bells were lost and are rung again", moved)
        return moved

    def _ungathered(self, queued_at: Mapping[int, float | None]) -> list[int]:
        """Jobs whose workers do not all come: one of them is gone, or heard nothing."""
        waiting = {row.id: row for row in gangs.rung(self._database)}
        seconds = self._gathers.seconds(
            {row.id: (queued_at.get(row.id), row.there) for row in waiting.values()}
        )
        late = self._settings.affinity_seconds
        return [row.id for row in waiting.values() if row.gone or (row.idle and seconds[row.id] > late)]

    def _send(self, rows: Sequence[Rung], resource: str, living: Sequence[LivingWorker]) -> int:
        here = {worker.id for worker in living}
        sent = 0
        seconds = self._seconds_by_kind() if len(rows) > 1 else {}
        for several in together(rows, seconds, len(living)):
            own = several[0].preferred_worker_id
            queue = worker_queue(own) if own is not None and own in here else resource_queue(resource)
            try:
                ring_bell(self._app, several, queue)
            except (OperationalError, redis.RedisError, OSError) as error:
                logger.warning("broker: %s", error)
                jobs.unring(self._database, [unsent.id for unsent in rows[sent:]])
                break
            sent += len(several)
        self._met_unknown |= any(row.kind not in self._seconds_of for row in rows)
        return sent

    def _seconds_by_kind(self) -> Mapping[str, float]:
        now = self._clock()
        if self._met_unknown or self._timed_at is None or now - self._timed_at >= _TIMED_SECONDS:
            self._seconds_of, self._timed_at = timings.seconds_by_kind(self._database), now
            self._met_unknown = False
        return self._seconds_of


def _hands(living: Sequence[LivingWorker]) -> list[LivingWorker]:
    """Workers that take the accelerator's jobs: beside GPUs of its machine (or container) one on the processor leaves
    them to those."""
    with_gpus = {worker.process_space for worker in living if worker.device != "cpu"}
    return [worker for worker in living if worker.device != "cpu" or worker.process_space not in with_gpus]


def _as_seen(hands: Sequence[LivingWorker]) -> list[Hand]:
    """A worker's device is `cpu`, `cuda:0` or several as `cuda:0+1`. Where nobody can say which machine it is on, it
    works alone."""
    return [
        Hand(
            hand.id,
            hand.process_space or f"of worker {hand.id}",
            hand.device.count("+") + 1,
            counted=hand.device != "cpu",
            reachable=hand.address is not None,
        )
        for hand in hands
    ]
