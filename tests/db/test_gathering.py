"""Attempts of several machines: who starts ranks where, what they tell each other, and how long that counts."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from db import jobs, members
from db.engine import Database
from db.gang_standings import gang_standings
from db.jobs import Claim, Ending, gangs, gathering
from db.jobs.seating import Hand
from db.schema import Worker
from db.states import QUEUED, YIELDED
from errors import LeaseLost
from tests.support import LEASE_SECONDS, NOW, lease_of, planned, row, submit
from views.gangs import sentence


class Apart:
    """Two workers on each of some machines."""

    def __init__(self, database: Database, places: str = "ab") -> None:
        self.database = database
        self.session = members.open_session(database, "up", None, NOW)
        self.workers = {f"{place}{n}": self.join(f"{place}{n}") for place in places for n in range(2)}

    def join(self, name: str) -> int:
        worker = members.join(
            self.database, name, f"cuda:{name[1]}", self.session, NOW, f"10.0.0.{ord(name[0])}"
        )
        with self.database.write() as tx:
            tx.execute(update(Worker).where(Worker.id == worker).values(process_space=name[0]))
        return worker

    def ring(self, label: str, devices: int = 4, elastic: bool = False) -> int:
        if label not in {gang.job for gang in gang_standings(self.database)}:
            wants = {"devices": devices, "nodes": 2, "elastic": elastic}
            submit(
                self.database,
                planned(label, kind="train", resource="accelerator", target_steps=9, **wants),
                key=label,
            )  # type: ignore[arg-type]
        return self.ring_again(label)

    def ring_again(self, label: str) -> int:
        hands = [Hand(worker, name[0], counted=True, reachable=True) for name, worker in self.workers.items()]
        gangs.ring_seated(self.database, "accelerator", hands, NOW)
        return int(row(self.database, label).id)

    def come(self, job_id: int, name: str) -> Claim | None:
        return gangs.come(self.database, job_id, self.workers[name], name[1], LEASE_SECONDS, NOW)

    def begun(self, job_id: int, names: list[str]) -> Claim:
        claims = [self.come(job_id, name) for name in names]
        assert claims[:-1] == [None] * (len(names) - 1) and claims[-1] is not None
        return claims[-1]

    def summons(self, job_id: int, name: str) -> gathering.Summons | None:
        return gathering.summons(self.database, job_id, self.workers[name])


@pytest.fixture
def apart(database: Database) -> Apart:
    return Apart(database)


def test_the_last_to_come_leads_and_the_first_of_each_other_machine_starts_ranks(apart: Apart) -> None:
    large = apart.ring("large")
    held = apart.begun(large, ["a0", "b0", "b1", "a1"])
    assert [(node.worker_id, node.address, node.devices) for node in held.nodes] == [
        (apart.workers["a1"], "10.0.0.97", ("0", "1")),
        (apart.workers["b0"], "10.0.0.98", ("0", "1")),
    ]
    assert (held.devices, held.ranks) == (("0", "1"), 4)
    starts = [
        name
        for name, worker in apart.workers.items()
        if gathering.starts_ranks(apart.database, large, worker)
    ]
    assert starts == ["a0", "b0"], "of its machine, whoever leads"


def test_what_they_tell_counts_as_long_as_the_attempt(apart: Apart) -> None:
    large = apart.ring("large")
    assert apart.summons(large, "b0") is None, "it has not come"
    apart.come(large, "b0")
    waits = apart.summons(large, "b0")
    assert waits is not None and not waits.begun and waits.told is None
    held = apart.begun(large, ["b1", "a0", "a1"])
    gathering.call(apart.database, held, {"endpoint": "there"})
    told = apart.summons(large, "b0")
    assert told == gathering.Summons(1, True, {"endpoint": "there"})
    assert [(word.there, word.told) for word in gathering.words(apart.database, held)] == [(True, None)]
    gathering.tell(apart.database, large, 1, apart.workers["b0"], {"lost": "why"})
    assert [word.told for word in gathering.words(apart.database, held)] == [{"lost": "why"}]
    jobs.take_back(apart.database, [lease_of(held)], "gone", 3, NOW)
    assert apart.summons(large, "b0") is None
    with pytest.raises(LeaseLost):
        gathering.call(apart.database, held, {"endpoint": "too late"})
    apart.ring_again("large")
    gathering.tell(apart.database, large, 1, apart.workers["b0"], {"lost": "of the attempt before"})
    again = apart.begun(large, ["b0", "b1", "a0", "a1"])
    assert [word.told for word in gathering.words(apart.database, again)] == [None]


def test_one_that_died_or_was_started_anew_is_not_there(apart: Apart) -> None:
    large = apart.ring("large")
    held = apart.begun(large, ["b0", "b1", "a0", "a1"])
    members.mark_gone(apart.database, apart.workers["b0"], "gone", NOW)
    assert [word.there for word in gathering.words(apart.database, held)] == [False]
    apart.workers["b0"] = apart.join("b0")
    assert [word.there for word in gathering.words(apart.database, held)] == [False], "it started no ranks"


def test_one_that_is_started_anew_before_all_came_has_to_come_itself(apart: Apart) -> None:
    large = apart.ring("large")
    apart.come(large, "b0")
    apart.workers["b0"] = apart.join("b0")
    assert [apart.come(large, name) for name in ("b1", "a0", "a1")] == [None] * 3
    assert row(apart.database, "large").state == QUEUED
    assert apart.come(large, "b0") is not None


def test_an_elastic_one_goes_on_over_the_machines_that_are_left(apart: Apart) -> None:
    large = apart.ring("large", elastic=True)
    held = apart.begun(large, ["b0", "b1", "a0", "a1"])
    jobs.give_back(apart.database, held, Ending(YIELDED, 3), NOW)
    for name in ("b0", "b1"):
        members.mark_gone(apart.database, apart.workers.pop(name), "gone", NOW)
    apart.ring_again("large")
    left = apart.begun(large, ["a0", "a1"])
    assert (left.nodes, left.devices, left.ranks) == ((), ("0", "1"), 2)


def test_status_says_what_it_waits_for(database: Database) -> None:
    alone = Apart(database, "a")
    alone.ring("large")
    (standing,) = gang_standings(database)
    assert sentence(standing) == (
        "large on 4 devices of 2 machines: waits for 2 machines with 2 devices each and BATON_GANG_ADDRESS set; "
        "1 is here"
    )
