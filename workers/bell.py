"""Ringing: ready jobs become queued in the database, then a message wakes a worker.

Dying between the two loses only a message; `reconcile` puts such jobs back.
"""

from __future__ import annotations

import logging
import time
from typing import Any

import redis
from celery import Celery
from kombu.exceptions import OperationalError

from db import jobs, members
from db.engine import Database
from settings.queue import QueueSettings
from workers.app import resource_queue, ring_bell, worker_queue

logger = logging.getLogger("baton.scheduler")

RESOURCES = ("cpu", "accelerator")


class Bell:
    """Any number of processes may ring: every move is guarded."""

    def __init__(self, database: Database, app: Celery, broker: redis.Redis, settings: QueueSettings) -> None:
        self._database = database
        self._app = app
        self._broker = broker
        self._settings = settings

    def ring_ready(self) -> int:
        """Ring what is ready, up to the window of each resource. Returns how many bells were sent.

        A broker that cannot be reached is logged; the jobs go back to ready.
        """
        sent = 0
        now = time.time()
        waiting = jobs.count_queued(self._database)
        for resource in RESOURCES:
            room = self._settings.ring_window - waiting.get(resource, 0)
            if room > 0:
                sent += self._send(jobs.ring(self._database, resource, room, now), resource, now)
        return sent

    def reconcile(self) -> int:
        """queued -> ready where the broker no longer holds the bell. Returns how many."""
        now = time.time()
        rows = jobs.queued(self._database)
        stale = [
            row.id
            for row in rows
            if row.preferred_worker_id is not None and row.queued_at < now - self._settings.affinity_seconds
        ]
        for resource in RESOURCES:
            old = [
                row.id
                for row in rows
                if row.resource == resource
                and row.preferred_worker_id is None
                and row.queued_at < now - self._settings.ring_timeout_seconds
            ]
            try:
                if old and self._broker.llen(resource_queue(resource)) == 0:
                    stale += old
            except redis.RedisError as error:
                logger.warning("broker: %s", error)
                return 0
        moved = jobs.unring(self._database, stale)
        if moved:
            logger.info("%d bells were lost and are rung again", moved)
        return moved

    def _send(self, rows: list[Any], resource: str, now: float) -> int:
        if not rows:
            return 0
        here: set[int] = set()
        if any(row.preferred_worker_id is not None for row in rows):
            since = now - self._settings.lease_seconds
            here = {worker.id for worker in members.living(self._database, since)}
        for position, row in enumerate(rows):
            own = row.preferred_worker_id in here
            queue = worker_queue(row.preferred_worker_id) if own else resource_queue(resource)
            try:
                ring_bell(self._app, row, queue)
            except (OperationalError, redis.RedisError, OSError) as error:
                logger.warning("broker: %s", error)
                jobs.unring(self._database, [unsent.id for unsent in rows[position:]])
                return position
        return len(rows)
