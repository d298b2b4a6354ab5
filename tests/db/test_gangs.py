"""A job of several devices: its workers are set aside together, and whatever ends its attempt frees them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, update

from db import jobs, members
from db.engine import Database
from db.jobs import Claim, Ending, gangs
from db.jobs.seating import Hand
from db.plans import PlannedJob
from db.schema import Seat, Worker
from db.states import CANCELLED, FAILED, LOST, QUEUED, READY, RUNNING, SUCCEEDED, YIELDED
from tests.support import LEASE_SECONDS, NOW, lease_of, planned, row, states, submit

GPU = "accelerator"


def of(label: str, devices: int = 1, **more: object) -> PlannedJob:
    return planned(label, kind="train", resource=GPU, target_steps=9, devices=devices, **more)  # type: ignore[arg-type]


class Machine:
    """Workers of one machine, each with a GPU, in a session."""

    def __init__(self, database: Database, count: int) -> None:
        self.database = database
        self.session = members.open_session(database, "up", None, NOW)
        self.workers = [self.join(number) for number in range(count)]

    def join(self, number: int) -> int:
        return members.join(self.database, f"worker-gpu{number}", f"cuda:{number}", self.session, NOW)

    def ring(self) -> dict[str, tuple[int, ...]]:
        """Numbers of the workers whose bells ring, by label."""
        hands = [Hand(worker, "here", counted=True) for worker in self.workers]
        rung = gangs.ring_seated(self.database, GPU, hands, NOW)
        return {row.label: tuple(self.workers.index(worker) for worker in workers) for row, workers in rung}

    def claim(self, label: str, number: int) -> Claim | None:
        job_id = row(self.database, label).id
        return jobs.claim(self.database, job_id, self.workers[number], LEASE_SECONDS, NOW)

    def come(self, label: str, number: int) -> Claim | None:
        job_id = row(self.database, label).id
        return gangs.come(self.database, job_id, self.workers[number], str(number), LEASE_SECONDS, NOW)

    def began(self, label: str, numbers: Sequence[int]) -> Claim:
        claims = [self.come(label, number) for number in numbers]
        assert claims[:-1] == [None] * (len(numbers) - 1) and claims[-1] is not None
        return claims[-1]

    def waiting(self) -> list[gangs.SeatedJob]:
        return gangs.rung(self.database)


def test_the_last_to_come_holds_the_lease_and_is_told_the_devices(database: Database) -> None:
    submit(database, of("large", 3), of("small"))
    here = Machine(database, 4)
    assert jobs.outlook(database).several
    assert here.ring() == {"large": (0, 1, 2), "small": (3,)}
    assert (here.claim("large", 0), here.come("large", 3)) == (None, None), "it was not set aside for it"
    held = here.began("large", (2, 0, 1))
    assert (held.worker_id, held.devices) == (here.workers[1], ("0", "1", "2"))
    assert here.come("large", 0) is None and row(database, "large").lease_token == 1
    jobs.succeed(database, held, Ending(SUCCEEDED, 9), NOW)
    assert not jobs.outlook(database).several and states(database) == {"large": SUCCEEDED, "small": QUEUED}


def test_plain_bells_are_of_jobs_of_one_device(database: Database) -> None:
    submit(database, of("large", 2), of("small"))
    assert [entry.label for entry in jobs.ring(database, GPU, 10, NOW)] == ["small"]
    assert row(database, "large").state == READY


def test_busy_workers_come_when_they_are_free_and_take_nothing_else(database: Database) -> None:
    submit(database, of("a"), of("b"))
    here = Machine(database, 2)
    here.ring()
    first, second = here.claim("a", 0), here.claim("b", 1)
    assert first is not None and second is not None
    submit(database, of("large", 2), key="more")
    assert here.ring() == {}, "nobody is free"
    jobs.give_back(database, first, Ending(YIELDED, 3), NOW)
    assert here.ring() == {"large": (0, 1)}
    assert here.come("large", 0) is None
    assert gangs.keeps_waiting(database, here.workers[1]) == row(database, "large").id
    assert gangs.keeps_waiting(database, here.workers[0]) is None, "it came"
    assert here.waiting() == [gangs.SeatedJob(row(database, "large").id, 1, False, False)]
    jobs.ring(database, GPU, 10, NOW)  # a bell that was under way to anybody
    assert here.claim("a", 0) is None and row(database, "a").state == READY, "it rings elsewhere"
    jobs.give_back(database, second, Ending(YIELDED, 3), NOW)
    assert here.waiting()[0].idle, "what was busy is late now"
    held = here.come("large", 1)
    assert held is not None and here.ring() == {}
    jobs.give_back(database, held, Ending(YIELDED, 3), NOW)
    assert set(here.ring()) == {"a", "b"}, "turns are taken"


def test_a_promise_that_was_made_before_is_kept(database: Database) -> None:
    """Small jobs whose turn it is would be passed by one large job after the other, else."""
    submit(database, of("small"), of("large", 2))
    here = Machine(database, 2)
    assert here.ring() == {"small": (0,), "large": (1, 0)}
    assert here.come("large", 1) is None
    small = here.claim("small", 0)
    assert small is not None
    jobs.succeed(database, small, Ending(SUCCEEDED, 1), NOW)
    assert here.come("large", 0) is not None


def test_small_work_of_the_processor_goes_on_at_a_worker_that_is_set_aside(database: Database) -> None:
    submit(database, of("large", 2), planned("index"))
    here = Machine(database, 2)
    here.ring()
    jobs.ring(database, "cpu", 10, NOW)
    here.come("large", 0)
    assert here.claim("index", 0) is not None


def test_who_does_nothing_at_all_is_taken_first(database: Database) -> None:
    submit(database, planned("index"), of("small"), of("large", 2))
    here = Machine(database, 4)
    jobs.ring(database, "cpu", 10, NOW)
    assert here.claim("index", 0) is not None
    assert here.ring() == {"small": (1,), "large": (2, 3)}


def ends(database: Database, here: Machine, held: Claim, how: str) -> None:
    if how == "its worker died":
        jobs.take_back(database, [lease_of(held)], "gone", 3, NOW)
    elif how == "its session left":
        jobs.put_back(database, [held.worker_id], "told to leave", NOW)
    elif how == "it failed":
        jobs.end(database, held, Ending(FAILED, 0, "no"), NOW)
    elif how == "a rank died":
        jobs.give_back(database, held, Ending(LOST, 0, "rank 1"), NOW)
    else:
        jobs.cancel(database, jobs.Target("job", held.job_id, "large"), NOW)
        jobs.end(database, held, Ending(CANCELLED, 0, "cancelled"), NOW)


def test_whatever_ends_an_attempt_frees_its_devices(database: Database) -> None:
    """Without another statement that a death could come before."""
    ways = ("its worker died", "its session left", "it failed", "a rank died", "it was cancelled")
    here = Machine(database, 2)
    for how in ways:
        submit(database, of(how, 2), key=how)
        assert here.ring()[how] == (0, 1)
        ends(database, here, here.began(how, (0, 1)), how)
        small = f"{how}, small"
        submit(database, planned(small, kind="train", resource=GPU, priority=1), key=small)
        place = here.ring()[small][0]
        claim = here.claim(small, place)
        assert claim is not None, how
        jobs.succeed(database, claim, Ending(SUCCEEDED, 1), NOW)
        if row(database, how).state in (READY, QUEUED):
            jobs.cancel(database, jobs.Target("job", row(database, how).id, how), NOW)
    assert states(database)["it failed"] == FAILED


def test_a_worker_that_dies_before_all_came_is_replaced(database: Database) -> None:
    submit(database, of("large", 2))
    here = Machine(database, 3)
    assert here.ring() == {"large": (0, 1)}
    here.come("large", 0)
    assert not here.waiting()[0].gone
    members.mark_gone(database, here.workers[0], "gone", NOW)
    assert here.waiting()[0].gone, "whoever rings finds that it never will"
    assert jobs.unring(database, [row(database, "large").id]) == 1
    assert here.come("large", 1) is None, "a bell of before"
    gone = here.workers.pop(0)
    assert here.ring() == {"large": (0, 1)}
    assert here.began("large", (0, 1)).worker_id != gone


def test_who_is_started_again_has_the_place_of_the_one_that_died(database: Database) -> None:
    """The device computes for the job as long as that runs, whichever process has it."""
    submit(database, of("large", 2), of("small"))
    here = Machine(database, 2)
    here.ring()
    held = here.began("large", (0, 1))
    here.workers[0] = here.join(0)
    assert here.ring() == {} and row(database, "large").state == RUNNING
    here.workers[1] = here.join(1)  # who held the lease
    assert here.ring() == {}, "until somebody has missed it"
    jobs.take_back(database, [lease_of(held)], "gone", 3, NOW)
    assert here.ring() == {"large": (0, 1)}, "first in turn, as nothing was done"


def test_who_is_started_again_and_again_joins_whatever_was_set_aside(database: Database) -> None:
    """One that died is rung for until somebody misses it: two processes of one device had a seat."""
    submit(database, of("large", 2), of("other", 2))
    here = Machine(database, 4)
    assert here.ring() == {"large": (0, 1), "other": (2, 3)}
    here.began("large", (0, 1))
    with database.write() as tx:
        renamed = update(Worker).where(Worker.id == here.workers[2]).values(name="worker-gpu0")
        tx.execute(renamed)
    here.come("other", 3)
    before = {here.workers[0], here.workers[2]}
    here.workers[0] = here.join(0)
    with database.read() as tx:
        found = {seat.worker_id: seat.job_id for seat in tx.execute(select(Seat.worker_id, Seat.job_id))}
    assert found[here.workers[0]] == row(database, "large").id, "what runs there counts"
    assert not before & found.keys()
    assert states(database) == {"large": RUNNING, "other": READY}, (
        "it never begins with fewer than it asked for"
    )


def test_what_is_paused_or_loses_its_bell_holds_nothing(database: Database) -> None:
    submit(database, of("large", 2))
    submit(database, of("small"), key="small")
    here = Machine(database, 2)
    here.ring()
    here.come("large", 0)
    jobs.pause(database, jobs.Target("job", row(database, "large").id, "large"), NOW)
    assert here.come("large", 1) is None
    assert here.ring() == {"small": (0,)} and here.claim("small", 0) is not None
    jobs.unpause(database, jobs.Target("job", row(database, "large").id, "large"), NOW)
    assert here.ring() == {"large": (1, 0)}
    assert here.come("large", 1) is None, "that one came before counts no more"


def test_retry_with_other_devices_counts_them(database: Database) -> None:
    submit(database, of("large", 4))
    here = Machine(database, 2)
    assert here.ring() == {} and row(database, "large").state == READY, "none has so many"
    target = jobs.Target("job", row(database, "large").id, "large")
    jobs.cancel(database, target, NOW)
    jobs.retry(database, target, NOW, devices=2)
    assert here.ring() == {"large": (0, 1)}
