"""Jobs whose workers, or whose whole sessions, are lost: what that counts, and what it holds back."""

from __future__ import annotations

from pathlib import Path

import pytest

from db import jobs
from db.engine import Database
from db.jobs import Ending, Seconds
from db.states import CANCELLED, FAILED, LOST, PREEMPTED, READY, RUNNING, SUCCEEDED, YIELDED
from db.store import ArtifactStore
from errors import LeaseLost
from tests.support import LEASE_SECONDS, NOW, attempts, lease_of, planned, row, start, stored, submit, worker


def done(step: int = 1) -> Ending:
    return Ending(SUCCEEDED, step)


def lose_the_session(database: Database) -> None:
    claim = start(database, "a", worker(database))
    jobs.take_back(database, [lease_of(claim)], "silent for 31 s", 3, NOW, max_session_losses=5)


def test_a_job_that_takes_its_worker_with_it_three_times_is_poison(database: Database) -> None:
    submit(database, planned("a"))
    for count in (1, 2, 3):
        claim = start(database, "a", worker(database))
        (lost,) = jobs.take_back(database, [lease_of(claim)], "its process is gone", 3, NOW)
        assert row(database, "a").losses == count
    assert lost.state == FAILED
    assert "poison" in row(database, "a").error
    assert [entry.outcome for entry in attempts(database, "a")] == [LOST, LOST, LOST]
    assert row(database, "a").failures == 0


def test_a_checkpoint_between_losses_keeps_a_job_from_being_poison(database: Database) -> None:
    submit(database, planned("a", target_steps=10))
    for step in range(1, 6):
        claim = start(database, "a", worker(database))
        jobs.publish(database, claim, step, [], [], Seconds(), NOW)
        jobs.take_back(database, [lease_of(claim)], "its process is gone", 3, NOW)
    assert (row(database, "a").state, row(database, "a").step, row(database, "a").losses) == (READY, 5, 1)


def test_losses_of_whole_sessions_are_no_poison_and_five_in_a_row_hold_a_job(database: Database) -> None:
    submit(database, planned("a", target_steps=10))
    for count in (1, 2, 3, 4, 5):
        assert row(database, "a").state == READY, count
        lose_the_session(database)
    held = row(database, "a")
    assert (held.state, held.losses, held.session_losses) == (FAILED, 0, 5)
    assert (
        "held: its worker's whole session was lost 5 times in a row" in held.error and "retry" in held.error
    )
    assert attempts(database, "a")[-1].reason == "silent for 31 s, with its whole session"
    jobs.retry(database, jobs.Target("job", held.id, "a"), NOW)
    again = row(database, "a")
    assert (again.state, again.session_losses, again.error) == (READY, 0, None)


@pytest.mark.parametrize("progress", ["a checkpoint", "a step at its end", "an artifact at its end"])
def test_progress_between_losses_of_whole_sessions_keeps_a_job_from_being_held(
    database: Database, store: ArtifactStore, tmp_path: Path, progress: str
) -> None:
    submit(database, planned("a", target_steps=10))
    for _ in range(4):
        lose_the_session(database)
    claim = start(database, "a", worker(database))
    if progress == "a checkpoint":
        jobs.publish(database, claim, 1, [], [], Seconds(), NOW)
        jobs.give_back(database, claim, Ending(YIELDED, 1), NOW)
    else:
        step = 1 if "step" in progress else 0
        made = [] if step else [stored(store, tmp_path, "seen", b"1")]
        jobs.give_back(database, claim, Ending(YIELDED, step, artifacts=made), NOW)
    lose_the_session(database)
    assert (row(database, "a").state, row(database, "a").session_losses) == (READY, 1)


def test_a_loss_of_its_own_counts_apart_from_those_of_whole_sessions(database: Database) -> None:
    submit(database, planned("a"))
    for _ in range(2):
        lose_the_session(database)
        jobs.take_back(
            database, [lease_of(start(database, "a", worker(database)))], "its process is gone", 3, NOW
        )
    assert (row(database, "a").losses, row(database, "a").session_losses) == (2, 2)
    lose_the_session(database)
    assert row(database, "a").state == READY, "two losses of its own are no poison"


def test_a_second_scheduler_that_saw_the_same_loss_takes_nothing_from_the_next_worker(
    database: Database,
) -> None:
    submit(database, planned("a"))
    gone = start(database, "a", worker(database, "gone"))
    assert len(jobs.take_back(database, [lease_of(gone)], "its process is gone", 3, NOW)) == 1
    successor = start(database, "a", worker(database, "next"))
    assert jobs.take_back(database, [lease_of(gone)], "its process is gone", 3, NOW) == []
    assert (row(database, "a").state, row(database, "a").losses) == (RUNNING, 1)
    jobs.succeed(database, successor, done(), NOW)


def test_a_job_whose_cancellation_was_asked_for_is_cancelled_when_its_worker_is_gone(
    database: Database,
) -> None:
    submit(database, planned("a"))
    claim = start(database, "a", worker(database))
    with database.write() as tx:
        tx.execute(jobs.job.update().values(cancel_requested=True))
    assert jobs.extend_lease(database, claim, LEASE_SECONDS, 0, Seconds(), NOW) == "cancelled"
    (lost,) = jobs.take_back(database, [lease_of(claim)], "gone", 3, NOW)
    assert lost.state == CANCELLED


def test_what_is_put_back_counts_as_nothing_and_whoever_held_it_is_too_late(database: Database) -> None:
    submit(database, planned("a", target_steps=10), planned("asked"), planned("other"))
    mine, others = worker(database), worker(database)
    claim = start(database, "a", mine)
    jobs.publish(database, claim, 4, [], [], Seconds(), NOW)
    asked = start(database, "asked", mine)
    jobs.cancel(database, jobs.Target("job", asked.job_id, "asked"), NOW)
    start(database, "other", others)
    assert jobs.put_back(database, [mine], "told to leave", NOW) == 2
    found = row(database, "a")
    assert (found.state, found.step, found.losses, found.session_losses, found.failures) == (
        READY,
        4,
        0,
        0,
        0,
    )
    (attempt,) = attempts(database, "a")
    assert (attempt.outcome, attempt.reason, attempt.step_to) == (PREEMPTED, "told to leave", 4)
    assert (row(database, "asked").state, row(database, "asked").cancel_requested) == (CANCELLED, False)
    (ended,) = attempts(database, "asked")
    assert (ended.outcome, ended.reason) == (CANCELLED, "cancelled")
    assert row(database, "other").state == RUNNING
    for too_late in (
        lambda: jobs.publish(database, claim, 5, [], [], Seconds(), NOW),
        lambda: jobs.succeed(database, claim, done(10), NOW),
        lambda: jobs.give_back(database, claim, Ending(YIELDED, 5), NOW),
    ):
        with pytest.raises(LeaseLost):
            too_late()
    assert jobs.put_back(database, [mine], "told to leave", NOW) == 0
    assert jobs.put_back(database, [], "told to leave", NOW) == 0
