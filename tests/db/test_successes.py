"""The end of one job and the claim of the next in one transaction: neither is lost by the other."""

from __future__ import annotations

import pytest

from db import jobs
from db.engine import Database
from db.jobs import Bid, Ending
from db.states import BLOCKED, QUEUED, READY, RUNNING, SUCCEEDED
from errors import LeaseLost
from tests.support import LEASE_SECONDS, NOW, attempts, planned, row, start, states, submit, worker

DONE = Ending(SUCCEEDED, 1, result={"n": 1})


def _bid(database: Database, label: str) -> Bid:
    return Bid(row(database, label).id, LEASE_SECONDS)


def test_one_ends_and_the_next_begins_with_a_lease_of_its_own(database: Database) -> None:
    submit(database, planned("a"), planned("b"), planned("c", ["a"]))
    me = worker(database)
    held = start(database, "a", me)
    released, ahead = jobs.succeed_and_claim(database, held, DONE, NOW + 5, _bid(database, "b"))
    assert ahead is not None and (ahead.label, ahead.lease_token, ahead.worker_id) == ("b", 1, me)
    assert released == 1 and states(database) == {"a": SUCCEEDED, "b": RUNNING, "c": READY}
    assert row(database, "b").lease_expires_at == NOW + 5 + LEASE_SECONDS
    assert [entry.started_at for entry in attempts(database, "b")] == [NOW + 5]
    assert jobs.succeed(database, ahead, DONE, NOW + 6) == 0


@pytest.mark.parametrize("state", [READY, BLOCKED, RUNNING])
def test_a_job_that_cannot_be_claimed_costs_nothing_of_the_one_that_ended(
    database: Database, state: str
) -> None:
    submit(database, planned("a"), planned("first"), planned("b", ["first"] if state == BLOCKED else []))
    held = start(database, "a", worker(database))
    if state == RUNNING:
        start(database, "b", worker(database, "other"))
    elif state == READY:
        jobs.unring(database, [row(database, "b").id])
    released, ahead = jobs.succeed_and_claim(database, held, DONE, NOW, _bid(database, "b"))
    assert (released, ahead) == (0, None)
    assert row(database, "a").state == SUCCEEDED and row(database, "a").result == {"n": 1}
    assert row(database, "b").state == state


def test_who_lost_the_first_gets_no_second(database: Database) -> None:
    submit(database, planned("a"), planned("b"))
    me = worker(database)
    held = start(database, "a", me)
    jobs.put_back(database, [me], "gone", NOW)
    with pytest.raises(LeaseLost):
        jobs.succeed_and_claim(database, held, DONE, NOW, _bid(database, "b"))
    assert states(database) == {"a": READY, "b": QUEUED} and attempts(database, "b") == []
