"""Real processes whose time of day is set while they work: nothing ends sooner or later, no figure is off."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from sqlalchemy import select

import cli
from db import jobs
from db.engine import Database
from db.schema import Session, Worker
from db.states import RUNNING, SUCCEEDED
from settings.home import Home
from tests.processes import CLI_WITH_BODIES, QUICK, of_home, running
from tests.support import NOW, REPOSITORY, attempts, await_value, planned, row, states, submit

pytestmark = pytest.mark.slow

TWO_DAYS = 172_800.0

#: Modules here are imported first, one of which shifts the time of day.
SHIFTED = {**QUICK, "PYTHONPATH": f"{REPOSITORY / 'tests' / 'shifted'}:{REPOSITORY}"}

COMMAND = ["up", "--cpus", "1", "--gpus", "none"]


@pytest.fixture
def clock(tmp_path: Path) -> Path:
    """Seconds by which the processes' time of day is off; write to it to set their clock."""
    file = tmp_path / "clock"
    file.write_text("0")
    return file


def status(home: Home, capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    capsys.readouterr()
    assert cli.main(["--home", str(home.root), "status", "--json"]) == 0
    document: dict[str, object] = json.loads(capsys.readouterr().out)
    return document


def last(database: Database, column: object) -> float:
    with database.read() as tx:
        return float(tx.execute(select(column).order_by(column.desc())).scalars().first())  # type: ignore[attr-defined]


@pytest.mark.parametrize("shift", [-TWO_DAYS, 3600.0])
def test_work_goes_on_and_takes_as_long_as_it_took(
    home: Home,
    database: Database,
    clock: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    shift: float,
) -> None:
    submit(
        database,
        planned("waits", kind="wait", priority=1),
        planned("counts", kind="count", spec={"target": 3, "log": str(tmp_path / "count")}, target_steps=3),
        planned("fails", kind="fail", spec={"times": 2, "log": str(tmp_path / "fail")}),
    )
    began = time.monotonic()
    command = ["--home", str(home.root), *COMMAND, "--session-limit", "40m"]
    with running(command, tmp_path / "log", CLI_WITH_BODIES, **SHIFTED, BATON_TEST_CLOCK=str(clock)) as up:
        await_value(lambda: row(database, "waits").state, RUNNING.__eq__, "the attempt")
        clock.write_text(str(shift))
        await_value(
            lambda: last(database, Worker.heartbeat_at) - time.time(),
            lambda off: abs(off - shift) < 600.0 or last(database, Session.age_seconds) > 600.0,
            "a heartbeat under the new time",
        )
        told = last(database, Session.age_seconds)
        await_value(lambda: last(database, Session.age_seconds), lambda age: age > told, "the session's age")
        (document,) = [status(home, capsys)]
        ((worker,), (session,)) = document["workers"], document["sessions"]  # type: ignore[misc]
        wall = time.monotonic() - began
        assert 0.0 <= worker["heartbeat_age_seconds"] <= wall
        assert 0.0 < session["age_seconds"] <= wall
        assert 2400.0 - wall <= session["left_seconds"] < 2400.0
        assert up.is_running() and row(database, "waits").state == RUNNING
        # The other jobs have their turn once this one is cancelled.
        jobs.cancel(database, jobs.Target("job", row(database, "waits").id, "waits"), NOW)
        ended = {"waits": "cancelled", "counts": SUCCEEDED, "fails": SUCCEEDED}
        await_value(lambda: states(database), ended.__eq__, "the end of all jobs")
        up.terminate()
        assert up.wait(300) == 4, (tmp_path / "log").read_text()
    wall = time.monotonic() - began
    took = [entry.took_seconds for label in ended for entry in attempts(database, label)]
    assert len(took) == 5 and min(took) > 0.0
    assert sum(took) <= wall, "one worker did them one after the other"
    assert 0.0 < last(database, Session.age_seconds) <= wall
    (session,) = status(home, capsys)["sessions"]  # type: ignore[misc]
    assert session["ended_at"] - session["started_at"] == pytest.approx(wall + shift, abs=600.0), "for people"


def test_a_limit_is_kept_although_the_clock_was_set_back(
    home: Home, database: Database, clock: Path, tmp_path: Path
) -> None:
    submit(database, planned("waits", kind="wait"))
    command = ["--home", str(home.root), *COMMAND, "--session-limit", "30s"]
    with running(command, tmp_path / "log", CLI_WITH_BODIES, **SHIFTED, BATON_TEST_CLOCK=str(clock)) as up:
        await_value(lambda: sessions(database), bool, "the session")
        clock.write_text(str(-TWO_DAYS))
        assert up.wait(300) == 4, (tmp_path / "log").read_text()
    assert of_home(home) == []
    assert sessions(database) == ["deadline"]


def sessions(database: Database) -> list[str | None]:
    with database.read() as tx:
        return list(tx.execute(select(Session.reason).order_by(Session.id)).scalars())
