"""Workers that come together for a job of several devices: bells, who does not come, and small jobs that give way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis

from db import jobs
from db.engine import Database
from db.jobs import Lease, gangs
from db.plans import PlannedJob
from db.states import QUEUED, READY, RUNNING, SUCCEEDED, YIELDED
from db.store import ArtifactStore
from settings.home import Home
from settings.queue import QueueSettings
from tasks.context import Finished, Yielded
from tasks.results import TrainResult
from tests.support import NOW, attempts, await_value, planned, row, states, submit
from tests.tasks.train.gang_life import spec_of
from tests.toy_kinds import Body, kind_with
from tests.workers.test_bell import IMPATIENT, messages
from workers.app import make_app, resource_queue, worker_queue
from workers.bell import Bell
from workers.broker import connect
from workers.execute import Executor
from workers.heartbeat import Member

QUICK = QueueSettings(lease_seconds=30, heartbeat_seconds=0.02, gang_wait_seconds=1e-9)


def training(label: str, devices: int = 1) -> PlannedJob:
    return planned(
        label, kind="train", resource="accelerator", target_steps=16, spec=spec_of(devices), devices=devices
    )


class Crew:
    """Workers of this process, which hear a bell when the test rings it."""

    def __init__(self, home: Home, database: Database, store: ArtifactStore, client: redis.Redis, url: str):
        self.database, self.client = database, client
        self.bodies: list[Body] = []
        self.members = [Member(database, QUICK, f"worker-cpu{number}", "cpu", None) for number in range(2)]
        self.executors = [
            Executor(
                home, database, store, QUICK, member, kind_of=lambda name: kind_with(self.bodies[-1])(name)
            )
            for member in self.members
        ]
        self.bell = Bell(database, make_app(url), client, IMPATIENT)

    def rung(self, number: int) -> list[int]:
        """Jobs whose bells are in the worker's own queue, which is then empty."""
        queue = worker_queue(self.members[number].id)
        found = [job_id for _, job_id in messages(self.client, queue)]
        self.client.delete(queue)
        return found

    def runs(self, number: int, label: str, body: Body) -> str:
        self.bodies.append(body)
        return self.executors[number].run(row(self.database, label).id)


@pytest.fixture
def crew(home: Home, database: Database, store: ArtifactStore, redis_url: str) -> Iterator[Crew]:
    with connect(redis_url) as client:
        crew = Crew(home, database, store, client, redis_url)
        yield crew
        for member in crew.members:
            member.leave()


def finished(_context: Any) -> Finished[TrainResult]:
    return Finished([], result=TrainResult(steps=16, overflowed_steps=None))


def test_each_worker_has_a_bell_of_its_own_and_the_last_one_works(crew: Crew) -> None:
    submit(crew.database, training("large", 2), training("small"))
    assert crew.bell.ring_ready() == 1
    large = row(crew.database, "large").id
    assert (crew.rung(0), crew.rung(1)) == ([large], [large])
    assert messages(crew.client, resource_queue("accelerator")) == []
    crew.executors[0]._memory["model"] = object()
    assert crew.runs(0, "large", finished).startswith("set aside")
    assert crew.executors[0]._memory == {}, "its device is for the ranks"
    assert crew.bell.ring_ready() == 0
    assert crew.runs(1, "large", finished) == SUCCEEDED
    assert crew.runs(0, "large", finished) == "already taken"
    assert crew.bell.ring_ready() == 1 and states(crew.database)["small"] == QUEUED
    (attempt,) = attempts(crew.database, "large")
    assert attempt.worker_id == crew.members[1].id


def test_a_small_job_gives_way_once_it_has_done_a_step(crew: Crew) -> None:
    submit(crew.database, training("small"))
    crew.bell.ring_ready()

    def patient(context: Any) -> Yielded:
        submit(crew.database, training("large", 2), key="large")
        assert crew.bell.ring_ready() == 1, "one worker is free"
        assert crew.runs(1, "large", finished).startswith("set aside")
        crew.bodies.pop()
        await_value(lambda: context.is_wanted_elsewhere, bool, "somebody waits")
        assert context.should_stop() is None, "nothing is done yet"
        context.report_progress(1, 16)
        context.publish(1, [])
        return Yielded(context.should_stop())

    assert crew.runs(0, "small", patient) == f"{YIELDED} at step 1"
    (attempt,) = attempts(crew.database, "small")
    assert attempt.reason == "a job of several devices waits for this one"
    assert crew.runs(0, "large", finished) == SUCCEEDED


def test_bells_are_rung_again_where_a_worker_does_not_come(crew: Crew) -> None:
    submit(crew.database, training("large", 2))
    crew.bell.ring_ready()
    assert crew.runs(0, "large", finished).startswith("set aside")
    assert crew.rung(1) == [row(crew.database, "large").id]  # and lost
    assert crew.bell.reconcile() + crew.bell.reconcile() == 1
    assert states(crew.database) == {"large": READY}
    assert crew.bell.ring_ready() == 1 and crew.rung(1)
    crew.members[1].leave()
    assert crew.bell.reconcile() == 1, "who is gone is not waited for"
    assert crew.bell.ring_ready() == 1
    assert crew.runs(0, "large", finished) == SUCCEEDED, "a processor takes any number of ranks"


def test_a_broker_that_takes_no_bell_sets_nobody_aside(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    submit(crew.database, training("large", 2), training("small"))

    def broken(*_: object) -> None:
        raise redis.ConnectionError("no")

    with monkeypatch.context() as patch:
        patch.setattr("workers.bell.ring_bell", broken)
        assert crew.bell.ring_ready() == 0
    assert states(crew.database) == {"large": READY, "small": READY} and gangs.rung(crew.database) == []
    assert crew.bell.ring_ready() == 1


def test_a_worker_that_goes_with_its_job_frees_the_others(crew: Crew) -> None:
    """Another process of this machine is the worker; its death is found as any other's."""
    submit(crew.database, training("large", 2))
    crew.bell.ring_ready()
    crew.runs(0, "large", finished)

    def dies(_context: Any) -> Yielded:
        raise SystemExit

    with pytest.raises(SystemExit):
        crew.runs(1, "large", dies)
    assert states(crew.database) == {"large": RUNNING}
    assert crew.bell.ring_ready() == 0

    jobs.take_back(crew.database, [Lease(row(crew.database, "large").id, 1)], "gone", 3, NOW)
    assert crew.bell.ring_ready() == 1 and states(crew.database) == {"large": QUEUED}
