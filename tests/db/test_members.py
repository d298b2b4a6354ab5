"""Who is here and who is gone."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil
import pytest
from sqlalchemy import select, update

from db import jobs, members
from db.engine import Database
from db.jobs import Seconds
from db.schema import Session, Worker
from db.silence import Silence
from tests.support import LEASE_SECONDS, NOW, Clock, event_kinds, planned, start, submit, worker


class Listener:
    """Looks once a second."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._clock = Clock()
        self._silence = Silence(self._clock)

    def look(self, seconds: float = 0.0) -> list[members.Missing]:
        """Look for so long; what the last look found."""
        missing = members.find_missing(self._database, LEASE_SECONDS, self._silence)
        for _ in range(int(seconds)):
            self._clock.now += 1.0
            missing = members.find_missing(self._database, LEASE_SECONDS, self._silence)
        return missing


def test_a_worker_whose_process_is_gone_is_missed_at_once_with_what_it_held(database: Database) -> None:
    submit(database, planned("a"), planned("b"))
    me, gone = worker(database, "here"), worker(database, "gone")
    kept, lost = start(database, "a", me), start(database, "b", gone)
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    with database.write() as tx:
        tx.execute(update(Worker).where(Worker.id == gone).values(pid=ended.pid))
    (missing,) = members.find_missing(database, LEASE_SECONDS, Silence())
    assert (missing.name, missing.reason, missing.leases) == ("gone", "its process is gone", [lost.lease])
    assert kept.lease not in missing.leases


def test_a_recycled_process_number_is_not_the_worker(database: Database) -> None:
    gone = worker(database, "gone")
    with database.write() as tx:
        tx.execute(update(Worker).where(Worker.id == gone).values(pid_started_at=5.0))
    assert [missing.name for missing in members.find_missing(database, LEASE_SECONDS, Silence())] == ["gone"]
    assert members.process_alive(os.getpid(), members.process_start(os.getpid()))
    assert not members.process_alive(os.getpid(), 5.0)


def test_setting_the_clock_ends_no_worker(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux counts processes' starts from its own, whose time of day moves with the clock."""
    worker(database)
    before = psutil.boot_time()
    monkeypatch.setattr("psutil._pslinux.boot_time", lambda: before + 3600.0)
    assert members.find_missing(database, LEASE_SECONDS, Silence()) == []


def test_a_process_that_never_was_has_no_start() -> None:
    with pytest.raises(psutil.NoSuchProcess):
        members.process_start(2**22 + 1)


def test_silence_longer_than_a_lease_is_a_loss_until_the_worker_speaks_again(database: Database) -> None:
    me = worker(database)
    listener = Listener(database)
    assert listener.look(LEASE_SECONDS) == []
    (missing,) = listener.look(1)
    assert missing.reason == "silent for 31 s"
    later = NOW + LEASE_SECONDS + 1
    members.mark_gone(database, me, missing.reason, later)
    assert event_kinds(database) == ["worker_lost"]
    (spoke,) = members.heartbeats_here(database).items()
    assert spoke[0] == (os.getpid(), members.process_start(os.getpid()))
    assert members.living(database) == []
    members.beat(database, me, None, None, later)
    assert [entry.id for entry in members.living(database)] == [me]
    (again,) = members.heartbeats_here(database).items()
    assert again[1] > spoke[1]


def test_a_lease_that_ran_out_is_missed_although_the_worker_beats(database: Database) -> None:
    submit(database, planned("a"))
    me = worker(database)
    claim = start(database, "a", me)
    later = NOW + LEASE_SECONDS + 1
    listener = Listener(database)
    assert listener.look(LEASE_SECONDS) == []
    members.beat(database, me, None, None, later)
    (missing,) = listener.look(1)
    assert (missing.worker_id, missing.reason, missing.leases) == (0, "lease ran out", [claim.lease])
    jobs.extend_lease(database, claim, LEASE_SECONDS, 0, Seconds(), later)
    assert listener.look(1) == []


def test_a_worker_that_left_is_not_missed(database: Database) -> None:
    members.leave(database, worker(database), NOW)
    assert Listener(database).look(2 * LEASE_SECONDS) == []


def test_sessions_of_dead_commands_are_closed(database: Database) -> None:
    """Whatever the time of day was when they began."""
    mine = members.open_session(database, "up", None, -1e6)
    dead, old, earlier = (members.open_session(database, "up", None, 1e12) for _ in range(3))
    for session, what in (
        (dead, {"pid": 2**22 + 1}),
        (old, {"boot": "another start"}),
        (earlier, {"boot": None}),
    ):
        with database.write() as tx:
            tx.execute(update(Session).where(Session.id == session).values(**what))
    assert members.close_dead_sessions(database, NOW) == 3
    with database.read() as tx:
        assert tx.execute(select(Session.id, Session.reason).order_by(Session.id)).all() == [
            (mine, None),
            *((session, "killed") for session in (dead, old, earlier)),
        ]


def test_a_session_ends_by_the_steady_clock_of_its_machine(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(members, "steady", clock)
    mine = members.open_session(database, "up", 60.0, NOW, began=90.0)
    clock.now = 130.0
    assert members.session_end(database, mine) == 150.0, "its limit counts from when it was asked for"
    assert members.session_end(database, None) is None
    assert members.session_end(database, members.open_session(database, "up", None, NOW)) is None
    with database.write() as tx:
        assert tx.execute(select(Session.deadline).where(Session.id == mine)).scalar_one() == NOW + 50.0
        tx.execute(update(Session).where(Session.id == mine).values(boot="another machine"))
    members.note_age(database, mine, 45.0)
    assert members.session_end(database, mine) == 130.0 + 60.0 - 45.0, (
        "elsewhere: what it had left by its own count"
    )
