"""What another build of Baton began: nothing of it is computed by this one unless that is asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import cli
from db import jobs, plans, queries
from db.engine import Database
from db.jobs import Ending
from db.plans import Plan, PlannedJob
from db.standings import standing
from db.states import BLOCKED, FAILED, QUEUED, READY, SUCCEEDED
from errors import ConfigError, OtherBuild
from experiments import planned_again
from experiments.proposal import propose
from experiments.reconvla import data_jobs, planner
from experiments.reconvla.named_config import load_config
from experiments.reconvla.planner import Planner
from settings.home import Home
from settings.typed import interpreter
from tasks.context import Finished, TaskContext
from tasks.registry import KINDS
from tests.support import NOW, planned, row, states, stored, submit, worker
from tests.workers.conftest import Bench
from workers import upgrades

SMOKE = load_config("smoke", None, arms=("baseline",), seeds=(0,))


def of_build(kind: str, version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on this process is a build whose body of `kind` has this version."""
    other = replace(KINDS[kind], version=version)
    monkeypatch.setitem(KINDS, kind, other)
    for module in (planner, data_jobs):
        if hasattr(module, kind.upper()):
            monkeypatch.setattr(module, kind.upper(), other)


def versioned(key: str, kind: str, version: int | None, needs: tuple[str, ...] = ()) -> PlannedJob:
    return replace(planned(key, needs, kind=kind), version=version)


@pytest.fixture
def older(database: Database, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """The plan of `smoke` as a build with an older body of `gaze` submitted it."""
    with monkeypatch.context() as patch:
        of_build("gaze", KINDS["gaze"].version - 1, patch)
        plan = Planner(SMOKE).plan()
    plans.submit(database, plan, "older", NOW)
    return plan


def finish(database: Database, *kinds: str) -> None:
    """Let jobs of these kinds have succeeded."""
    with database.write() as tx:
        tx.execute(jobs.job.update().where(jobs.job.c.kind.in_(kinds)).values(state=SUCCEEDED, waiting_on=0))


def test_only_the_version_that_was_planned_is_rung_and_claimed(database: Database) -> None:
    submit(database, versioned("a", "train", 1), versioned("b", "train", 2), versioned("c", "report", None))
    rung = jobs.ring(database, "cpu", 10, NOW, [("train", 2), ("gaze", 1)])
    assert [entry.label for entry in rung] == ["b", "c"]
    me = worker(database)
    assert jobs.claim(database, row(database, "b").id, me, 30.0, NOW, [("train", 1)]) is None
    assert jobs.claim(database, row(database, "b").id, me, 30.0, NOW, [("train", 2)]) is not None
    assert jobs.claim(database, row(database, "c").id, me, 30.0, NOW, []) is not None
    assert states(database)["a"] == READY


def test_a_worker_leaves_what_another_build_rang(bench: Bench) -> None:
    """A message may come from a scheduler of the other build."""

    def body(_context: TaskContext) -> Finished:
        raise AssertionError("not this body")

    submit(bench.database, versioned("a", "train", KINDS["train"].version + 1))
    jobs.ring(bench.database, "cpu", 1, NOW, [("train", KINDS["train"].version + 1)])
    assert "another build" in bench.run("a", body)
    assert row(bench.database, "a").state == QUEUED


def test_what_this_build_has_goes_on(database: Database, older: Plan, home: Home) -> None:
    """Ended gaze jobs of the older body are no reason to stop: what reads them is computed as it was."""
    finish(database, "ingest", "gaze")
    upgrades.check_build(home, database)
    found = propose(SMOKE, database).there
    assert found is not None and found.key == older.key
    assert upgrades.differences(database, found.id) == (
        f"gaze {KINDS['gaze'].version - 1} (here {KINDS['gaze'].version})"
    )


def test_what_it_has_not_is_refused_with_the_command(database: Database, older: Plan, home: Home) -> None:
    count = sum(job.kind == "gaze" for job in older.jobs)
    with pytest.raises(OtherBuild) as refused:
        upgrades.check_build(home, database)
    assert str(refused.value) == (
        f"{count} jobs of ablation smoke were planned by another build of Baton, with gaze "
        f"{KINDS['gaze'].version - 1} (here {KINDS['gaze'].version}); end it with that build, or do again with this "
        f"one what differs: {interpreter()} cli.py --home {home.root} upgrade 1"
    )
    assert upgrades.note_other_builds(home, database, NOW) == [str(refused.value)]
    assert upgrades.note_other_builds(home, database, NOW) == [], "once"


def test_what_is_paused_or_cancelled_refuses_nothing(database: Database, older: Plan, home: Home) -> None:
    target = jobs.Target("ablation", 1, "smoke")
    jobs.pause(database, target, NOW)
    upgrades.check_build(home, database)
    assert [entry.name for entry in upgrades.outdated(database, all_unfinished=True)] == ["smoke"]
    jobs.cancel(database, target, NOW)
    assert upgrades.outdated(database, all_unfinished=True) == []


def test_planning_again_keeps_what_is_the_same(database: Database, older: Plan) -> None:
    finish(database, "ingest")
    jobs.pause(database, jobs.Target("run", 1, "run 1"), NOW)
    again = planned_again.plan_again(database, queries.ablation_row(database, "1"), "upgrade", NOW)
    mine = Planner(SMOKE).plan().jobs
    same = {job.key for job in older.jobs} & {job.key for job in mine}
    ingests = sum(job.kind == "ingest" for job in older.jobs)
    assert (again.kept, again.added) == (len(same), len(mine) - len(same)) and len(same) >= ingests
    first, second = standing(database).ablations
    assert (first.state, second.jobs[SUCCEEDED]) == ("cancelled", ingests)
    assert [run.state for run in second.runs] == ["paused"], "what was asked of the old one is asked of it"
    assert upgrades.outdated(database) == []
    repeated = planned_again.plan_again(database, queries.ablation_row(database, "1"), "upgrade", NOW)
    assert (repeated.ablation_id, repeated.added) == (again.ablation_id, 0)


def test_what_was_paused_stays_paused(database: Database, older: Plan) -> None:
    """Nothing of the new ablation is rung while it is paused, and all of it once it is not."""
    finish(database, "ingest")
    jobs.pause(database, jobs.Target("ablation", 1, "smoke"), NOW)
    again = planned_again.plan_again(database, queries.ablation_row(database, "1"), "upgrade", NOW)
    build = [(name, kind.version) for name, kind in KINDS.items()]
    assert jobs.ring(database, "cpu", 100, NOW, build) == []
    new = jobs.Target("ablation", again.ablation_id, "smoke")
    jobs.unpause(database, new, NOW)
    assert {entry.label.split()[0] for entry in jobs.ring(database, "cpu", 100, NOW, build)} == {"gaze"}


def test_planning_again_twice_cancels_nothing_of_the_new_one(database: Database, older: Plan) -> None:
    """The old one is cancelled by the first time; that is no wish about the new one."""
    first = planned_again.plan_again(database, queries.ablation_row(database, "1"), "upgrade", NOW)
    planned_again.plan_again(database, queries.ablation_row(database, "1"), "upgrade", NOW)
    assert queries.ablation_row(database, str(first.ablation_id)).intent == "active"
    assert {run.state for run in standing(database).ablations[1].runs} == {"running"}


def test_jobs_that_are_planned_otherwise_are_told(
    database: Database, home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same settings, and no body of another version: what a job reads is in its key."""
    with monkeypatch.context() as patch:
        patch.setattr("experiments.reconvla.data_jobs.TARGETS_VERSION", 0)
        plans.submit(database, Planner(SMOKE).plan(), "before", NOW)
    finish(database, "ingest", "gaze")
    smoke = ["submit-ablation", "--preset", "smoke", "--arms", "baseline", "--seeds", "0", "--detach"]
    assert cli.main(["--home", str(home.root), *smoke]) == 0
    assert "ablation 1 has these settings too, but " in capsys.readouterr().err
    assert len(queries.ablation_rows(database)) == 2


def test_settings_that_mean_nothing_here_are_named(database: Database, older: Plan) -> None:
    with database.write() as tx:
        tx.exec_driver_sql("""UPDATE ablation SET config = '{"training": {"stepps": 1}}'""")
    with pytest.raises(ConfigError, match=r"training\.stepps"):
        planned_again.plan_again(database, queries.ablation_row(database, "1"), "upgrade", NOW)
    assert len(queries.ablation_rows(database)) == 1


def test_a_detector_of_another_build_is_seen_before_its_jobs_fail(
    database: Database, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its version is in the jobs' parameters; the kind's may be the same."""
    plans.submit(database, Planner(SMOKE).plan(), "older", NOW)
    upgrades.check_build(home, database)
    monkeypatch.setattr("detectors.pipeline.PIPELINE_VERSION", 0)
    with pytest.raises(OtherBuild, match=r"with detector colour \S+ \w+ \(here \S+ \w+\)"):
        upgrades.check_build(home, database)
    monkeypatch.undo()
    monkeypatch.setattr("detectors.spec.TARGETS_VERSION", 99)
    with pytest.raises(OtherBuild, match=r"targets \d+ \(here 99\)"):
        upgrades.check_build(home, database)


def test_damaged_work_of_another_build_is_not_made_again_by_this_one(
    database: Database, store: object, tmp_path: Path
) -> None:
    submit(database, versioned("made", "gaze", 1), versioned("reads", "index", 1, ("made",)))
    me, both = worker(database), [("gaze", 1), ("index", 1)]
    jobs.ring(database, "cpu", 1, NOW, both)
    claim = jobs.claim(database, row(database, "made").id, me, 30.0, NOW, both)
    assert claim is not None
    artifact = stored(store, tmp_path, "gaze.json", b"{}", kind="gaze")
    jobs.succeed(database, claim, Ending(SUCCEEDED, 1, artifacts=[artifact]), NOW)
    jobs.ring(database, "cpu", 1, NOW, both)
    reader = jobs.claim(database, row(database, "reads").id, me, 30.0, NOW, both)
    assert reader is not None
    damaged = Ending("yielded", 0, "damaged")
    jobs.redo_inputs(database, reader, damaged, [artifact.path], [], 3, NOW, [("gaze", 2), ("index", 1)])
    assert states(database) == {"made": FAILED, "reads": BLOCKED}
    assert "made by gaze 1, which this build does not have" in row(database, "made").error


def test_commands_refuse_continue_and_plan_again(
    database: Database, older: Plan, home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    here = ["--home", str(home.root)]
    smoke = [*here, "submit-ablation", "--preset", "smoke", "--arms", "baseline", "--seeds", "0", "--detach"]
    before = states(database)
    for command in ([*here, "up", "--until-done", "--gpus", "none"], smoke):
        assert cli.main(command) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.endswith(f"cli.py --home {home.root} upgrade 1")
    assert states(database) == before and len(queries.ablation_rows(database)) == 1

    finish(database, "gaze")
    assert cli.main(smoke) == 0, "continues what the other build began"
    told = capsys.readouterr()
    assert "0 jobs added" in told.out and "going on with ablation 1" in told.err
    assert len(queries.ablation_rows(database)) == 1

    assert cli.main([*here, "upgrade"]) == 0
    assert capsys.readouterr().out == "nothing here was planned by another build\n"
    assert cli.main([*here, "upgrade", "smoke"]) == 0, "asked for by name it is done again"
    assert "ablation 2 takes the place of 1" in capsys.readouterr().out
    assert cli.main(smoke) == 0
    assert "0 jobs added" in capsys.readouterr().out
