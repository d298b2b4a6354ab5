"""One ring of the bell in this process: how long an attempt may take, and what it is booked to have taken."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from db.engine import Database
from db.statements import SECONDS_COLUMNS
from db.states import QUEUED, SUCCEEDED, YIELDED
from db.store import ArtifactStore
from settings.clock import steady
from settings.home import Home
from tasks.context import TaskContext, Yielded
from tests import bodies
from tests.support import artifacts_of_job, attempts, await_value, planned, row, submit
from tests.toy_kinds import Result, done
from tests.workers.conftest import SETTINGS, Bench
from tests.workers.test_execute import make
from workers import deadlines


def test_work_that_cannot_be_put_away_before_the_deadline_does_not_start(
    bench: Bench, database: Database
) -> None:
    submit(database, planned("a"))
    bench.member.ends_at = steady() - 1.0
    assert bench.run("a", lambda _context: pytest.fail("started")) == "no time left before the deadline"
    assert row(database, "a").state == QUEUED, "another worker may have more time"
    assert attempts(database, "a") == []


def test_a_slice_ends_early_enough_for_what_its_checkpoints_were_seen_to_take(
    bench: Bench, database: Database
) -> None:
    """Measured: 5 s to save. The next slice stops that long, with some room, before the deadline."""

    def slow_to_save(context: TaskContext) -> Result:
        context.report_save(5.0)
        context.spend("useful", 0.5)
        context.publish(1, [])
        return Yielded("slice")

    def look(context: TaskContext) -> Result:
        return Yielded(context.should_stop() or "slice")

    submit(database, planned("a", spec={"slice_seconds": 60}, target_steps=5))
    bench.run("a", slow_to_save)
    room = SETTINGS.hand_over_seconds + deadlines.SAVE_SAFETY * 5.0
    bench.member.ends_at = steady() + room + 30
    assert bench.run("a", look) == "yielded at step 1"
    bench.member.ends_at = steady() + room - 0.5
    assert bench.run("a", look) == "no time left before the deadline"


def test_the_lease_is_kept_while_checkpoints_are_read(
    bench: Bench, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hashing what a large model left takes minutes."""
    spec = {"target": 2, "log": str(tmp_path / "log"), "slice_seconds": 1e-6}
    submit(database, planned("a", spec=spec, target_steps=2))
    assert bench.run("a", bodies.count) == "yielded at step 1"
    verified = ArtifactStore.verified

    def slowly(self: ArtifactStore, relative: str, sha256: str) -> Path:
        claimed = row(database, "a").lease_expires_at
        await_value(
            lambda: row(database, "a").lease_expires_at, lambda at: at > claimed, "a heartbeat extends it"
        )
        return verified(self, relative, sha256)

    monkeypatch.setattr(ArtifactStore, "verified", slowly)
    assert bench.run("a", bodies.count) == SUCCEEDED


@pytest.mark.parametrize("shift", [-172_800.0, -3600.0, 3600.0, 172_800.0])
def test_an_attempt_takes_what_it_took_while_the_clock_is_set(
    bench: Bench, database: Database, monkeypatch: pytest.MonkeyPatch, shift: float
) -> None:
    """Neither its slice nor its deadline comes nearer or goes away, and its cost is no difference of times of day."""
    right = time.time

    def body(context: TaskContext) -> Result:
        context.report_progress(1, 9)
        assert context.should_stop() is None
        monkeypatch.setattr(time, "time", lambda: right() + shift)
        assert context.should_stop() is None, "the slice and the deadline are an hour away"
        context.spend("useful", 0.001)
        time.sleep(0.05)
        context.publish(1, [])
        return Yielded("slice")

    submit(database, planned("a", spec={"slice_seconds": 3000}, target_steps=9))
    bench.member.ends_at = steady() + 3300.0
    began = time.monotonic()
    assert bench.run("a", body) == "yielded at step 1"
    wall = time.monotonic() - began
    (attempt,) = attempts(database, "a")
    assert attempt.ended_at - attempt.started_at == pytest.approx(shift, abs=300.0), "for people"
    booked = sum(getattr(attempt, name) for name in SECONDS_COLUMNS)
    assert 0.05 <= booked <= attempt.took_seconds <= wall
    assert min(getattr(attempt, name) for name in SECONDS_COLUMNS) >= 0.0


@pytest.mark.parametrize("shift", [-172_800.0, 172_800.0])
def test_a_slice_and_a_deadline_end_although_the_clock_was_set(
    bench: Bench, database: Database, monkeypatch: pytest.MonkeyPatch, shift: float
) -> None:
    right = time.time

    def body(context: TaskContext) -> Result:
        monkeypatch.setattr(time, "time", lambda: right() + shift)
        context.report_progress(1, 9)
        reason = await_value(context.should_stop, bool, "the end")
        return Yielded(str(reason))

    submit(database, planned("a", spec={"slice_seconds": 0.2}, target_steps=9))
    bench.run("a", body)
    submit(database, planned("b", kind="gaze", target_steps=9), key="other")
    room = SETTINGS.hand_over_seconds + SETTINGS.deadline_margin_seconds
    bench.member.ends_at = steady() + room + 1.0
    bench.run("b", body)
    assert [a.reason for a in attempts(database, "b")] == ["deadline"]


def test_an_attempt_whose_input_is_damaged_costs_time_too(
    bench: Bench, database: Database, home: Home
) -> None:
    def read(context: TaskContext) -> Result:
        time.sleep(0.05)
        return done(result={"inputs": len(context.inputs)})

    submit(database, planned("a"), planned("b", ["a"]))
    bench.run("a", make)
    (fact,) = artifacts_of_job(database, row(database, "a").id)
    (home.root / fact.path).unlink()
    bench.run("b", read)
    (attempt,) = attempts(database, "b")
    assert attempt.outcome == YIELDED
    assert 0.05 <= attempt.load_seconds <= attempt.took_seconds, "and is no slice: nothing is done again"


def test_a_heartbeat_says_how_long_an_attempt_has_taken(bench: Bench, database: Database) -> None:
    def body(_context: TaskContext) -> Result:
        await_value(lambda: attempts(database, "a")[0].took_seconds, lambda took: took > 0.0, "a heartbeat")
        return done()

    submit(database, planned("a"))
    assert bench.run("a", body) == SUCCEEDED
