"""What pause, cancel and retry do to jobs that are alone, shared, waiting or running."""

from __future__ import annotations

import pytest

from db import jobs, plans, queries
from db.engine import Database
from db.jobs import Ending, Seconds, Target
from db.plans import Plan, RunRef
from db.standings import standing
from db.states import BLOCKED, CANCELLED, FAILED, QUEUED, READY, RUNNING, SUCCEEDED
from errors import IllegalMove
from tests.support import LEASE_SECONDS, NOW, event_kinds, planned, row, start, states, submit, worker

ONE, TWO = Target("ablation", 1, "one"), Target("ablation", 2, "two")


def heartbeat(database: Database, claim: jobs.Claim) -> str | None:
    return jobs.extend_lease(database, claim, LEASE_SECONDS, 0, Seconds(), NOW)


def rung(database: Database) -> list[str]:
    return [entry.label for entry in jobs.ring(database, "cpu", 10, NOW)]


def with_runs(database: Database) -> dict[str, Target]:
    """An ablation of two runs that share `index`; each has a train job of its own."""
    baseline, recon = RunRef("baseline", 0), RunRef("recon", 0)
    plan = Plan(
        "one", "one", {},
        [
            planned("index"),
            planned("train a", runs=[baseline]),
            planned("train b", runs=[recon]),
            planned("report", ["index", "train a", "train b"]),
        ],
        {baseline: "train a", recon: "train b"},
    )  # fmt: skip
    plans.submit(database, plan, "submit", NOW)
    return {r.arm: Target("run", r.id, f"run {r.arm}") for r in queries.runs_of(database, 1)}


def test_pausing_stops_the_ringing_and_asks_running_jobs_to_yield(database: Database) -> None:
    submit(database, planned("a"), planned("b"), planned("c", ["a"]), key="one")
    running = start(database, "a", worker(database))
    assert states(database)["b"] == QUEUED
    assert jobs.pause(database, ONE, NOW) == jobs.control.Changed(jobs=2, running=1)
    assert states(database) == {"a": RUNNING, "b": READY, "c": BLOCKED}
    assert heartbeat(database, running) == "paused"
    assert rung(database) == []
    assert standing(database).ablations[0].state == "paused"
    jobs.unpause(database, ONE, NOW)
    assert heartbeat(database, running) is None
    assert rung(database) == ["b"]
    assert [k for k in event_kinds(database) if k.startswith("ablation_")][1:] == [
        "ablation_paused",
        "ablation_unpaused",
    ]


def test_a_paused_run_leaves_the_others_and_what_they_share_alone(database: Database) -> None:
    runs = with_runs(database)
    jobs.pause(database, runs["recon"], NOW)
    assert rung(database) == ["index", "train a"]
    entries = {run.arm: run.state for run in standing(database).ablations[0].runs}
    assert entries == {"baseline": "running", "recon": "paused"}
    jobs.unpause(database, runs["recon"], NOW)
    assert rung(database) == ["train b"]


def test_cancelling_spares_what_another_ablation_wants(database: Database) -> None:
    submit(database, planned("own"), planned("shared"), planned("later", ["own"]), key="one")
    submit(database, planned("shared"), key="two")
    running = start(database, "own", worker(database))
    assert jobs.cancel(database, ONE, NOW) == jobs.control.Changed(jobs=1, running=1)
    assert states(database) == {"own": RUNNING, "shared": QUEUED, "later": CANCELLED}
    assert heartbeat(database, running) == "cancelled"
    jobs.give_back(database, running, Ending("yielded", 0, "slice"), NOW)
    assert states(database)["own"] == CANCELLED, "however its attempt ended"
    jobs.cancel(database, TWO, NOW)
    assert states(database)["shared"] == CANCELLED


def test_cancelling_one_run_keeps_the_other_going(database: Database) -> None:
    runs = with_runs(database)
    jobs.cancel(database, runs["recon"], NOW)
    assert states(database) == {"index": READY, "train a": READY, "train b": CANCELLED, "report": BLOCKED}


def test_what_was_cancelled_cannot_be_unpaused_but_retried(database: Database) -> None:
    submit(database, planned("a"), planned("b", ["a"]), key="one")
    jobs.cancel(database, ONE, NOW)
    with pytest.raises(IllegalMove, match="one was cancelled; retry brings it back"):
        jobs.unpause(database, ONE, NOW)
    assert jobs.retry(database, ONE, NOW).jobs == 2
    assert states(database) == {"a": READY, "b": BLOCKED}
    assert rung(database) == ["a"]


def test_retrying_one_job_brings_back_what_it_needs_and_nothing_else(database: Database) -> None:
    submit(database, planned("a"), planned("b", ["a"]), planned("c"), key="one")
    me = worker(database)
    for label in ("a", "c"):
        jobs.end(database, start(database, label, me), Ending(FAILED, 0, "broke"), NOW)
    assert jobs.retry(database, Target("job", row(database, "b").id, "b"), NOW).jobs == 1
    assert states(database) == {"a": READY, "b": BLOCKED, "c": FAILED}
    assert (row(database, "a").failures, row(database, "a").error) == (0, None)


def test_a_job_is_retried_out_of_an_ablation_that_was_cancelled(database: Database) -> None:
    submit(database, planned("a"), planned("b", ["a"]), planned("c"), key="one")
    jobs.cancel(database, ONE, NOW)
    assert jobs.retry(database, Target("job", row(database, "b").id, "b"), NOW).jobs == 2
    assert states(database) == {"a": READY, "b": BLOCKED, "c": CANCELLED}
    assert standing(database).ablations[0].state == "running"
    assert rung(database) == ["a"]


def test_a_job_that_another_ablation_wants_leaves_the_cancelled_one(database: Database) -> None:
    submit(database, planned("shared"), key="one")
    submit(database, planned("shared"), key="two")
    jobs.cancel(database, ONE, NOW)
    shared = Target("job", row(database, "shared").id, "shared")
    jobs.cancel(database, shared, NOW)
    jobs.retry(database, shared, NOW)
    assert [entry.state for entry in standing(database).ablations] == [CANCELLED, "running"]


def test_what_has_succeeded_brings_back_no_ablation(database: Database) -> None:
    submit(database, planned("a"), planned("b"), key="one")
    jobs.succeed(database, start(database, "a", worker(database)), Ending(SUCCEEDED, 1), NOW)
    jobs.cancel(database, ONE, NOW)
    jobs.retry(database, Target("job", row(database, "a").id, "a"), NOW)
    assert standing(database).ablations[0].state == CANCELLED


@pytest.mark.parametrize("of_run", [False, True])
def test_a_run_and_its_ablation_are_brought_back_with_each_other(database: Database, of_run: bool) -> None:
    runs = with_runs(database)
    first, second = (ONE, runs["recon"]) if of_run else (runs["recon"], ONE)
    jobs.cancel(database, first, NOW)
    jobs.retry(database, second, NOW)
    assert "train b" in rung(database)
    assert {run.arm: run.state for run in standing(database).ablations[0].runs}["recon"] == "running"
    assert (states(database)["train a"] == CANCELLED) == of_run


def test_what_holds_a_job_is_told(database: Database) -> None:
    runs = with_runs(database)
    train = Target("job", row(database, "train b").id, "train b")
    assert jobs.control.paused_by(database, train) is None
    for target in (train, runs["recon"], ONE):
        jobs.pause(database, target, NOW)
        found = jobs.control.paused_by(database, train)
        assert found is not None and (found.kind, found.id) == (target.kind, target.id)


def test_a_job_that_was_cancelled_alone_fails_nothing_else(database: Database) -> None:
    submit(database, planned("a"), planned("b"), key="one")
    jobs.cancel(database, Target("job", row(database, "a").id, "a"), NOW)
    assert states(database) == {"a": CANCELLED, "b": READY}
    claim = start(database, "b", worker(database))
    jobs.succeed(database, claim, Ending(SUCCEEDED, 1), NOW)
    assert standing(database).ablations[0].state == CANCELLED


def test_finish_first_keeps_one_job_in_front_where_fair_turns_alternate(database: Database) -> None:
    """Two jobs of one priority, slice by slice."""
    for key, fair in (("fair", True), ("first", False)):
        submit(database, planned(f"{key} 1", fair=fair), planned(f"{key} 2", fair=fair), key=key)
        me, order = worker(database), []
        for _ in range(4):
            (entry,) = jobs.ring(database, "cpu", 1, NOW)
            claim = jobs.claim(database, entry.id, me, LEASE_SECONDS, NOW)
            assert claim is not None
            order.append(entry.label[-1])
            jobs.give_back(database, claim, Ending("yielded", 0, "slice"), NOW)
        assert order == (["1", "2", "1", "2"] if fair else ["1", "1", "1", "1"])
        jobs.cancel(database, Target("ablation", 1 if fair else 2, key), NOW)


def told(database: Database) -> list[str]:
    """Kinds of events of what people asked for."""
    words = ("paused", "unpaused", "cancelled", "retried")
    return [kind for kind in event_kinds(database) if kind.partition("_")[2] in words]


@pytest.mark.parametrize("target", [ONE, Target("run", 1, "run"), Target("job", 2, "train a")])
@pytest.mark.parametrize(
    ("before", "move"),
    [((), jobs.unpause), ((), jobs.retry), ((jobs.pause,), jobs.pause), ((jobs.cancel,), jobs.cancel),
     ((jobs.pause, jobs.unpause), jobs.unpause), ((jobs.cancel, jobs.retry), jobs.retry)],
)  # fmt: skip
def test_what_is_so_already_changes_nothing_and_no_event_says_so(database, target, before, move) -> None:
    with_runs(database)
    for one in before:
        assert not one(database, target, NOW).already
    was, events = states(database), told(database)
    assert len(events) == len(before)
    assert move(database, target, NOW) == jobs.control.Changed(0, 0, already=True)
    assert (states(database), told(database)) == (was, events)


def test_only_jobs_that_were_not_held_before_are_paused(database: Database) -> None:
    runs = with_runs(database)
    assert jobs.pause(database, runs["recon"], NOW).jobs == 1
    assert jobs.pause(database, ONE, NOW).jobs == 3, "train b was paused before"
    assert jobs.unpause(database, ONE, NOW).jobs == 3, "train b is paused still"


def test_a_running_job_is_told_to_stop_once_and_called_back_once(database: Database) -> None:
    submit(database, planned("a"), key="one")
    start(database, "a", worker(database))
    for _ in range(2):
        assert jobs.cancel(database, ONE, NOW).running == 1
    assert told(database) == ["ablation_cancelled"]
    assert [jobs.retry(database, ONE, NOW).already for _ in range(2)] == [False, True]
    assert told(database) == ["ablation_cancelled", "ablation_retried"]


def test_what_failed_is_not_cancelled(database: Database) -> None:
    submit(database, planned("a"), key="one")
    jobs.end(database, start(database, "a", worker(database)), Ending(FAILED, 0, "broke"), NOW)
    assert jobs.cancel(database, Target("job", 1, "a"), NOW).already
    assert (states(database), told(database)) == ({"a": FAILED}, [])
