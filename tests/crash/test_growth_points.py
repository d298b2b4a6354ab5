"""A submission that makes an ablation grow, and one that takes a row out of it, are done or not at all, wherever they
die."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from db import plans, queries, removal
from db.engine import Database
from db.migrate import open_state
from db.plans import Plan, RunRef
from settings.home import Home
from tests.crash import moments
from tests.support import NOW, planned, rows

#: More moments than either has.
_LIMIT = 60


def plan(*arms: str) -> Plan:
    refs = [RunRef(arm, 0) for arm in arms]
    jobs = [planned("data"), *(planned(f"train {ref.arm}", ["data"], runs=[ref]) for ref in refs)]
    report = f"report of {' '.join(arms)}"
    jobs.append(planned(report, [f"train {arm}" for arm in arms]))
    return Plan(report, "mine", {"arms": list(arms)}, jobs, {ref: f"train {ref.arm}" for ref in refs})


SMALL, LARGE = plan("a"), plan("a", "b")


def put(database: Database, wanted: Plan) -> None:
    (there,) = queries.ablation_rows(database)
    plans.submit(database, wanted, "submit", NOW, there)


def drop(database: Database, home: Home) -> None:
    (there,) = queries.ablation_rows(database)
    removal.drop_arm(database, home, None, 1, "b", plans.in_place_of(there, SMALL, NOW, "without b"), NOW)


def dies(home: Home, moment: int, act: Callable[[Database, Home], None]) -> bool:
    """Whether a child that acts dies at this moment."""
    pid = os.fork()
    if pid == 0:
        try:
            database = open_state(home)
            moments.install()
            moments.arm(moment)
            act(database, home)
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0


@pytest.mark.parametrize("act", ["grow", "drop"])
def test_wherever_it_dies_it_is_done_or_not_begun(act: str, tmp_path: Path) -> None:
    before, after = (SMALL, LARGE) if act == "grow" else (LARGE, SMALL)
    template = Home(tmp_path / "template")
    template.create()
    with closing(open_state(template)) as database:
        plans.submit(database, before, "submit", NOW)
    ends = set()
    for moment in range(_LIMIT):
        home = Home(tmp_path / str(moment))
        shutil.copytree(template.root, home.root)
        died = dies(home, moment, drop if act == "drop" else lambda database, _: put(database, after))
        with closing(open_state(home)) as database:
            (there,) = queries.ablation_rows(database)
            now = {before.key: before, after.key: after}[there.key]
            ends.add(now.key)
            links = queries.jobs_of(database, 1)
            assert sorted(job.key for job in links) == sorted(job.key for job in now.jobs)
            assert [run.arm for run in queries.runs_of(database, 1)] == list(now.config["arms"])  # type: ignore[arg-type]
            put(database, LARGE)
            assert {job.key for job in LARGE.jobs} <= {row.key for row in rows(database)}
            assert len(queries.jobs_of(database, 1)) == len(LARGE.jobs)
        if not died:
            break
    assert ends == {SMALL.key, LARGE.key} and 2 <= moment < _LIMIT - 1
