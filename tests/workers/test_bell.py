"""The doorbell on a real Redis that forgets, dies and comes back: every job is rung again."""

from __future__ import annotations

import json
import shutil
import time
from base64 import b64decode
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import redis
from sqlalchemy import Connection

from db import jobs, members
from db.engine import Database
from db.identity import namespace
from db.jobs import Ending, Seconds
from db.jobs.bells import Rung
from db.migrate import open_state
from db.plans import PlannedJob
from db.silence import Silence
from db.states import FAILED, QUEUED, READY, RUNNING, SUCCEEDED, YIELDED
from settings.home import Home
from settings.queue import QueueSettings
from tests.support import LEASE_SECONDS, NOW, Clock, event_kinds, planned, row, start, states, submit, worker
from workers.app import make_app, resource_queue, worker_queue
from workers.bell import Bell
from workers.broker import PrivateRedis, connect, start_private
from workers.scheduler import Scheduler

#: Every queued bell counts as old enough to be looked for.
IMPATIENT = QueueSettings(ring_timeout_seconds=1e-9, affinity_seconds=1e-9, ring_window=3, max_losses=3)

CPU = resource_queue("cpu")


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with connect(redis_url) as client:
        yield client


@pytest.fixture
def bell(database: Database, redis_url: str, client: redis.Redis) -> Bell:
    return Bell(database, make_app(redis_url), client, IMPATIENT)


def messages(client: redis.Redis, queue: str) -> list[tuple[str, ...]]:
    """(Celery task, job ids) of the bells in a queue, oldest first."""
    found = []
    for raw in reversed(client.lrange(queue, 0, -1)):
        message = json.loads(raw)
        job_ids, _, _ = json.loads(b64decode(message["body"]))
        found.append((message["headers"]["task"], *job_ids))
    return found


def reconcile(bell: Bell) -> int:
    """Two looks: for whom the first finds it is a new bell."""
    return bell.reconcile() + bell.reconcile()


def test_a_bell_carries_the_kind_and_the_job_id_only(
    database: Database, bell: Bell, client: redis.Redis
) -> None:
    submit(
        database,
        planned("a", spec={"secret": "not in the broker"}),
        planned("g", kind="train", resource="accelerator"),
    )
    assert bell.ring_ready() == 2
    assert messages(client, CPU) == [("baton.ingest", row(database, "a").id)]
    assert messages(client, resource_queue("accelerator")) == [("baton.train", row(database, "g").id)]
    assert b"not in the broker" not in client.lindex(CPU, 0)


def test_the_window_bounds_what_is_rung_ahead(database: Database, bell: Bell, client: redis.Redis) -> None:
    submit(database, *(planned(f"job {number}") for number in range(5)))
    assert (bell.ring_ready(), bell.ring_ready()) == (3, 0)
    start_one = jobs.claim(database, row(database, "job 0").id, worker(database), LEASE_SECONDS, NOW)
    assert start_one is not None
    assert bell.ring_ready() == 1
    assert client.llen(CPU) == 4


def test_ringing_reads_the_jobs_once_and_the_workers_once(
    database: Database, bell: Bell, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[Database] = []
    read = Database.read

    def counted(self: Database) -> AbstractContextManager[Connection]:
        reads.append(self)
        return read(self)

    monkeypatch.setattr(Database, "read", counted)
    assert bell.ring_ready() == 0
    assert len(reads) == 2


def free_worker(database: Database, name: str, device: str = "cpu") -> int:
    return members.join(database, name, device, None, NOW)


def trainings(*labels: str) -> list[PlannedJob]:
    return [
        planned(label, kind="train", resource="accelerator", priority=50, target_steps=9, fair=False)
        for label in labels
    ]


def test_long_jobs_are_rung_when_a_worker_is_free_for_them(database: Database, bell: Bell) -> None:
    submit(database, *trainings("a", "b", "c", "d"))
    first, second = free_worker(database, "first"), free_worker(database, "second")
    assert (bell.ring_ready(), bell.ring_ready()) == (2, 0)
    claimed = [
        jobs.claim(database, row(database, label).id, worker_id, LEASE_SECONDS, NOW)
        for label, worker_id in (("a", first), ("b", second))
    ]
    assert None not in claimed and bell.ring_ready() == 0, "both are at work"
    assert claimed[0] is not None
    jobs.give_back(database, claimed[0], Ending(YIELDED, 3, "slice"), NOW)
    assert bell.ring_ready() == 1
    assert states(database) == {"a": QUEUED, "b": RUNNING, "c": READY, "d": READY}, (
        "its next slice comes before the runs planned after it"
    )


def test_without_workers_one_long_job_is_rung(database: Database, bell: Bell) -> None:
    submit(database, *trainings("a", "b"))
    assert (bell.ring_ready(), bell.ring_ready()) == (1, 0)


def test_workers_without_a_gpu_are_no_hands_beside_gpus(
    database: Database, bell: Bell, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit(database, *trainings("a", "b", "c", "d"))
    for name, device in (("gpu", "cuda:0"), ("other gpu", "cuda:1"), ("one", "cpu"), ("two", "cpu")):
        free_worker(database, name, device)
    assert bell.ring_ready() == 2
    monkeypatch.setattr("socket.gethostname", lambda: "another name of the same machine")
    free_worker(database, "after a renaming")
    assert bell.ring_ready() == 0
    monkeypatch.setattr(members, "process_space", lambda: "a machine without GPUs")
    free_worker(database, "elsewhere")
    assert bell.ring_ready() == 1


def test_bells_that_the_broker_still_holds_are_left_alone(
    database: Database, bell: Bell, client: redis.Redis
) -> None:
    submit(database, planned("a"), planned("b"))
    bell.ring_ready()
    assert reconcile(bell) == 0
    assert (states(database), client.llen(CPU)) == ({"a": QUEUED, "b": QUEUED}, 2)


def test_after_flushall_every_job_is_rung_again(database: Database, bell: Bell, client: redis.Redis) -> None:
    submit(database, planned("a"), planned("b"))
    bell.ring_ready()
    before = messages(client, CPU)
    client.flushall()
    assert reconcile(bell) == 2
    assert bell.ring_ready() == 2
    assert messages(client, CPU) == before


def test_a_job_that_runs_is_not_rung_again(database: Database, bell: Bell, client: redis.Redis) -> None:
    submit(database, planned("a"))
    bell.ring_ready()
    assert jobs.claim(database, row(database, "a").id, worker(database), LEASE_SECONDS, NOW) is not None
    client.flushall()
    assert (reconcile(bell), bell.ring_ready()) == (0, 0)
    assert states(database) == {"a": RUNNING}


def test_a_killed_broker_costs_nothing_but_time(
    database: Database, bell: Bell, client: redis.Redis, private_redis: PrivateRedis, home: Home
) -> None:
    submit(database, planned("rung before"), planned("ready later"))
    jobs.ring(database, "cpu", 1, NOW)
    private_redis.process.kill()
    private_redis.process.wait()
    assert bell.ring_ready() == 0
    assert states(database) == {"rung before": QUEUED, "ready later": READY}, (
        "a bell that was not sent is not rung"
    )
    assert reconcile(bell) == 0, "nobody knows what a dead broker holds"
    again = start_private(home, home.logs / "redis.log")
    try:
        assert reconcile(bell) == 1
        assert bell.ring_ready() == 2
        with connect(again.url) as fresh:
            assert {job_id for _, job_id in messages(fresh, CPU)} == {
                entry.id for entry in jobs.queued(database)
            }
    finally:
        again.process.kill()
        again.process.wait()


def test_the_next_slice_goes_to_the_worker_that_has_the_model(
    database: Database, bell: Bell, client: redis.Redis
) -> None:
    submit(database, planned("a", target_steps=9))
    me = worker(database)
    jobs.give_back(database, start(database, "a", me), Ending(YIELDED, 3, "slice"), NOW)
    bell.ring_ready()
    assert messages(client, worker_queue(me)) == [("baton.ingest", row(database, "a").id)]
    assert reconcile(bell) == 1, "it did not come in time"
    bell.ring_ready()
    assert messages(client, CPU) == [("baton.ingest", row(database, "a").id)], "now anybody may have it"


def test_the_next_slice_does_not_wait_for_a_worker_that_left(
    database: Database, bell: Bell, client: redis.Redis
) -> None:
    submit(database, planned("a", target_steps=9))
    me = worker(database)
    jobs.give_back(database, start(database, "a", me), Ending(YIELDED, 3, "slice"), NOW)
    members.leave(database, me, NOW)
    bell.ring_ready()
    assert len(messages(client, CPU)) == 1


def test_the_scheduler_takes_back_what_a_silent_worker_held(
    database: Database, bell: Bell, client: redis.Redis
) -> None:
    submit(database, planned("a"), planned("b"))
    me = worker(database, "silent since long ago")
    start(database, "a", me)
    clock = Clock()
    scheduler = Scheduler(database, bell, IMPATIENT, Silence(clock))
    assert scheduler.reap() == 0, "who is seen for the first time may be about to speak"
    taken = 0
    while clock.now < 100.0 + IMPATIENT.lease_seconds + 1.5:
        clock.now += 1.5
        taken += scheduler.reap()
    assert taken == 1
    assert (row(database, "a").state, row(database, "a").losses) == (READY, 1)
    assert {"job_lost", "worker_lost"} <= set(event_kinds(database))
    assert (scheduler.reap(), bell.reconcile()) == (0, 0)
    assert scheduler.tick() == 2, "and b, whose bell the broker never had"
    assert {job_id for _, job_id in messages(client, CPU)} == {row(database, label).id for label in "ab"}


def test_a_living_worker_keeps_its_job(database: Database, bell: Bell) -> None:
    submit(database, planned("a"))
    me = worker(database)
    claim = start(database, "a", me)
    clock = Clock()
    scheduler = Scheduler(database, bell, IMPATIENT, Silence(clock))
    for number in range(40):
        clock.now += 1.5
        # The worker's own clock is set back to the same hour again and again.
        moment = NOW - 3600.0 * (number % 2)
        members.beat(database, me, claim.job_id, None, moment)
        jobs.extend_lease(database, claim, LEASE_SECONDS, 0, Seconds(), moment)
        assert scheduler.reap() == 0
    jobs.succeed(database, claim, Ending(SUCCEEDED, 1), NOW)


@pytest.fixture
def patient(database: Database, redis_url: str, client: redis.Redis) -> tuple[Bell, Clock]:
    """With the usual times, and a clock that the test moves. What others take for the time of day is far off."""
    clock = Clock()
    return Bell(database, make_app(redis_url), client, QueueSettings(), clock), clock


@pytest.mark.parametrize("shift", [-172_800.0, -3600.0, 3600.0, 172_800.0])
def test_a_lost_bell_is_missed_after_some_seconds_of_the_ringers_own_clock(
    database: Database, patient: tuple[Bell, Clock], client: redis.Redis, shift: float
) -> None:
    submit(database, planned("a"))
    bell, clock = patient
    jobs.ring(database, "cpu", 1, time.time() + shift)
    passed = 0.0
    while bell.reconcile() == 0:
        clock.now += 1.0
        passed += 1.0
        assert passed < 20.0
    assert passed == QueueSettings().ring_timeout_seconds + 1.0


@pytest.mark.parametrize("shift", [-172_800.0, -3600.0, 3600.0, 172_800.0])
def test_a_failed_attempt_waits_by_the_ringers_own_clock(
    database: Database, patient: tuple[Bell, Clock], client: redis.Redis, shift: float
) -> None:
    submit(database, planned("a"))
    bell, clock = patient
    claim = start(database, "a", worker(database))
    jobs.give_back(database, claim, Ending(FAILED, 0, "broke"), time.time() + shift, wait_seconds=8.0)
    assert bell.ring_ready() == 0
    for _ in range(7):
        clock.now += 1.0
        assert bell.ring_ready() == 0
    clock.now += 1.0
    assert bell.ring_ready() == 1


def test_whoever_failed_again_waits_again(
    database: Database, patient: tuple[Bell, Clock], client: redis.Redis
) -> None:
    submit(database, planned("a"))
    bell, clock = patient
    me = worker(database)
    for wait in (2.0, 4.0):
        claim = start(database, "a", me)
        jobs.give_back(database, claim, Ending(FAILED, 0, "broke"), NOW, wait_seconds=wait)
        assert bell.ring_ready() == 0
        clock.now += 1.5
        assert bell.ring_ready() == 0
        for _ in range(int(wait)):
            clock.now += 1.0
            if bell.ring_ready():
                break
        assert states(database) == {"a": QUEUED}
        clock.now += 1000.0


def test_workers_of_a_machine_whose_clock_is_off_are_hands_too(database: Database, bell: Bell) -> None:
    submit(database, *trainings("a", "b"))
    for name, shift in (("behind", -172_800.0), ("ahead", 172_800.0)):
        members.beat(database, free_worker(database, name), None, None, time.time() + shift)
    assert bell.ring_ready() == 2


def test_two_states_on_one_broker_do_not_see_each_other(
    database: Database, client: redis.Redis, redis_url: str, tmp_path: Path
) -> None:
    """The copy of a home has its key, and is another state all the same."""
    homes = Home(tmp_path / "other"), Home(tmp_path / "copy")
    for home in homes:
        home.create()
    databases = [database, open_state(homes[0])]
    database.settle()
    assert database.file is not None
    shutil.copy(database.file, homes[1].state_db)
    databases.append(open_state(homes[1]))
    names = [namespace(one) for one in databases]
    assert len(set(names)) == 3
    assert names == [namespace(one) for one in databases]
    bells = [
        Bell(one, make_app(redis_url, namespace=name), client, IMPATIENT)
        for one, name in zip(databases, names)
    ]
    for one, bell, label in zip(databases, bells, "abc"):
        submit(one, planned(label))
        bell.ring_ready()
    assert [len(messages(client, name + CPU)) for name in names] == [1, 1, 1]
    assert all(key.decode().startswith(tuple(names)) for key in client.scan_iter())
    client.delete(names[1] + CPU)
    assert [reconcile(bell) for bell in bells] == [0, 1, 0]
    for one in databases[1:]:
        one.close()


def _succeed(database: Database, label: str, seconds: float) -> None:
    claim = start(database, label, worker(database, f"of {label}"))
    jobs.succeed(database, claim, Ending(SUCCEEDED, 1, seconds=Seconds(took=seconds)), NOW)


@pytest.mark.parametrize(("seconds", "sizes"), [(0.001, [4, 4]), (100.0, [1] * 8)])
def test_jobs_of_a_kind_that_is_short_come_in_one_message(
    database: Database, redis_url: str, client: redis.Redis, seconds: float, sizes: list[int]
) -> None:
    bell = Bell(database, make_app(redis_url), client, QueueSettings(ring_window=8))
    submit(database, planned("job 0"))
    _succeed(database, "job 0", seconds)
    submit(database, *(planned(f"job {number}") for number in range(1, 9)), key="more")
    assert bell.ring_ready() == 8
    rung = messages(client, CPU)
    assert [len(job_ids) for _, *job_ids in rung] == sizes
    labels = [f"job {number}" for number in range(1, 9)]
    assert [job_id for _, *job_ids in rung for job_id in job_ids] == [
        row(database, label).id for label in labels
    ]
    assert {task for task, *_ in rung} == {"baton.ingest"}


def test_what_a_broker_did_not_take_of_several_goes_back_to_ready(
    database: Database, redis_url: str, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    bell = Bell(database, make_app(redis_url), client, QueueSettings(ring_window=8))
    submit(database, planned("job 0"))
    _succeed(database, "job 0", 0.001)
    submit(database, *(planned(f"job {number}") for number in range(1, 9)), key="more")
    taken: list[int] = []

    def once(_app: object, rows: list[Rung], _queue: str) -> None:
        if taken:
            raise redis.ConnectionError("gone")
        taken.extend(entry.id for entry in rows)

    monkeypatch.setattr("workers.bell.ring_bell", once)
    assert bell.ring_ready() == 4
    queued = [label for label, state in states(database).items() if state == QUEUED]
    assert [row(database, label).id for label in queued] == taken
    assert list(states(database).values()).count(READY) == 4


@pytest.mark.parametrize(
    ("known", "asked_by_then"),
    [({"ingest": 1.0}, (1, 1, 2)), ({}, (1, 2, 3))],
    ids=["known", "not known yet, so before each ring"],
)
def test_how_long_a_kind_takes_is_asked_once_a_second_once_it_is_known(
    database: Database,
    redis_url: str,
    client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    known: dict[str, float],
    asked_by_then: Sequence[int],
) -> None:
    asked: list[Database] = []

    def note(database: Database) -> dict[str, float]:
        asked.append(database)
        return known

    monkeypatch.setattr("workers.bell.timings.seconds_by_kind", note)
    clock = Clock()
    bell = Bell(database, make_app(redis_url), client, QueueSettings(ring_window=2), clock)
    submit(database, *(planned(f"job {number}") for number in range(8)))
    for seconds, times in zip((0.0, 0.5, 0.6), asked_by_then, strict=True):
        clock.now += seconds
        bell.ring_ready()
        assert len(asked) == times
        with database.write() as tx:
            tx.execute(jobs.job.update().values(state="succeeded").where(jobs.job.c.state == QUEUED))
