"""A job over two machines whose links are cut and healed, and of which one is lost: the token decides what counts.

    python -m trials.gang_machines [--json FILE] [--cases NAME,NAME]

Two networks of this kernel are the machines, a third has PostgreSQL, S3 and Redis. Each case is a training of its own
over a rank of each machine, disturbed after a checkpoint: the link between them is cut, so that both halves take
themselves for the gang; the one with the lease, or the other one, loses all its links; a machine is lost, and comes
back or does not. Whatever ends over two machines has the weights of two ranks of one, and only who held the lease
published. Needs root; takes some minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from sqlalchemy import select

from db import jobs, plans
from db.engine import Database
from db.gang_standings import gang_standings
from db.jobs import Ending
from db.migrate import open_state
from db.plans import Plan
from db.schema import Artifact, Attempt, Job, Worker
from db.shared_store import open_store
from db.states import RUNNING, SUCCEEDED
from settings.home import Home
from tasks.train import run as train
from tests.processes import QUICK
from tests.support import NOW, planned, start, stored, worker
from tests.tasks.fake_context import FakeContext
from tests.tasks.train.gang_life import data_in, digest_of, spec_of
from trials import RESULTS, keep
from trials.machines_apart import Machine, Network, enter_own_network, servers
from views.gangs import sentence

STEPS = 60
#: A machine that the state does not hear of loses its jobs after this.
_LEASE_SECONDS = 20.0
_QUEUE = QUICK | {"BATON_QUEUE_LEASE_SECONDS": str(_LEASE_SECONDS)}
#: For whatever is awaited; a machine that is full takes long.
_LONGEST_SECONDS = 900.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, default=RESULTS / "gang_machines.json")
    parser.add_argument("--cases", default=",".join(CASES))
    options = parser.parse_args()
    enter_own_network()
    began, found = time.monotonic(), {}
    with tempfile.TemporaryDirectory(prefix="baton-gang-machines-") as name, ExitStack() as stack:
        place = Path(name)
        url, shared = stack.enter_context(servers(place))
        machines = [Machine(number, place) for number in range(2)]
        for machine in machines:
            stack.callback(machine.end)
        network = Network(machines)
        trial = Trial(place, url, {**shared, **_QUEUE}, network)
        for machine in machines:
            machine.start(trial.shared)
        for case in options.cases.split(","):
            found[case] = trial.disturbed(case, CASES[case])
            print(case, json.dumps(found[case]), flush=True)
    holds = all(case["holds"] for case in found.values())
    seconds = round(time.monotonic() - began)
    keep(
        options.json,
        __doc__.splitlines()[0],
        {"cases": found, "lease_seconds": _LEASE_SECONDS, "seconds": seconds},
    )
    return 0 if holds else 1


@dataclass
class Trial:
    place: Path
    url: str
    shared: dict[str, str]
    network: Network
    said: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        with mock.patch.dict(os.environ, self.shared):
            home = Home(self.place / "submits")
            home.create()
            self.database: Database = open_state(home)
            self.store = open_store(home, self.database)
        self.files = data_in(self.place / "data")
        ended = train.run(FakeContext(self.place / "alone", self._spec(), self.files))
        self.expected = digest_of(ended)
        self.label = ""

    def _spec(self, **training: Any) -> dict[str, Any]:
        spec = spec_of(checkpoint_seconds=0.5, **training)
        spec["training"]["steps"] = STEPS
        return {**spec, "slice_seconds": 3600.0}

    def disturbed(self, case: str, disturb: Callable[[Trial], bool]) -> dict[str, Any]:
        self.said, self.label = {}, case
        self._submit(case, elastic=case.endswith("elastic"))
        began = time.monotonic()
        going_on = disturb(self)
        self.wait(lambda: self.job().state not in ("ready", "queued", "running"), "its end")
        attempts = self.attempts()
        with self.database.read() as tx:
            rows = tx.execute(
                select(Artifact.name, Artifact.step, Artifact.sha256, Artifact.final, Attempt.lease_token)
                .join(Attempt, Attempt.id == Artifact.attempt_id)
                .where(Artifact.job_id == self.job().id)
                .order_by(Artifact.id)
            ).all()
        in_order = [row.lease_token for row in rows] == sorted(row.lease_token for row in rows)
        final = [row.sha256 for row in rows if row.final]
        self.wait(lambda: not any(machine.ranks() for machine in self.network.machines), "no rank is left")
        ends_equal = final == [self.expected]
        return {
            **self.said,
            "state": self.job().state,
            "attempts": attempts,
            "equal_weights": ends_equal,
            "published_by_the_token_in_force": in_order,
            "seconds": round(time.monotonic() - began, 1),
            "holds": self.job().state == SUCCEEDED and in_order and (ends_equal or going_on),
        }

    def _submit(self, case: str, elastic: bool) -> None:
        index = planned(f"index {case}", kind="index", resource="what nobody here has")
        spec = self._spec(nodes=2, elastic=elastic)
        training = planned(
            case, [index.key], kind="train", resource="accelerator", target_steps=STEPS, spec=spec, role="index",
            devices=2, nodes=2, elastic=elastic,
        )  # fmt: skip
        with mock.patch.dict(os.environ, self.shared):
            plans.submit(self.database, Plan(case, case, {}, [index, training]), "trial", NOW)
            claim = start(self.database, index.key, worker(self.database))
            with self.store.publication():
                made = [
                    stored(self.store, self.place, file.name, file.path.read_bytes(), kind="index")
                    for file in self.files
                ]
                jobs.succeed(self.database, claim, Ending(SUCCEEDED, 1, artifacts=made), NOW)

    def job(self) -> Any:
        with self.database.read() as tx:
            columns = (Job.id, Job.state, Job.step, Job.lease_token, Job.worker_id)
            return tx.execute(select(*columns).where(Job.label == self.label)).one()

    def attempts(self) -> list[dict[str, Any]]:
        with self.database.read() as tx:
            rows = tx.execute(
                select(
                    Attempt.outcome, Attempt.reason, Attempt.step_from, Attempt.step_to, Attempt.environment
                )
                .where(Attempt.job_id == self.job().id)
                .order_by(Attempt.id)
            ).all()
        return [
            {
                "outcome": row.outcome, "reason": row.reason, "steps": [row.step_from, row.step_to],
                "ranks": (row.environment or {}).get("ranks", 1), "nodes": (row.environment or {}).get("nodes", 1),
            }
            for row in rows
        ]  # fmt: skip

    def leader(self) -> int:
        """Number of the machine that holds the lease."""
        with self.database.read() as tx:
            place = tx.execute(select(Worker.host).where(Worker.id == self.job().worker_id)).scalar_one()
        return [machine.name for machine in self.network.machines].index(place)

    def after_a_checkpoint(self) -> int:
        """Until the job is further by one. Returns the token in force."""
        before = self.job().step
        self.wait(
            lambda: self.job().state == RUNNING and self.job().step > before and self.both_have_ranks(),
            "a checkpoint of both machines",
        )
        return int(self.job().lease_token)

    def both_have_ranks(self) -> bool:
        return all(machine.ranks() for machine in self.network.machines)

    def until(self, name: str, condition: Callable[[], bool]) -> None:
        """Waits, and says for how many seconds."""
        began = time.monotonic()
        self.wait(condition, name)
        self.said[name] = round(time.monotonic() - began, 1)

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + _LONGEST_SECONDS
        while not condition():
            if time.monotonic() > end:
                raise SystemExit(f"{self.label}: waited in vain for: {what}; {self.job()} {self.attempts()}")
            time.sleep(0.2)

    def sentence(self) -> str:
        return next((sentence(gang) for gang in gang_standings(self.database) if gang.job == self.label), "")


def _undisturbed(_trial: Trial) -> bool:
    return False


def _cut_between(trial: Trial) -> bool:
    """Both reach the state: it takes seconds to know that no step comes, and the halves end."""
    token = trial.after_a_checkpoint()
    trial.network.between(False)
    trial.until("seconds until the attempt ended", lambda: trial.attempts()[token - 1]["outcome"] is not None)
    machines = trial.network.machines
    trial.until("seconds until a half had no ranks", lambda: not all(machine.ranks() for machine in machines))
    time.sleep(10.0)
    trial.said["attempts while it was cut"] = len(trial.attempts()) - token
    trial.network.between(True)
    return False


def _isolated(trial: Trial, leader: bool) -> bool:
    token = trial.after_a_checkpoint()
    number = trial.leader() if leader else 1 - trial.leader()
    trial.network.between(False)
    trial.network.to_servers(number, False)
    trial.until(
        "seconds until the attempt ended for the state",
        lambda: trial.attempts()[token - 1]["outcome"] is not None,
    )
    alone = trial.network.machines[number]
    trial.until("seconds until the machine alone had no ranks", lambda: alone.ranks() == 0)
    trial.until("seconds until it says what it waits for", lambda: "waits for" in trial.sentence())
    trial.said["status"] = trial.sentence()
    trial.network.to_servers(number, True)
    trial.network.between(True)
    return False


def _lost(trial: Trial, comes_back: bool) -> bool:
    trial.after_a_checkpoint()
    number = 1 - trial.leader()
    machine = trial.network.machines[number]
    machine.lose()
    if comes_back:
        trial.until("seconds until status says what it waits for", lambda: "1 is here" in trial.sentence())
        trial.said["status"] = trial.sentence()
        time.sleep(5.0)
        trial.said["attempts without it"] = sum(a["nodes"] == 1 for a in trial.attempts())
        machine.start(trial.shared)
        return False
    trial.until(
        "seconds until it goes on with what is left",
        lambda: trial.attempts()[-1]["outcome"] is None and trial.job().state == RUNNING
        and not trial.network.machines[number].ranks() and len(trial.attempts()) > 1,
    )  # fmt: skip
    trial.wait(lambda: trial.job().state == SUCCEEDED, "its end on one machine")
    machine.start(trial.shared)
    return True


CASES: dict[str, Callable[[Trial], bool]] = {
    "undisturbed": _undisturbed,
    "link cut and healed": _cut_between,
    "lease holder cut off": lambda trial: _isolated(trial, True),
    "other machine cut off": lambda trial: _isolated(trial, False),
    "machine lost and back": lambda trial: _lost(trial, True),
    "machine lost and elastic": lambda trial: _lost(trial, False),
}


if __name__ == "__main__":
    sys.exit(main())
