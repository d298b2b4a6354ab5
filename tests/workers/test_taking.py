"""The jobs of a message go from hand to hand: one ends and the next is claimed in one transaction."""

from __future__ import annotations

from db import jobs
from db.engine import Database
from db.states import PREEMPTED, QUEUED, READY, RUNNING, SUCCEEDED
from tasks.context import TaskContext
from tests.support import attempts, planned, row, states, submit
from tests.toy_kinds import Result, done
from tests.workers.conftest import Bench


def _to_come(bench: Bench, *labels: str) -> list[int]:
    bench.member.to_come = [row(bench.database, label).id for label in labels]
    return bench.member.to_come


def test_the_next_is_held_once_the_one_before_has_ended(bench: Bench, database: Database) -> None:
    seen: list[dict[str, str]] = []

    def body(_context: TaskContext) -> Result:
        seen.append(states(database))
        return done()

    submit(database, planned("a"), planned("b"), planned("c"))
    left = _to_come(bench, "b", "c")
    assert bench.run("a", body) == SUCCEEDED
    assert states(database) == {"a": SUCCEEDED, "b": RUNNING, "c": QUEUED}
    assert bench.executor.run(left.pop(0)) == SUCCEEDED
    assert bench.executor.run(left.pop(0)) == SUCCEEDED
    assert [entry["c"] for entry in seen] == [QUEUED, QUEUED, RUNNING]
    assert [len(attempts(database, label)) for label in "abc"] == [1, 1, 1]


def test_one_that_fails_claims_nothing_and_the_next_runs_all_the_same(
    bench: Bench, database: Database
) -> None:
    def fail(_context: TaskContext) -> Result:
        raise ValueError("broken")

    submit(database, planned("a"), planned("b"))
    left = _to_come(bench, "b")
    bench.run("a", fail)
    assert bench.executor.failed and row(database, "b").state == QUEUED
    bench.bodies[:] = [lambda _context: done()]
    assert bench.executor.run(left.pop(0)) == SUCCEEDED


def test_whoever_must_stop_puts_the_next_back_and_it_has_lost_nothing(
    bench: Bench, database: Database
) -> None:
    submit(database, planned("a"), planned("b"), planned("c"))
    left = _to_come(bench, "b", "c")
    bench.run("a", lambda _context: done())
    bench.member.stop.set("preempted")
    bench.executor.leave(left)
    assert states(database) == {"a": SUCCEEDED, "b": READY, "c": READY}
    assert [entry.outcome for entry in attempts(database, "b")] == [PREEMPTED]
    assert (row(database, "b").losses, row(database, "b").failures) == (0, 0)
    bench.executor.leave(left)  # nothing is put back twice
    assert len(attempts(database, "b")) == 1


def test_a_worker_that_must_stop_claims_nothing_more(bench: Bench, database: Database) -> None:
    def told(_context: TaskContext) -> Result:
        bench.member.stop.set("preempted")
        return done()

    submit(database, planned("a"), planned("b"))
    left = _to_come(bench, "b")
    assert bench.run("a", told) == SUCCEEDED
    assert row(database, "b").state == QUEUED and attempts(database, "b") == []
    bench.executor.leave(left)
    assert row(database, "b").state == READY


def test_one_that_was_taken_meanwhile_is_passed_by(bench: Bench, database: Database) -> None:
    submit(database, planned("a"), planned("b"))
    left = _to_come(bench, "b")

    def others_take_it(_context: TaskContext) -> Result:
        assert jobs.unring(database, left) == 1
        return done()

    assert bench.run("a", others_take_it) == SUCCEEDED
    assert bench.executor.run(left.pop(0)) == "already taken"
