"""What is known of how long jobs take."""

from __future__ import annotations

import pytest

from db import jobs, timings
from db.engine import Database
from db.jobs import Ending, Seconds
from db.states import FAILED, SUCCEEDED
from tests.support import NOW, planned, start, submit, worker


def test_how_long_the_attempts_of_each_kind_took_of_late(database: Database) -> None:
    submit(
        database,
        *(planned(f"{kind} {number}", kind=kind) for kind in ("ingest", "gaze") for number in range(3)),
    )
    assert timings.seconds_by_kind(database) == {}
    mine = worker(database)
    start(database, "gaze 2", mine)
    assert timings.seconds_by_kind(database) == {}, "it runs"
    for label, seconds, ending in (
        ("ingest 0", 1.0, SUCCEEDED), ("ingest 1", 2.0, SUCCEEDED), ("gaze 0", 9.0, SUCCEEDED)
    ):  # fmt: skip
        jobs.succeed(
            database, start(database, label, mine), Ending(ending, 1, seconds=Seconds(took=seconds)), NOW
        )
    failed = Ending(FAILED, 0, "no", seconds=Seconds(took=3.0))
    jobs.end(database, start(database, "ingest 2", mine), failed, NOW)
    assert timings.seconds_by_kind(database) == {"ingest": 2.0, "gaze": 9.0}


def test_a_kind_that_was_at_work_long_ago_is_not_known(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timings, "_RECENT_OF_ALL", 2)
    submit(database, planned("old", kind="gaze"), planned("a"), planned("b"))
    for label in ("old", "a", "b"):
        claim = start(database, label, worker(database, label))
        jobs.succeed(database, claim, Ending(SUCCEEDED, 1, seconds=Seconds(took=1.0)), NOW)
    assert timings.seconds_by_kind(database) == {"ingest": 1.0}
