"""Every move of the one writer, and that a token which is no longer current moves nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import func, select

from db import jobs, queries
from db.engine import Database
from db.jobs import Claim, Ending, MetricPoint, Seconds
from db.schema import Artifact, Metric
from db.states import CANCELLED, FAILED, LOST, OOM, QUEUED, READY, RUNNING, SUCCEEDED, YIELDED
from db.store import ArtifactStore
from errors import IllegalMove, LeaseLost
from tests.support import (
    LEASE_SECONDS,
    NOW,
    artifacts_of_job,
    attempts,
    event_kinds,
    lease_of,
    planned,
    row,
    start,
    states,
    stored,
    submit,
    worker,
)


def done(step: int = 1) -> Ending:
    return Ending(SUCCEEDED, step)


def test_a_claim_takes_a_queued_job_once(database: Database) -> None:
    submit(database, planned("a", target_steps=7))
    first, second = worker(database, "first"), worker(database, "second")
    claim = start(database, "a", first)
    assert (claim.lease_token, claim.worker_id, claim.step, claim.target_steps) == (1, first, 0, 7)
    assert jobs.claim(database, claim.job_id, second, LEASE_SECONDS, NOW) is None
    now = row(database, "a")
    assert (now.state, now.worker_id, now.lease_expires_at) == (RUNNING, first, NOW + LEASE_SECONDS)
    assert now.queued_at is None


def test_a_job_that_was_not_rung_cannot_be_claimed(database: Database) -> None:
    submit(database, planned("a"), planned("b", ["a"]))
    for label in ("a", "b"):
        assert jobs.claim(database, row(database, label).id, worker(database), LEASE_SECONDS, NOW) is None


def test_ringing_follows_priority_then_slices_then_age(database: Database) -> None:
    submit(
        database,
        planned("late", priority=90),
        planned("tired"),
        planned("fresh"),
        planned("first", priority=1),
    )
    claim = start(database, "tired", worker(database))
    jobs.unring(database, [row(database, label).id for label in ("late", "fresh", "first")])
    jobs.give_back(database, claim, Ending(YIELDED, 0, "slice"), NOW)
    assert [entry.label for entry in jobs.ring(database, "cpu", 10, NOW)] == [
        "first",
        "fresh",
        "tired",
        "late",
    ]


def test_ringing_obeys_the_limit_the_resource_and_the_wait(database: Database) -> None:
    submit(database, planned("gpu", resource="accelerator"), planned("a"), planned("b"), planned("c"))
    claim = start(database, "a", worker(database))
    jobs.unring(database, [row(database, label).id for label in ("b", "c")])
    jobs.give_back(database, claim, Ending(FAILED, 0, "broke"), NOW, wait_seconds=8.0)
    assert [entry.label for entry in jobs.ring(database, "cpu", 1, 1e12)] == ["b"]
    assert [entry.label for entry in jobs.ring(database, "cpu", 10, 1e12)] == ["c"], (
        "whatever the time of day is"
    )
    (waiting,) = jobs.outlook(database).waiting
    assert (waiting.id, waiting.wait_seconds) == (claim.job_id, 8.0)
    jobs.end_wait(database, [(waiting.id, waiting.lease_token - 1)])
    assert jobs.ring(database, "cpu", 10, NOW) == [], "another scheduler saw an earlier wait end"
    jobs.end_wait(database, [(waiting.id, waiting.lease_token)])
    assert [entry.label for entry in jobs.ring(database, "cpu", 10, NOW)] == ["a"]
    assert states(database)["gpu"] == READY


def test_any_number_of_jobs_may_have_waited(database: Database) -> None:
    """What one fault of the machine broke waits, and has waited, at one time."""
    jobs.end_wait(database, [(number, 1) for number in range(2_000)])


def test_a_lost_bell_is_taken_back_but_not_from_a_job_that_runs(database: Database) -> None:
    submit(database, planned("a"), planned("b"))
    running = start(database, "a", worker(database))
    assert states(database) == {"a": RUNNING, "b": QUEUED}
    assert jobs.unring(database, [running.job_id, row(database, "b").id]) == 1
    assert states(database) == {"a": RUNNING, "b": READY}
    assert jobs.unring(database, []) == 0


def test_success_writes_facts_and_releases_dependents_together(
    database: Database, store: ArtifactStore, tmp_path: Path
) -> None:
    submit(database, planned("a"), planned("b"), planned("c", ["a", "b"]), planned("d", ["c"]))
    claim = start(database, "a", worker(database))
    artifact = stored(store, tmp_path, "weights", b"bytes")
    ending = Ending(
        SUCCEEDED, 1, artifacts=[artifact], metrics=[MetricPoint("loss", 1, 0.5)], result={"answer": 42},
        seconds=Seconds(useful=2.0, load=1.0), environment={"python": "3"},
    )  # fmt: skip
    assert jobs.succeed(database, claim, ending, NOW + 3) == 0
    assert jobs.succeed(database, start(database, "b", worker(database)), done(), NOW) == 1
    assert states(database) == {"a": SUCCEEDED, "b": SUCCEEDED, "c": READY, "d": "blocked"}
    assert row(database, "a").result == {"answer": 42}
    (ended,) = attempts(database, "a")
    assert (ended.outcome, ended.ended_at, ended.step_to) == (SUCCEEDED, NOW + 3, 1)
    assert (ended.useful_seconds, ended.load_seconds, ended.environment) == (2.0, 1.0, {"python": "3"})
    (fact,) = artifacts_of_job(database, claim.job_id)
    assert (fact.sha256, fact.path, fact.bytes, fact.final) == (artifact.sha256, artifact.path, 5, True)


def test_a_checkpoint_is_a_fact_while_the_attempt_goes_on(
    database: Database, store: ArtifactStore, tmp_path: Path
) -> None:
    submit(database, planned("a", target_steps=10))
    claim = start(database, "a", worker(database))
    for step, content in ((3, b"three"), (6, b"six"), (6, b"six again")):
        artifact = stored(store, tmp_path, "weights", content, final=False)
        jobs.publish(
            database,
            claim,
            step,
            [artifact],
            [MetricPoint("loss", step, 1 / step)],
            Seconds(useful=step),
            NOW,
        )
    assert (row(database, "a").state, row(database, "a").step) == (RUNNING, 6)
    facts = artifacts_of_job(database, claim.job_id)
    assert [(fact.step, fact.bytes) for fact in facts] == [(3, 5), (6, 9)], (
        "a step done again replaces its rows"
    )
    assert [(point.step, point.value) for point in queries.metrics_of(database, claim.job_id)] == [
        (3, 1 / 3),
        (6, 1 / 6),
    ]


def test_progress_keeps_the_worker_in_mind_and_clears_the_losses(database: Database) -> None:
    submit(database, planned("a", target_steps=10))
    me = worker(database)
    lost = start(database, "a", me)
    jobs.take_back(database, [lease_of(lost)], "its process is gone", 3, NOW)
    assert row(database, "a").losses == 1
    claim = start(database, "a", me)
    jobs.give_back(database, claim, Ending(YIELDED, 4, "slice"), NOW)
    now = row(database, "a")
    assert (now.state, now.step, now.slices, now.losses, now.preferred_worker_id) == (READY, 4, 1, 0, me)
    claim = start(database, "a", me)
    jobs.give_back(database, claim, Ending(YIELDED, 4, "preempted"), NOW)
    assert row(database, "a").preferred_worker_id is None, "no progress: any worker may have it"


def test_only_failures_spend_the_retry_budget(database: Database) -> None:
    submit(database, planned("a"))
    me = worker(database)
    for outcome in (YIELDED, "preempted", OOM):
        jobs.give_back(database, start(database, "a", me), Ending(outcome, 0, outcome), NOW)
    jobs.take_back(database, [lease_of(start(database, "a", me))], "gone", 3, NOW)
    assert (row(database, "a").failures, row(database, "a").losses) == (0, 2), "out of memory and lost"
    jobs.give_back(database, start(database, "a", me), Ending(FAILED, 0, "broke"), NOW)
    assert (row(database, "a").failures, row(database, "a").error) == (1, "broke")
    assert "attempt_failed" in event_kinds(database)
    outcomes = [entry.outcome for entry in attempts(database, "a")]
    assert outcomes == [YIELDED, "preempted", OOM, LOST, FAILED]


@pytest.mark.parametrize("outcome", [FAILED, CANCELLED])
def test_an_end_is_final_and_dependents_stay_blocked(database: Database, outcome: str) -> None:
    submit(database, planned("a"), planned("b", ["a"]))
    claim = start(database, "a", worker(database))
    if outcome == CANCELLED:
        jobs.cancel(database, jobs.Target("job", claim.job_id, "a"), NOW)
    jobs.end(database, claim, Ending(outcome, 0, "why"), NOW + 1)
    now = row(database, "a")
    assert (now.state, now.error, now.finished_at, now.lease_expires_at) == (outcome, "why", NOW + 1, None)
    assert now.failures == (outcome == FAILED)
    assert states(database)["b"] == "blocked"
    assert f"job_{outcome}" in event_kinds(database)


def test_a_cancellation_that_was_revoked_before_the_attempt_stopped_is_none(database: Database) -> None:
    submit(database, planned("a", target_steps=9))
    claim = start(database, "a", worker(database))
    jobs.cancel(database, jobs.Target("job", claim.job_id, "a"), NOW)
    jobs.retry(database, jobs.Target("job", claim.job_id, "a"), NOW)
    jobs.end(database, claim, Ending(CANCELLED, 3, "cancelled"), NOW)
    assert (row(database, "a").state, row(database, "a").step) == (READY, 3)
    assert [entry.outcome for entry in attempts(database, "a")] == [YIELDED]


def test_what_was_done_before_it_could_be_cancelled_is_done(database: Database) -> None:
    """And should it have to be done again, it is not cancelled then."""
    submit(database, planned("a"))
    claim = start(database, "a", worker(database))
    jobs.cancel(database, jobs.Target("job", claim.job_id, "a"), NOW)
    jobs.succeed(database, claim, Ending(SUCCEEDED, 1), NOW)
    assert (row(database, "a").state, row(database, "a").cancel_requested) == (SUCCEEDED, False)


def test_a_lease_that_was_extended_after_it_seemed_to_run_out_is_not_taken(database: Database) -> None:
    submit(database, planned("a"))
    claim = start(database, "a", worker(database))
    seen = jobs.Lease(claim.job_id, claim.lease_token, row(database, "a").lease_expires_at)
    jobs.extend_lease(database, claim, LEASE_SECONDS, 0, Seconds(), NOW + 5)
    assert jobs.take_back(database, [seen], "silent", 3, NOW + 5) == []
    seen = jobs.Lease(claim.job_id, claim.lease_token, row(database, "a").lease_expires_at)
    assert [lost.label for lost in jobs.take_back(database, [seen], "silent", 3, NOW + 5)] == ["a"]


def test_only_failure_and_cancellation_end_a_job_without_success(database: Database) -> None:
    submit(database, planned("a"))
    claim = start(database, "a", worker(database))
    with pytest.raises(IllegalMove, match="yielded"):
        jobs.end(database, claim, Ending(YIELDED, 0), NOW)
    assert row(database, "a").state == RUNNING


def test_a_heartbeat_extends_the_lease(database: Database) -> None:
    submit(database, planned("a"))
    claim = start(database, "a", worker(database))
    assert jobs.extend_lease(database, claim, LEASE_SECONDS, 7, Seconds(useful=3.0), NOW + 5) is None
    assert row(database, "a").reached == 7
    assert attempts(database, "a")[0].useful_seconds == 3.0
    assert row(database, "a").lease_expires_at == NOW + 5 + LEASE_SECONDS


def test_falling_back_moves_the_step_and_says_so(database: Database) -> None:
    submit(database, planned("a", target_steps=10))
    claim = start(database, "a", worker(database))
    jobs.publish(database, claim, 6, [], [], Seconds(), NOW)
    jobs.fall_back(database, claim, 3, "back to step 3", NOW)
    assert row(database, "a").step == 3
    assert "checkpoint_fallback" in event_kinds(database)
    assert attempts(database, "a")[0].step_from == 3


MOVES_OF_AN_ATTEMPT: dict[str, Callable[[Database, Claim], object]] = {
    "extend_lease": lambda db, held: jobs.extend_lease(db, held, LEASE_SECONDS, 0, Seconds(), NOW),
    "publish": lambda db, held: jobs.publish(
        db,
        held,
        5,
        [jobs.StoredArtifact("checkpoint", "weights", "0" * 64, "artifacts/x", 1)],
        [MetricPoint("loss", 5, 1.0)],
        Seconds(),
        NOW,
    ),
    "fall_back": lambda db, held: jobs.fall_back(db, held, 0, "back", NOW),
    "succeed": lambda db, held: jobs.succeed(
        db,
        held,
        Ending(
            SUCCEEDED, 9, artifacts=[jobs.StoredArtifact("checkpoint", "weights", "0" * 64, "artifacts/x", 1)]
        ),
        NOW,
    ),
    "give_back": lambda db, held: jobs.give_back(db, held, Ending(YIELDED, 9, "slice"), NOW),
    "end": lambda db, held: jobs.end(db, held, Ending(FAILED, 9, "broke"), NOW),
}


@pytest.mark.parametrize("successor", ["ready", "queued", "running", "succeeded"])
@pytest.mark.parametrize("move", MOVES_OF_AN_ATTEMPT)
def test_a_zombie_changes_nothing(database: Database, move: str, successor: str) -> None:
    """The attempt lost its job; whatever became of the job since, its moves raise and leave every row alone."""
    submit(database, planned("a", target_steps=10), planned("b", ["a"]))
    zombie = start(database, "a", worker(database, "zombie"))
    jobs.take_back(database, [lease_of(zombie)], "silent", 3, NOW)
    if successor == "queued":
        jobs.ring(database, "cpu", 1, NOW)
    elif successor in ("running", "succeeded"):
        claim = start(database, "a", worker(database, "next"))
        if successor == "succeeded":
            jobs.succeed(database, claim, done(10), NOW)
    before = _everything(database)
    with pytest.raises(LeaseLost, match="no longer holds"):
        MOVES_OF_AN_ATTEMPT[move](database, zombie)
    assert _everything(database) == before


@pytest.mark.parametrize("move", MOVES_OF_AN_ATTEMPT)
def test_an_attempt_that_ended_cannot_move_its_job_again(database: Database, move: str) -> None:
    submit(database, planned("a", target_steps=10))
    claim = start(database, "a", worker(database))
    jobs.give_back(database, claim, Ending(YIELDED, 2, "slice"), NOW)
    before = _everything(database)
    with pytest.raises(LeaseLost):
        MOVES_OF_AN_ATTEMPT[move](database, claim)
    assert _everything(database) == before


def _everything(database: Database) -> tuple[object, ...]:
    with database.read() as tx:
        return (
            tx.execute(select(jobs.job).order_by(jobs.job.c.id)).all(),
            tx.execute(select(jobs.attempt).order_by(jobs.attempt.c.id)).all(),
            tx.execute(select(func.count()).select_from(Artifact)).scalar_one(),
            tx.execute(select(func.count()).select_from(Metric)).scalar_one(),
            event_kinds(database),
        )
