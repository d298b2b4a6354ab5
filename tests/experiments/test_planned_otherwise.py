"""What a home of 753aa3a is told when an ablation of it is planned anew: what is done again, and why, once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

import cli
from db import plans, queries
from db.engine import Database
from db.plans import Plan
from experiments.planned_otherwise import done_again
from experiments.reconvla.named_config import load_config
from experiments.reconvla.planner import Planner
from settings.home import Home
from tasks.changes import KEYS
from tasks.registry import INGEST, KINDS
from tests.experiments.reconvla.old_keys import old_keys
from tests.support import NOW, REPOSITORY, planned

OLD = json.loads((REPOSITORY / "tests" / "data" / "plan_keys" / "753aa3a.json").read_text())
MEASURED = "training.open_loop={every_steps: 5}"


def plan() -> Plan:
    return Planner(load_config("smoke", None, (MEASURED,), arms=("baseline",), seeds=(0,))).plan()


@pytest.fixture
def old_home(database: Database, home: Home) -> Iterator[Home]:
    """A home in which 753aa3a planned `smoke` with a measurement on the way."""
    now = plan()
    key, pairs = old_keys(now, OLD["versions"], lambda kind, label, spec: None)
    of = {job.key: old for job, (_, old) in zip(now.jobs, pairs)}

    def before(job: Any) -> Any:
        needs = tuple(replace(need, key=of[need.key]) for need in job.needs)
        later = ("frames", "contents", "order")
        spec = {name: value for name, value in job.spec.items() if name not in later}
        if "training" in spec:
            spec["training"] = {**spec["training"], "operations": None}
        if "drawn" in spec:
            spec["drawn"] = now.config["evaluation"]["sequences"]
        return replace(job, key=of[job.key], needs=needs, spec=spec)

    training = {ref: of[train] for ref, train in now.training.items()}
    old = replace(now, key=key, jobs=[before(job) for job in now.jobs], training=training)
    plans.submit(database, old, "submit-ablation", NOW)
    yield home


def test_submitting_to_an_old_home_tells_what_is_done_again_and_why(
    database: Database, old_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["submit-ablation", "--preset", "smoke", "--arms", "baseline", "--seeds", "0", "--set", MEASURED]
    (why,) = (change.reason for change in KEYS if change.field == "frames")
    for _ in range(2):
        assert cli.main(["--home", str(old_home.root), *words, "--detach"]) == 0
    shared = len(plan().jobs) - 2
    sentence = (
        "smoke: ablation 1 has these settings too, but 2 jobs are not as they were planned then: "
        f"1 evaluate ({why}), 1 report; {shared} are shared"
    )
    assert capsys.readouterr().err.count(sentence) == 1
    (event,) = [row for row in queries.events(database) if row.kind == "planned_otherwise"]
    assert event.message == sentence and event.ablation_id == 2
    for command in ("events", "status"):
        assert cli.main(["--home", str(old_home.root), command, "--json"]) == 0
        assert sentence in capsys.readouterr().out


def row(key: str, **fields: Any) -> Any:
    job = planned(key)
    return SimpleNamespace(**{**vars(job), **fields})


def test_a_raised_version_tells_all_that_changed_since(monkeypatch: pytest.MonkeyPatch) -> None:
    changes = {2: "first", 3: "second", 4: "not yet"}
    monkeypatch.setitem(KINDS, "ingest", replace(INGEST, changes=changes))
    now = Plan("k", "n", {}, [replace(planned("b"), label="a", version=3), planned("new")], {})
    assert done_again([row("a", version=1)], now) == "2 ingest (first; second)"
    assert done_again([row("a", version=2)], now) == "2 ingest (second)"


def test_what_nobody_knows_is_said_as_that() -> None:
    now = Plan("k", "n", {}, [replace(planned("b"), label="a")], {})
    unknown = "1 ingest (what they read changed, or how they are planned)"
    assert done_again([row("a", version=None)], now) == unknown
    assert done_again([row("b", version=None)], now) == ""
