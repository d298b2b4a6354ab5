"""Flower, the report and the database agree on what succeeded, also after the broker died on the way."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from db import members, progress
from db.engine import Database
from db.plans import Plan, submit
from db.states import SUCCEEDED
from db.store import ArtifactStore
from reports.write import write_report
from settings.home import Home
from settings.queue import queue_settings
from tasks.registry import KINDS
from tests.commands.test_flower import await_flower, port, status
from tests.experiments.reconvla.report.gathered import gather_report
from tests.processes import CLI_WITH_BODIES, QUICK, one_of_home
from tests.support import REPOSITORY, await_value, planned, states
from tests.toy_kinds import toy_kind
from views.addresses import address_of
from views.flower import password
from workers import supervisor
from workers.supervisor import Devices, Supervisor

__all__ = ["port"]

JOBS = 40


@pytest.fixture
def session(
    home: Home, database: Database, port: int, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Supervisor]:
    for name, value in QUICK.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.setattr(supervisor, "CLI", CLI_WITH_BODIES)
    session_id = members.open_session(database, "test", None, time.time())
    devices, services = Devices([], 1), {"flower": port}
    with Supervisor(home, database, queue_settings(), devices, None, session_id, services) as running:
        yield running
        running.kill()


def reported(home: Home, database: Database, ablation: str, folder: Path) -> int:
    """Jobs that have succeeded, as the report's files say it: the page in words, the JSON by state."""
    files = write_report(gather_report(database, ArtifactStore(home), ablation), folder)
    document = json.loads(files["report.json"].read_text(encoding="utf-8"))
    succeeded: int = document["jobs"]["succeeded"]
    assert document["state"] == "succeeded"
    assert f"All {succeeded} jobs have succeeded." in files["report.html"].read_text(encoding="utf-8")
    return succeeded


def test_they_agree_after_broker_loss(
    session: Supervisor,
    home: Home,
    database: Database,
    port: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(KINDS, "count", toy_kind("count"))
    await_flower(port)
    secret = password(home)

    def batch(name: str) -> None:
        spec = {"target": 2, "log": str(tmp_path / "log")}
        jobs = [planned(f"{name} {n}", kind="count", spec=spec, target_steps=2) for n in range(JOBS)]
        submit(
            database,
            Plan(name, name, {"gaze": {"detector": "oracle"}, "data": {"root": None}}, jobs),
            "submit",
            time.time(),
        )

    def done() -> int:
        session.check()
        return sum(state == SUCCEEDED for state in states(database).values())

    batch("before")
    await_value(done, lambda count: count >= JOBS // 4, "some jobs are done")
    redis = one_of_home(home, "redis")
    redis.send_signal(signal.SIGKILL)
    redis.wait()
    batch("after")
    await_value(done, lambda count: count == 2 * JOBS, "all jobs are done")

    def shown() -> int:
        session.check()
        tasks = (status(port, secret)[1] or {}).values()
        return sum(task["result"] == "'succeeded'" for task in tasks)

    await_value(shown, lambda count: count == 2 * JOBS, "Flower shows all that succeeded")
    assert sum(reported(home, database, name, tmp_path / name) for name in ("before", "after")) == 2 * JOBS
    (ledger,) = [row for row in progress.attempt_totals(database) if row.outcome == SUCCEEDED]
    assert ledger.attempts == 2 * JOBS
    assert address_of(home, "flower") == f"http://127.0.0.1:{port}"
