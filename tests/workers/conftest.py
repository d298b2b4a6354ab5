"""An executor that runs in the test's own process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from db import jobs
from db.engine import Database
from db.store import ArtifactStore
from settings.home import Home
from settings.queue import QueueSettings
from tests.support import row
from tests.toy_kinds import Body, kind_with
from workers.execute import Executor
from workers.heartbeat import Member

SETTINGS = QueueSettings(lease_seconds=30, heartbeat_seconds=0.02, retry_seconds=5)


@dataclass
class Bench:
    """One worker whose every kind of job runs `body`, which the test sets."""

    database: Database
    member: Member
    executor: Executor
    bodies: list[Body]

    def run(self, label: str, body: Body) -> str:
        """Ring and run one attempt of a job."""
        self.bodies[:] = [body]
        jobs.end_wait(self.database, [(w.id, w.lease_token) for w in jobs.outlook(self.database).waiting])
        jobs.ring(self.database, row(self.database, label).resource, 1000, 1e12)
        return self.executor.run(row(self.database, label).id)


@pytest.fixture
def bench(home: Home, database: Database, store: ArtifactStore) -> Iterator[Bench]:
    member = Member(database, SETTINGS, "worker", "cpu", None)
    bodies: list[Body] = []
    executor = Executor(
        home, database, store, SETTINGS, member, kind_of=lambda name: kind_with(bodies[0])(name)
    )
    yield Bench(database, member, executor, bodies)
    member.leave()
