"""A kind of job is one declaration: everything that is done with jobs is done with one that was declared just now."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

import cli
from db import garbage, plans, progress
from db.engine import Database
from db.plans import Plan
from db.states import LOST, SUCCEEDED, YIELDED
from db.store import ArtifactStore
from reports.parts.device_time import DeviceTime
from settings.home import Home
from tasks.fixed_state import FixedState
from tasks.registry import KINDS
from tests.acceptance.tally import TALLY
from tests.acceptance.test_flower_agrees import await_flower, port, status
from tests.experiments.reconvla.report.gathered import gather_report
from tests.processes import QUICK, one_of_home, running
from tests.reports.samples import part
from tests.support import NOW, REPOSITORY, attempts, await_value, planned, row
from views.flower import password
from views.prometheus import StateCollector
from workers import audit
from workers.audit_process import do_again
from workers.retention import retention

__all__ = ["port"]

STEPS, SUM = 40, 820
SETTINGS = {"gaze": {"detector": "oracle"}, "data": {"root": None}}


@pytest.fixture(autouse=True)
def declared(monkeypatch: pytest.MonkeyPatch) -> None:
    """What its line in the registry does in a process of the tests."""
    monkeypatch.setitem(KINDS, TALLY.name, TALLY)


@pytest.fixture
def lie(tmp_path: Path) -> Path:
    return tmp_path / "lie"


@pytest.fixture
def ended(home: Home, database: Database, port: int, lie: Path, tmp_path: Path) -> Iterator[int]:
    """A home with one such job, done in slices by workers of which one was killed; its Flower runs at this port."""
    spec = {"steps": STEPS, "slice_seconds": 1.0, "step_seconds": 0.1, "lie": str(lie)}
    job = planned("tally one", kind="tally", spec=spec, target_steps=STEPS)
    plans.submit(database, Plan("mine", "mine", SETTINGS, [job]), "submit", NOW)
    script = REPOSITORY / "tests" / "acceptance" / "tally.py"
    options = [
        "--home",
        str(home.root),
        "up",
        "--cpus",
        "1",
        "--gpus",
        "none",
        "--flower",
        "--flower-port",
        str(port),
    ]
    with running(options, tmp_path / "up.log", script, **QUICK):
        await_flower(port)
        await_value(
            lambda: [a.outcome for a in attempts(database, "tally one")],
            lambda outcomes: YIELDED in outcomes and outcomes[-1] is None,
            "a slice has ended, and the next one begun",
        )
        os.kill(one_of_home(home, "worker").pid, signal.SIGKILL)
        await_value(lambda: row(database, "tally one").state, lambda state: state == SUCCEEDED, "its end")
        yield port


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> object:
    capsys.readouterr()
    assert cli.main(list(words)) == 0
    return json.loads(capsys.readouterr().out)


def test_it_is_seen_everywhere(
    ended: int, home: Home, database: Database, store: ArtifactStore, lie: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    outcomes = [attempt.outcome for attempt in attempts(database, "tally one")]
    assert outcomes.count(LOST) == 1 and YIELDED in outcomes and outcomes[-1] == SUCCEEDED
    assert row(database, "tally one").result == {"sum": SUM}

    listed = printed(capsys, "--home", str(home.root), "artifacts", "--kind", "tally-sheet", "--json")
    assert [entry["final"] for entry in listed if entry["step"] == STEPS] == [True]
    shown = printed(capsys, "--home", str(home.root), "status", "--json")
    assert shown["ablations"][0]["jobs"]["succeeded"] == 1

    tasks = await_value(
        lambda: (status(ended, password(home))[1] or {}).values(),
        lambda found: any(task["result"] == "'succeeded'" for task in found),
        "Flower shows its end",
    )
    assert {task["name"] for task in tasks} == {"baton.tally"}

    totals = {row.outcome: row.attempts for row in progress.attempt_totals(database) if row.kind == "tally"}
    assert totals == {outcome: outcomes.count(outcome) for outcome in outcomes}
    families = {family.name: family for family in StateCollector(home, database).collect()}
    counted = {sample.labels["outcome"]: sample.value for sample in families["baton_attempts"].samples}
    assert counted == totals

    ledger = part(gather_report(database, store, "mine"), DeviceTime).by_kind["tally"]
    assert ledger.losses == 1
    assert ledger.useful_seconds is not None and ledger.useful_seconds > STEPS * 0.1 / 2

    _audit(database, store, lie, tmp_path)
    assert garbage.collect(database, home, retention(), NOW).rows == len(listed) - 1
    assert garbage.collect(database, home, retention(), NOW, spent=True).files == 1, "it is a step on the way"


def _audit(database: Database, store: ArtifactStore, lie: Path, tmp_path: Path) -> None:
    """Agrees with what is true, and finds what was made otherwise than it is made now."""
    (unit,) = [unit for unit in audit.units_of(database, 1) if unit.last == STEPS]
    state = FixedState()

    def verdict() -> tuple[str, str]:
        finding = audit.redo(
            database, store, unit, lambda work, _then: do_again(work, tmp_path / "audit", state)
        )
        return finding.verdict, finding.why

    assert verdict() == (audit.EQUAL, "")
    lie.touch()
    found, why = verdict()
    assert found == audit.DIFFERENT and why.startswith("sheet came out with other bytes")
