"""Who stopped answering: told by its process where that can be looked up, else by nothing but its silence."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import psutil
import pytest
from sqlalchemy import select, update

from db import jobs, members
from db.engine import Database
from db.jobs import Seconds
from db.missing import Missing, close_dead_sessions, close_lost_sessions, find_missing
from db.schema import Session, Worker
from db.silence import Silence
from settings.processes import process_start
from tests.support import LEASE_SECONDS, NOW, Clock, event_kinds, lease_of, planned, start, submit, worker

#: Rows of who cannot be looked up from here: another machine of the same name, another container of this machine, a
#: machine that was renamed meanwhile, and a row of before processes said in which namespace they are.
ELSEWHERE: dict[str, dict[str, Any]] = {
    "another machine of one name": {
        "process_space": "another start pid:[4026531836]",
        "boot": "another start",
    },
    "another container": {"process_space": "this start pid:[4026532999]", "pid": 1},
    "another name": {"process_space": "another start pid:[1]", "host": "before-dhcp"},
    "an old row": {"process_space": None, "pid_started_at": 5.0},
}

#: Columns as of a process that has ended.
DEAD = {"pid": 2**22 + 1}


class Listener:
    """Looks once a second."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._clock = Clock()
        self._silence = Silence(self._clock)

    def look(self, seconds: float = 0.0) -> list[Missing]:
        """Look for so long; what the last look found."""
        missing = find_missing(self._database, LEASE_SECONDS, self._silence)
        for _ in range(int(seconds)):
            self._clock.now += 1.0
            missing = find_missing(self._database, LEASE_SECONDS, self._silence)
        return missing


def test_a_worker_whose_process_is_gone_is_missed_at_once_with_what_it_held(database: Database) -> None:
    submit(database, planned("a"), planned("b"))
    me, gone = worker(database, "here"), worker(database, "gone")
    kept, lost = start(database, "a", me), start(database, "b", gone)
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    with database.write() as tx:
        tx.execute(update(Worker).where(Worker.id == gone).values(pid=ended.pid))
    (missing,) = find_missing(database, LEASE_SECONDS, Silence())
    assert (missing.name, missing.reason, missing.leases) == ("gone", "its process is gone", [lease_of(lost)])
    assert lease_of(kept) not in missing.leases


def test_a_recycled_process_number_is_not_the_worker(database: Database) -> None:
    gone = worker(database, "gone")
    with database.write() as tx:
        tx.execute(update(Worker).where(Worker.id == gone).values(pid_started_at=5.0))
    assert [missing.name for missing in find_missing(database, LEASE_SECONDS, Silence())] == ["gone"]


def test_setting_the_clock_ends_no_worker(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux counts processes' starts from its own, whose time of day moves with the clock."""
    worker(database)
    before = psutil.boot_time()
    monkeypatch.setattr("psutil._pslinux.boot_time", lambda: before + 3600.0)
    assert find_missing(database, LEASE_SECONDS, Silence()) == []


def test_silence_longer_than_a_lease_is_a_loss_until_the_worker_speaks_again(database: Database) -> None:
    session = members.open_session(database, "up", None, NOW)
    me = worker(database, session=session)
    listener = Listener(database)
    assert listener.look(LEASE_SECONDS) == []
    (missing,) = listener.look(1)
    assert (missing.reason, missing.with_session) == ("silent for 31 s", False)
    later = NOW + LEASE_SECONDS + 1
    members.mark_gone(database, me, missing.reason, later)
    assert event_kinds(database) == ["worker_lost"]
    (spoke,) = members.heartbeats_of(database, session).items()
    assert spoke[0] == (os.getpid(), process_start(os.getpid()))
    assert members.living(database) == []
    members.beat(database, me, None, None, later)
    assert [entry.id for entry in members.living(database)] == [me]
    (again,) = members.heartbeats_of(database, session).items()
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
    assert (missing.worker_id, missing.reason, missing.leases) == (0, "lease ran out", [lease_of(claim)])
    jobs.extend_lease(database, claim, LEASE_SECONDS, 0, Seconds(), later)
    assert listener.look(1) == []


def test_a_worker_that_left_is_not_missed(database: Database) -> None:
    members.leave(database, worker(database), NOW)
    assert Listener(database).look(2 * LEASE_SECONDS) == []


@pytest.mark.parametrize("elsewhere", ELSEWHERE.values(), ids=ELSEWHERE)
def test_who_cannot_be_looked_up_lives_while_it_speaks_and_is_missed_when_it_does_not(
    database: Database, elsewhere: dict[str, Any]
) -> None:
    me = worker(database)
    change(database, Worker, me, **elsewhere)
    listener = Listener(database)
    for moment in range(1, 6):
        assert listener.look(LEASE_SECONDS - 1) == []
        members.beat(database, me, None, None, NOW + moment)
    (missing,) = listener.look(LEASE_SECONDS + 2)
    assert missing.worker_id == me and missing.reason.startswith("silent for")


def test_another_name_of_this_machine_ends_nobody(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = members.open_session(database, "up", None, NOW)
    worker(database, session=session)
    monkeypatch.setattr("socket.gethostname", lambda: "a-name-by-dhcp")
    assert find_missing(database, LEASE_SECONDS, Silence()) == []
    assert len(members.heartbeats_of(database, session)) == 1, "whose supervisor finds it still"
    assert close_dead_sessions(database, NOW) == 0
    change(database, Worker, 1, **DEAD)
    assert [gone.reason for gone in find_missing(database, LEASE_SECONDS, Silence())] == [
        "its process is gone"
    ]


def test_a_supervisor_hears_its_own_sessions_workers_only(database: Database) -> None:
    """Another machine of the same name may have workers of the same numbers."""
    mine, other = (members.open_session(database, "up", None, NOW) for _ in range(2))
    worker(database, session=other)
    assert members.heartbeats_of(database, mine) == {}


@pytest.mark.parametrize(
    ("session_is", "with_session"),
    [
        ({"host": "renamed"}, False),
        (DEAD, True),
        ({"ended_at": NOW}, True),
        ({"process_space": "another start pid:[1]"}, True),
    ],
    ids=["alive", "dead", "ended", "elsewhere, and silent"],
)
def test_a_loss_is_of_the_whole_session_where_that_is_gone_too(
    database: Database, session_is: dict[str, Any], with_session: bool
) -> None:
    submit(database, planned("a"))
    session = members.open_session(database, "up", None, NOW)
    me = worker(database, session=session)
    change(database, Worker, me, process_space="another start pid:[1]")
    change(database, Session, session, **session_is)
    start(database, "a", me)
    listener = Listener(database)
    assert listener.look(LEASE_SECONDS) == []
    (missing,) = listener.look(1)
    assert (missing.worker_id, len(missing.leases), missing.with_session) == (me, 1, with_session)


def test_elsewhere_a_session_that_goes_on_speaking_lost_that_worker_only(database: Database) -> None:
    session = members.open_session(database, "up", None, NOW)
    me, beside = (worker(database, session=session) for _ in range(2))
    change(database, Session, session, process_space="another start pid:[1]")
    change(database, Worker, me, process_space="another start pid:[1]")
    listener = Listener(database)
    for second in range(int(LEASE_SECONDS) + 1):
        listener.look(1)
        members.note_age(database, session, float(second + 1))
    (missing,) = [gone for gone in listener.look(1) if gone.worker_id != beside]
    assert not missing.with_session


@pytest.mark.parametrize("whole_machine", [True, False])
def test_a_worker_without_a_session_goes_with_its_machine(database: Database, whole_machine: bool) -> None:
    """Whoever else speaks from that start of the machine shows that the machine is there."""
    me, beside = worker(database), worker(database, "beside")
    for one in (me, beside):
        change(database, Worker, one, process_space="another start pid:[1]", boot="another start")
    listener = Listener(database)
    for second in range(int(LEASE_SECONDS)):
        listener.look(1)
        if not whole_machine:
            members.beat(database, beside, None, None, NOW + second)
    missing = listener.look(1)
    assert {gone.worker_id: gone.with_session for gone in missing} == (
        {me: True, beside: True} if whole_machine else {me: False}
    )


def test_a_lease_of_a_worker_that_was_missed_before_is_judged_by_its_session(database: Database) -> None:
    submit(database, planned("a"))
    session = members.open_session(database, "up", None, NOW)
    me = worker(database, session=session)
    start(database, "a", me)
    members.mark_gone(database, me, "gone", NOW)
    members.close_session(database, session, "killed", NOW)
    (missing,) = Listener(database).look(LEASE_SECONDS + 1)
    assert (missing.worker_id, missing.reason, missing.with_session) == (0, "lease ran out", True)


def test_sessions_of_dead_commands_are_closed(database: Database) -> None:
    """Whatever the time of day was when they began, and whatever the machine was called."""
    mine, dead, elsewhere, old = (
        members.open_session(database, "up", None, t) for t in (-1e6, 0, 1e12, 1e12)
    )
    change(database, Session, dead, **DEAD, host="spot-a")
    change(database, Session, elsewhere, process_space="another start pid:[1]")
    change(database, Session, old, process_space=None, boot=None, age_seconds=None)
    assert close_dead_sessions(database, NOW) == 1
    assert reasons(database) == {mine: None, dead: "killed", elsewhere: None, old: None}
    assert close_dead_sessions(database, NOW, alone=True) == 3, (
        "whoever holds the home knows that nobody else does"
    )
    assert event_kinds(database) == ["session_lost"] * 4


def test_sessions_that_say_nothing_are_closed_until_they_speak(database: Database) -> None:
    mine, dead, elsewhere, old = (members.open_session(database, "up", 60.0, NOW) for _ in range(4))
    change(database, Session, dead, **DEAD)
    change(database, Session, elsewhere, process_space="another start pid:[1]", host=os.uname().nodename)
    change(database, Session, old, process_space=None, boot=None, age_seconds=None)
    clock = Clock()
    silence = Silence(clock)
    assert close_lost_sessions(database, LEASE_SECONDS, silence, NOW) == 1
    for second in range(int(LEASE_SECONDS) + 5):
        clock.now += 1.0
        members.note_age(database, elsewhere, float(second))
        close_lost_sessions(database, LEASE_SECONDS, silence, NOW)
    assert reasons(database) == {mine: None, dead: "killed", elsewhere: None, old: "lost"}
    for _ in range(int(LEASE_SECONDS) + 1):
        clock.now += 1.0
        close_lost_sessions(database, LEASE_SECONDS, silence, NOW)
    assert reasons(database)[elsewhere] == "lost"
    members.note_age(database, elsewhere, 90.0)
    assert reasons(database)[elsewhere] is None, "it was only cut off"


def change(database: Database, table: type[Worker | Session], row_id: int, **values: Any) -> None:
    with database.write() as tx:
        tx.execute(update(table).where(table.id == row_id).values(**values))


def reasons(database: Database) -> dict[int, str | None]:
    with database.read() as tx:
        return {row.id: row.reason for row in tx.execute(select(Session.id, Session.reason)).all()}
