"""Three jobs of two devices and small ones on a home with four workers, whose processes are killed: all end as they
would have, and no worker is kept from the others."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import func, select

from db.engine import Database
from db.gang_standings import GangStanding, gang_standings
from db.members import BUSY, IDLE
from db.migrate import open_state
from db.plans import PlannedJob
from db.schema import Worker
from db.states import LOST, RUNNING, SUCCEEDED
from settings.home import Home
from tests.processes import CLI_WITH_BODIES, QUICK, await_gone, family, of_home, running
from tests.support import artifacts_of_job, attempts, await_value, planned, row, states, submit

pytestmark = pytest.mark.slow

TARGET = 40
GANGS, SMALL = ("a", "b", "c"), ("d", "e")


def counting(label: str, folder: Path, devices: int) -> PlannedJob:
    spec = {"target": TARGET, "log": str(folder / label), "seconds": 0.1}
    return planned(
        label, ("all are there",), kind="count", resource="accelerator", spec=spec, target_steps=TARGET,
        devices=devices,
    )  # fmt: skip


@pytest.mark.timeout(1800)
def test_killed_at_any_place_they_end_as_if_nobody_had(tmp_path: Path) -> None:
    """A worker that is set aside, the one that holds the lease, then the session with all of them."""
    home = Home(tmp_path / "home")
    home.create()
    database = open_state(home)
    gate = tmp_path / "gate"
    submit(
        database,
        planned("all are there", kind="gate", spec={"file": str(gate)}),
        *(counting(label, tmp_path, 2) for label in GANGS),
        *(counting(label, tmp_path, 1) for label in SMALL),
    )
    command = ["--home", str(home.root), "up", "--until-done", "--cpus", "4", "--gpus", "none"]
    log = tmp_path / "up.log"
    with running(command, log, CLI_WITH_BODIES, **QUICK) as up:
        await_value(lambda: workers_there(database), lambda there: there == 4, "four workers")
        gate.touch()
        found = await_running(database, besides=())
        (member,) = {seat.worker_id for seat in found.seats} - {row(database, found.job).worker_id}
        kill_worker(database, member)
        later = await_running(database, besides=(found.job,))
        kill_worker(database, row(database, later.job).worker_id)
        await_value(
            lambda: [attempt.outcome for attempt in attempts(database, later.job)],
            lambda outcomes: len(outcomes) == 2 and outcomes[0] == LOST,
            "another attempt of the job whose worker was killed",
        )
        await_running(database, besides=())
        everybody = family(up)
        up.send_signal(signal.SIGKILL)
        await_gone(everybody)
    assert of_home(home) == []
    with running(command, log, CLI_WITH_BODIES, **QUICK) as up:
        assert up.wait(timeout=900) == 0, log.read_text()
    assert set(states(database).values()) == {SUCCEEDED} and gang_standings(database) == []
    for label in GANGS + SMALL:
        entry = row(database, label)
        made: list[Any] = artifacts_of_job(database, entry.id)
        assert [artifact.step for artifact in made] == list(range(1, TARGET + 1)), label
        assert entry.failures == 0
    assert [a.outcome for a in attempts(database, found.job)].count(LOST) <= 1, "a member holds no lease"
    digests = {
        label: artifacts_of_job(database, row(database, label).id)[-1].sha256 for label in GANGS + SMALL
    }
    assert len(set(digests.values())) == 1, "what each counted to"
    database.close()


def await_running(database: Database, besides: tuple[str, ...]) -> GangStanding:
    """A job of several devices that is on its way."""

    def look() -> list[GangStanding]:
        return [
            gang
            for gang in gang_standings(database)
            if gang.state == RUNNING and gang.job not in besides and row(database, gang.job).step >= 2
        ]

    return await_value(look, bool, "a job of two devices")[0]


def workers_there(database: Database) -> int:
    """With fewer, a job of several devices gets fewer ranks."""
    living = select(func.count()).where(Worker.state.in_((IDLE, BUSY)))
    with database.read() as tx:
        return tx.execute(living).scalar_one()


def kill_worker(database: Database, worker_id: int) -> None:
    with database.read() as tx:
        pid = tx.execute(select(Worker.pid).where(Worker.id == worker_id)).scalar_one()
    psutil.Process(pid).send_signal(signal.SIGKILL)
