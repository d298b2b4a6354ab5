"""Events that say when an ablation ended, and how: one each time that it does, and none before."""

from __future__ import annotations

from sqlalchemy.dialects import sqlite

from db import jobs, plans, queries
from db.engine import Database
from db.jobs import Ending, Lease, Target
from db.jobs.endings import STANDS_STILL
from db.plans import Plan, RunRef
from db.states import CANCELLED, FAILED, SUCCEEDED, YIELDED
from tests.support import NOW, ON_SQLITE, planned, start, submit, two_of_a_name, worker


def endings(database: Database) -> list[str]:
    kinds = {"ablation_succeeded", "ablation_failed"}
    return [
        event.message
        for event in queries.events(database)
        if event.kind in kinds or (event.kind == "ablation_cancelled" and "ended" in event.message)
    ]


def succeed(database: Database, label: str) -> None:
    jobs.succeed(database, start(database, label, worker(database)), Ending(SUCCEEDED, 1), NOW)


def fail(database: Database, label: str) -> None:
    jobs.end(database, start(database, label, worker(database)), Ending(FAILED, 0, "no"), NOW)


def test_its_last_job_ends_it(database: Database) -> None:
    submit(database, planned("a"), planned("b"), planned("report", ["a", "b"]), key="one")
    for label in ("a", "b"):
        succeed(database, label)
    assert endings(database) == []
    succeed(database, "report")
    assert endings(database) == ["one ended: 3 succeeded jobs"]
    assert queries.events(database)[-1].ablation_id == 1


def test_one_that_grows_ends_again(database: Database) -> None:
    submit(database, planned("a"), key="one")
    succeed(database, "a")
    plan = Plan("one-grown", "one", {}, [planned("a"), planned("b")])
    plans.submit(database, plan, "submit", NOW, queries.ablation_row(database, "one"))
    succeed(database, "b")
    assert endings(database) == ["one ended: 1 succeeded jobs", "one ended: 2 succeeded jobs"]


def test_a_failure_ends_it_once_nothing_else_can_move(database: Database) -> None:
    submit(database, planned("a"), planned("b"), planned("report", ["a", "b"]), key="one")
    fail(database, "a")
    assert endings(database) == [], "b goes on"
    running = start(database, "b", worker(database))
    jobs.give_back(database, running, Ending(YIELDED, 0, "slice"), NOW)
    assert endings(database) == []
    succeed(database, "b")
    assert endings(database) == ["one ended: 1 blocked, 1 succeeded, 1 failed jobs"]
    jobs.retry(database, Target("ablation", 1, "one"), NOW)
    for label in ("a", "report"):
        succeed(database, label)
    assert endings(database)[1:] == ["one ended: 3 succeeded jobs"]


def test_a_job_that_took_its_workers_with_it_ends_it(database: Database) -> None:
    submit(database, planned("a"), key="one")
    claim = start(database, "a", worker(database))
    jobs.take_back(database, [Lease(claim.job_id, claim.lease_token, None)], "gone", 1, NOW)
    assert endings(database) == ["one ended: 1 failed jobs"]


def test_a_job_that_two_wait_for_ends_both(database: Database) -> None:
    submit(database, planned("shared"), key="one")
    submit(database, planned("shared"), planned("own"), key="two")
    submit(database, planned("shared"), key="three")
    succeed(database, "shared")
    assert endings(database) == ["one ended: 1 succeeded jobs", "three ended: 1 succeeded jobs"]


def test_two_of_a_name_are_told_apart(database: Database) -> None:
    two_of_a_name(database)
    succeed(database, "b")
    assert endings(database) == ["mine (2) ended: 1 succeeded jobs"]


def test_one_that_is_paused_or_was_cancelled_as_a_whole_has_not_ended_by_itself(database: Database) -> None:
    submit(database, planned("a"), planned("later", ["a"]), key="one")
    submit(database, planned("b"), planned("c"), key="two")
    failing, stopping = (start(database, label, worker(database)) for label in ("a", "b"))
    jobs.pause(database, Target("ablation", 1, "one"), NOW)
    jobs.end(database, failing, Ending(FAILED, 0, "no"), NOW)
    jobs.cancel(database, Target("ablation", 2, "two"), NOW)
    jobs.end(database, stopping, Ending(CANCELLED, 0, "cancelled"), NOW)
    assert endings(database) == []


def test_cancelling_the_last_run_that_went_on_ends_it(database: Database) -> None:
    first, second = RunRef("baseline", 0), RunRef("recon", 0)
    work = [planned("train a", runs=[first]), planned("train b", runs=[second])]
    plans.submit(database, Plan("one", "one", {}, work, {first: "train a", second: "train b"}), "submit", NOW)
    succeed(database, "train a")
    run = queries.runs_of(database, 1)[1]
    jobs.cancel(database, Target("run", run.id, "run 2"), NOW)
    assert endings(database) == ["one ended: 1 succeeded, 1 cancelled jobs"]
    jobs.cancel(database, Target("run", run.id, "run 2"), NOW)
    assert len(endings(database)) == 1, "nothing changed"


def test_one_of_which_more_is_to_be_planned_has_not_ended(database: Database) -> None:
    plans.submit(database, Plan("one", "one", {}, [planned("a")], open=True), "submit", NOW)
    succeed(database, "a")
    assert endings(database) == []


def test_what_moves_is_found_before_and_after_the_one_that_ended(database: Database) -> None:
    submit(database, *(planned(label) for label in "abc"), key="one")
    submit(database, planned("others"), key="two")
    for label in "bca":
        assert endings(database) == []
        succeed(database, label)
    assert endings(database) == ["one ended: 3 succeeded jobs"]


@ON_SQLITE
def test_whether_an_ablation_ended_is_asked_of_its_own_jobs_next_to_that_which_did(
    database: Database,
) -> None:
    compiled = STANDS_STILL.compile(dialect=sqlite.dialect())
    assert "POSTCOMPILE" not in str(compiled)
    given = tuple((compiled.params | {"b_id": 1})[name] for name in compiled.positiontup or ())
    with database.read() as tx:
        steps = [row.detail for row in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", given)]
    assert not [step for step in steps if step.startswith("SCAN") or "B-TREE" in step]
    assert sum("(ablation_id=? AND job_id" in step for step in steps) == 2, "in the order of their ids"
    assert sum("SEARCH job USING INTEGER PRIMARY KEY" in step for step in steps) == 2
