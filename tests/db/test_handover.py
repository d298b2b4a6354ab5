"""Taking back what runs in a copy of the state: a preemption, and nothing anybody is blamed for."""

from __future__ import annotations

import pytest

from db import jobs
from db.engine import Database
from db.jobs import Ending, Seconds
from db.jobs.handover import hand_over
from db.states import CANCELLED, PREEMPTED, READY, SUCCEEDED, YIELDED
from errors import LeaseLost
from tests.support import NOW, attempts, planned, row, start, states, submit, worker


def hand(database: Database, now: float = NOW + 10) -> int:
    with database.write() as tx:
        return hand_over(tx, "handed over", now)


def test_running_jobs_go_back_to_their_last_checkpoint(database: Database) -> None:
    submit(database, planned("a", target_steps=9), planned("b", ["a"]))
    claim = start(database, "a", worker(database))
    jobs.publish(database, claim, 4, [], [], Seconds(useful=3.0, took=5.0), NOW)
    assert hand(database) == 1
    now, (attempt,) = row(database, "a"), attempts(database, "a")
    assert (now.state, now.step, now.losses, now.failures, now.slices) == (READY, 4, 0, 0, 1)
    assert (now.lease_expires_at, now.preferred_worker_id) == (None, None)
    assert (attempt.outcome, attempt.reason, attempt.step_to) == (PREEMPTED, "handed over", 4)
    assert (attempt.useful_seconds, attempt.idle_seconds, attempt.took_seconds) == (3.0, 2.0, 5.0)
    with pytest.raises(LeaseLost):
        jobs.succeed(database, claim, Ending(SUCCEEDED, 9), NOW)
    assert start(database, "a", worker(database)).step == 4


def test_bells_waits_and_preferences_stay_behind(database: Database) -> None:
    submit(database, planned("queued"), planned("later"), planned("warm", target_steps=9))
    claim = start(database, "later", worker(database))
    jobs.give_back(database, claim, Ending(PREEMPTED, 0, "deadline"), NOW, wait_seconds=1e6)
    claim = start(database, "warm", worker(database))
    jobs.give_back(database, claim, Ending(YIELDED, 3, "slice"), NOW)
    jobs.ring(database, "cpu", 10, NOW)
    assert hand(database) == 0
    assert set(states(database).values()) == {READY}
    for label in ("queued", "later", "warm"):
        now = row(database, label)
        assert (now.queued_at, now.wait_seconds, now.preferred_worker_id) == (None, 0.0, None)


def test_a_job_that_was_to_stop_for_good_does(database: Database) -> None:
    submit(database, planned("a"), planned("done"))
    claim = start(database, "done", worker(database))
    jobs.succeed(database, claim, Ending(SUCCEEDED, 1), NOW)
    start(database, "a", worker(database))
    jobs.cancel(database, jobs.Target("job", row(database, "a").id, "a"), NOW)
    assert hand(database) == 1
    assert states(database) == {"a": CANCELLED, "done": SUCCEEDED}
    (attempt,) = attempts(database, "a")
    assert (attempt.outcome, attempt.reason) == (CANCELLED, "cancelled")
