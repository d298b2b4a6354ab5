"""Leaving a machine: who is waited for, what the state says of it, and what people are told."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence

import pytest
from sqlalchemy import update

from db import jobs, members
from db.engine import Database
from db.jobs import Claim, Ending, Seconds
from db.schema import Worker
from db.states import PREEMPTED, READY, RUNNING
from tests.support import NOW, attempts, planned, row, start, submit
from workers.child import Child
from workers.departure import Departed, depart
from workers.unsaved import Shared

#: It cannot be asked to stop, as one that imports.
DEAF = ["sh", "-c", "trap '' TERM; while true; do sleep 60; done"]

#: Whoever waits for this long waits for ever.
LONG = 1e6


@pytest.fixture
def begin() -> Iterator[Callable[[Sequence[str]], Child]]:
    """Starts a process that is a worker's to its session."""
    children: list[Child] = []

    def start_child(command: Sequence[str]) -> Child:
        process = subprocess.Popen(command, start_new_session=True)
        children.append(Child("worker-cpu0", lambda: process, process, Shared()))
        return children[-1]

    yield start_child
    for child in children:
        child.kill()
        child.process.wait()


@pytest.fixture
def session(database: Database) -> int:
    return members.open_session(database, "test", None, NOW)


def working(database: Database, session: int, child: Child, label: str) -> Claim:
    """An attempt of the child's."""
    worker_id = members.join(database, "worker-cpu0", "cpu", session, NOW)
    with database.write() as tx:
        tx.execute(update(Worker).where(Worker.id == worker_id).values(pid=child.process.pid))
    submit(database, planned(label, target_steps=10), key=label)
    return start(database, label, worker_id)


def never() -> bool:
    return False


def test_who_holds_nothing_unsaved_is_ended_at_once_and_nothing_is_counted(
    database: Database, session: int, begin: Callable[[Sequence[str]], Child]
) -> None:
    loading, going_on = begin(DEAF), begin(DEAF)
    working(database, session, loading, "loads")
    claim = working(database, session, going_on, "published")
    jobs.publish(database, claim, 4, [], [], Seconds(), NOW)
    departed = depart(database, session, [loading, going_on], never, LONG)
    assert departed == Departed(saved=("published",), fresh=("loads",))
    assert departed.sentence == "1 job saved, 1 job stopped before a first step"
    assert not loading.runs and not going_on.runs
    for label, step in (("loads", 0), ("published", 4)):
        found, (attempt,) = row(database, label), attempts(database, label)
        assert (found.state, found.step) == (READY, step)
        assert (found.failures, found.losses, found.session_losses) == (0, 0, 0)
        assert (attempt.outcome, attempt.step_to) == (PREEMPTED, step)
    assert members.living(database) == []


def test_steps_are_waited_for_until_the_state_has_them_and_no_longer(
    database: Database, session: int, begin: Callable[[Sequence[str]], Child]
) -> None:
    child = begin(DEAF)
    claim = working(database, session, child, "trains")
    assert child.unsaved is not None
    child.unsaved.flag.anything = True
    looks = []

    def saves_at_the_third_look() -> bool:
        looks.append(child.runs)
        if len(looks) == 3:
            jobs.give_back(database, claim, Ending("preempted", 7, "preempted"), NOW)
            child.unsaved.flag.anything = False  # type: ignore[union-attr]
        return False

    assert depart(database, session, [child], saves_at_the_third_look, LONG) == Departed(saved=("trains",))
    assert looks[:3] == [True] * 3, "it was waited for"
    assert not child.runs, "nobody waits for the end of its interpreter"
    assert (row(database, "trains").step, len(attempts(database, "trains"))) == (7, 1)


@pytest.mark.parametrize("how", ["somebody is in a hurry", "the time is over"])
def test_what_was_not_saved_is_not_said_to_be(
    database: Database, session: int, begin: Callable[[Sequence[str]], Child], how: str
) -> None:
    child = begin(DEAF)
    jobs.publish(database, working(database, session, child, "trains"), 3, [], [], Seconds(), NOW)
    assert child.unsaved is not None
    child.unsaved.flag.anything = True
    departed = depart(database, session, [child], lambda: how == "somebody is in a hurry", 0.1)
    assert departed == Departed(cut=(("trains", 3),))
    assert departed.sentence == "1 job ended without a checkpoint (trains: goes on from step 3)"
    assert (row(database, "trains").state, row(database, "trains").losses) == (READY, 0)


def test_what_ended_without_a_word_before_is_left_to_be_counted_as_lost(
    database: Database, session: int, begin: Callable[[Sequence[str]], Child]
) -> None:
    child = begin(["true"])
    child.process.wait()
    working(database, session, child, "kills its worker")
    assert depart(database, session, [child], never, LONG) == Departed(cut=(("kills its worker", 0),))
    assert row(database, "kills its worker").state == RUNNING


def test_a_body_that_ends_without_having_kept_anything_is_not_saved(
    database: Database, session: int, begin: Callable[[Sequence[str]], Child]
) -> None:
    child = begin(["sleep", "1000"])
    claim = working(database, session, child, "index")
    assert child.unsaved is not None
    child.unsaved.flag.anything = True

    def yields() -> bool:
        if row(database, "index").state == RUNNING:
            jobs.give_back(database, claim, Ending("preempted", 0, "preempted"), NOW)
        return False

    assert depart(database, session, [child], yields, LONG) == Departed(cut=(("index", 0),))


def test_a_state_that_cannot_be_read_keeps_nobody_alive(
    database: Database, session: int, begin: Callable[[Sequence[str]], Child], monkeypatch: pytest.MonkeyPatch
) -> None:
    child = begin(DEAF)
    monkeypatch.setattr(Database, "read", lambda _: (_ for _ in ()).throw(OSError("no disk")))
    departed = depart(database, session, [child], never, LONG)
    assert "could not be looked up (no disk)" in departed.sentence
    assert not child.runs
