"""A job over two machines ends with the bits of one machine. Links that are cut: `trials/gang_machines.py`.

The machines are two workers of this process, which are told that they are apart, and meet at the loopback address.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, update

from db import jobs, plans
from db.engine import Database
from db.jobs import Ending, gangs
from db.jobs.seating import Hand
from db.plans import Plan
from db.schema import Event, Worker
from db.states import LOST, PREEMPTED, SUCCEEDED
from db.store import ArtifactStore
from errors import ConfigError
from settings.gang_address import VARIABLE
from settings.home import Home
from settings.queue import QueueSettings
from tasks.train import run as train
from tasks.train.gang.words import Line
from tests.support import NOW, artifacts_of_job, attempts, planned, row, start, stored, worker
from tests.tasks.fake_context import FakeContext
from tests.tasks.train.gang_life import (
    STEPS,
    children,
    closed_within,
    command,
    data_in,
    digest_of,
    hearing,
    kill,
    left_of,
    listening_beyond_loopback,
    rank_of,
    sockets,
    spec_of,
)
from tests.toy_kinds import kind_with
from workers.attempt import StopSignal
from workers.execute import Executor
from workers.heartbeat import Member

pytestmark = pytest.mark.slow

ADDRESS = "127.0.0.1"
SETTINGS = QueueSettings(lease_seconds=30, heartbeat_seconds=0.2, retry_seconds=5)


class Machines:
    """Two workers that take each other for another machine's."""

    def __init__(self, home: Home, database: Database, store: ArtifactStore) -> None:
        self.database = database
        self.members = [Member(database, SETTINGS, f"worker-{place}", "cpu", None) for place in "ab"]
        self.executors = [
            Executor(home, database, store, SETTINGS, member, kind_of=kind_with(train.run))
            for member in self.members
        ]
        for member, place in zip(self.members, "ab", strict=True):
            with database.write() as tx:
                tx.execute(update(Worker).where(Worker.id == member.id).values(process_space=place))

    def run(self) -> list[str]:
        """One attempt: what came of it on each, the one that holds the lease last."""
        jobs.end_wait(self.database, [(w.id, w.lease_token) for w in jobs.outlook(self.database).waiting])
        hands = [
            Hand(member.id, place, reachable=True) for member, place in zip(self.members, "ab", strict=True)
        ]
        ((rung, _),) = gangs.ring_seated(self.database, "cpu", hands, 1e12)
        outcomes = ["", ""]

        def first() -> None:
            outcomes[0] = self.executors[0].run(rung.id)

        came = threading.Thread(target=first)
        came.start()
        while gangs.rung(self.database)[0].there == 0:
            threading.Event().wait(0.01)
        outcomes[1] = self.executors[1].run(rung.id)
        came.join(60)
        return outcomes


@pytest.fixture
def machines(
    home: Home, database: Database, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Machines]:
    monkeypatch.setenv(VARIABLE, ADDRESS)
    machines = Machines(home, database, store)
    yield machines
    for member in machines.members:
        member.leave()


def ranks_here() -> dict[int, int]:
    """Process of each rank below this one, by its number."""
    launchers = [pid for pid in children(os.getpid()) if "gang.launcher" in command(pid)]
    ranks = [pid for launcher in launchers for pid in children(launcher) if "gang.rank" in command(pid)]
    return {rank_of(pid): pid for pid in ranks}


def once(database: Database, act: Callable[[], object], after: int = 0) -> Callable[[Line], None]:
    """At a step after a checkpoint, or after that of step `after`."""
    done: list[object] = []

    def heard(line: Line) -> None:
        if not done and line.word == "step" and row(database, "train").step > after:
            done.append(act())

    return heard


def test_two_machines_end_with_the_bits_of_one(
    machines: Machines, database: Database, store: ArtifactStore, home: Home, tmp_path: Path
) -> None:
    """After an attempt of which the other machine lost its rank, from the checkpoint that came over from it, and one
    that the other machine was told to leave."""
    data = tmp_path / "data"
    inputs = data_in(data)
    alone = digest_of(train.run(FakeContext(tmp_path / "alone", spec_of(), inputs)))
    spec = {**spec_of(nodes=2), "slice_seconds": 3600.0}
    index = planned("index", kind="index")
    training = planned(
        "train", ["index"], kind="train", target_steps=STEPS, spec=spec, role="index", devices=2, nodes=2
    )
    plans.submit(database, Plan("one", "one", {}, [index, training]), "test", NOW)
    claim = start(database, "index", worker(database))
    made = [stored(store, tmp_path, file.name, file.path.read_bytes(), kind="index") for file in inputs]
    jobs.succeed(database, claim, Ending(SUCCEEDED, 1, artifacts=made), NOW)
    open_sockets: set[str] = set()
    reachable: list[str] = []

    def lose() -> None:
        ranks = ranks_here()
        held = sockets([*ranks.values(), *(pid for pid in children(os.getpid()) if "gang" in command(pid))])
        open_sockets.update(held)
        reachable.extend(listening_beyond_loopback(held))
        kill(ranks[1], signal.SIGKILL)

    with hearing(once(database, lose)):
        here, leader = machines.run()
    assert (here, leader) == (
        "its part of an attempt has ended",
        "lost: on another machine: rank 1 was ended by signal 9",
    )
    assert open_sockets and not reachable, "all listen at the address that was named"
    assert left_of(home.root) == [] and closed_within(open_sockets, 10)
    assert row(database, "train").step > 0
    saved = row(database, "train").step
    with hearing(once(database, lambda: machines.members[0].stop.set("preempted"), after=saved)):
        here, leader = machines.run()
    assert here == "its part of an attempt has ended" and leader.startswith("preempted at step ")
    assert row(database, "train").step > saved, "what was done is saved, as there was time"
    machines.members[0].stop = StopSignal()
    assert machines.run() == ["its part of an attempt has ended", SUCCEEDED]
    found = [(a.outcome, a.environment["ranks"], a.environment["nodes"]) for a in attempts(database, "train")]
    assert found == [(LOST, 2, 2), (PREEMPTED, 2, 2), (SUCCEEDED, 2, 2)]
    (weights,) = [a for a in artifacts_of_job(database, row(database, "train").id) if a.final]
    assert weights.sha256 == alone


def test_what_fails_on_another_machine_is_told_as_what_it_is(
    machines: Machines, database: Database, store: ArtifactStore, tmp_path: Path
) -> None:
    """Its disk is full, so no try of the job's is spent."""
    spec = {**spec_of(nodes=2), "slice_seconds": 3600.0}
    training = planned("train", kind="train", target_steps=STEPS, spec=spec, devices=2, nodes=2)
    plans.submit(database, Plan("one", "one", {}, [training]), "test", NOW)
    full = OSError(28, "No space left on device")

    def refused(*_: object) -> None:
        raise full

    machines.executors[0]._gatherings._store = store_that(store, refused)  # type: ignore[assignment]
    here, leader = machines.run()
    assert here == "its part of an attempt failed"
    assert leader.startswith(f"{PREEMPTED}: ") and "No space left on device" in leader
    assert row(database, "train").failures == 0


@pytest.mark.parametrize("what", ["its kind", "what is told"])
def test_a_machine_that_cannot_read_its_part_says_why(
    what: str, machines: Machines, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where another build runs there: the attempt ends with the reason, which events and the state have, and no try
    is spent."""
    training = planned("train", kind="train", target_steps=STEPS, spec=spec_of(nodes=2), devices=2, nodes=2)
    plans.submit(database, Plan("one", "one", {}, [training]), "test", NOW)
    said = "training.warmth is no parameter of this build"

    def refused(*_: object) -> None:
        raise ConfigError(said)

    if what == "its kind":
        machines.executors[0]._gatherings._kind_of = refused  # type: ignore[assignment]
    else:
        monkeypatch.setattr("workers.gathering._told", refused)
    here, leader = machines.run()
    assert here == "its part of an attempt failed"
    reason = f"NodeUnreachable: another machine cannot do its part of the attempt: worker-a: {said}"
    assert leader == f"{PREEMPTED}: {reason.removeprefix('NodeUnreachable: ')}"
    assert row(database, "train").failures == 0
    (attempt,) = attempts(database, "train")
    assert said in attempt.reason
    with database.read() as tx:
        (told,) = tx.execute(select(Event.message).where(Event.kind == "machine_fault")).scalars()
    assert said in told


class store_that:  # noqa: N801
    """A store whose scratch folders cannot be made."""

    def __init__(self, store: ArtifactStore, scratch: Callable[..., object]) -> None:
        self._store, self.scratch = store, scratch

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)
