"""A session is as old, and has as long left, as its command counted."""

from __future__ import annotations

import time

import pytest

from db import members
from db.engine import Database
from db.standings import standing
from errors import DiskFull
from tests.support import Clock
from workers import session as session_module
from workers.session import SessionClock


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(members, "steady", clock)
    monkeypatch.setattr(session_module, "steady", clock)
    return clock


def entry(database: Database) -> dict[str, object]:
    (found,) = standing(database).sessions
    return {name: getattr(found, name) for name in ("age_seconds", "left_seconds", "deadline")}


@pytest.mark.parametrize("shift", [-172_800.0, -3600.0, 3600.0, 172_800.0])
def test_it_ends_after_its_limit_whatever_the_time_of_day_is(
    database: Database, steady: Clock, monkeypatch: pytest.MonkeyPatch, shift: float
) -> None:
    session = SessionClock(database, "up", 60.0, 1000.0, began=90.0, clock=steady)
    assert entry(database) == {"age_seconds": 10.0, "left_seconds": 50.0, "deadline": 1050.0}
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + shift)
    for _ in range(20):
        steady.now += 1.0
        session.tell()
    assert (session.age_seconds, session.left_seconds) == (30.0, 30.0)
    told = entry(database)
    assert 27.0 <= float(str(told["age_seconds"])) <= 30.0
    assert told["deadline"] == 1050.0, "what people were told"
    steady.now += 40.0
    assert session.left_seconds == -10.0
    session.close("deadline", time.time())
    assert entry(database) == {"age_seconds": 70.0, "left_seconds": None, "deadline": 1050.0}


def test_without_a_limit_nothing_is_left_to_tell(database: Database, steady: Clock) -> None:
    session = SessionClock(database, "up", None, 1000.0, clock=steady)
    assert session.left_seconds is None
    assert entry(database) == {"age_seconds": 0.0, "left_seconds": None, "deadline": None}


def test_a_full_disk_does_not_end_it(
    database: Database, steady: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    session = SessionClock(database, "up", 60.0, 1000.0, clock=steady)

    def full(*_: object) -> None:
        raise DiskFull("no room")

    with monkeypatch.context() as patch:
        patch.setattr(members, "note_age", full)
        steady.now += 5.0
        session.tell()
    assert "could not be written down" in caplog.text
    steady.now += 5.0
    session.tell()
    assert entry(database)["age_seconds"] == 10.0
