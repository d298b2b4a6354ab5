"""What goes with an ablation or an arm, what of it others keep, and when neither may be removed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, func, select, text, update

from db import garbage, jobs, members, ownership, plans, queries, removal, verification
from db.engine import Database
from db.jobs import Ending, Seconds, Target
from db.plans import Plan, RunRef
from db.schema import Ablation, AblationJob, Worker
from db.shared_store import open_store
from db.standings import standing
from db.states import SUCCEEDED
from db.store import ArtifactStore
from errors import IllegalMove, LeaseLost
from settings.elsewhere import ARTIFACTS_VARIABLE
from settings.home import Home
from tests.support import (
    NOW,
    RETENTION,
    event_kinds,
    planned,
    row,
    rows,
    start,
    states,
    stored,
    submit,
    worker,
)

BASELINE, RECON = RunRef("baseline", 0), RunRef("recon", 0)

#: Two ablations on one index; the second also evaluates what the first trained.
ONE = (planned("index"), planned("train", ["index"]), planned("report one", ["train"]))
TWO = (
    planned("index"),
    planned("train", ["index"]),
    planned("evaluate", ["train"]),
    planned("other", ["index"]),
    planned("report two", ["evaluate", "other"]),
)


def finish(database: Database, store: ArtifactStore, folder: Path, worker_id: int, *labels: str) -> None:
    """Each leaves a file of its own, and one that all have alike."""
    for label in labels:
        claim = start(database, label, worker_id)
        with store.publication():
            files = [
                stored(store, folder, "own", label.encode()),
                stored(store, folder, "alike", b"whoever made it"),
            ]
            ending = Ending(SUCCEEDED, claim.target_steps, artifacts=files)
            jobs.succeed(database, claim, ending, NOW)


def two_ablations(database: Database, store: ArtifactStore, folder: Path) -> None:
    submit(database, *ONE, key="one")
    submit(database, *TWO, key="two")
    me = worker(database)
    finish(database, store, folder, me, "index", "train", "report one", "evaluate", "other", "report two")
    members.leave(database, me, NOW)


def counts(database: Database, *tables: str) -> list[int]:
    with database.read() as tx:
        return [tx.execute(text(f"select count(*) from {table}")).scalar_one() for table in tables]


def is_whole(database: Database, home: Home, store: ArtifactStore) -> bool:
    """Every row has its bytes, and every file a row."""
    checked = verification.verify(database, store, RETENTION)
    assert {entry.state for entry in checked} <= {verification.OK}
    lying = {str(path.relative_to(home.root)) for path in home.artifacts.glob("??/*")}
    return lying == {entry.path for entry in checked}


def test_what_others_ask_for_stays_with_its_bytes(
    database: Database, home: Home, store: ArtifactStore, tmp_path: Path
) -> None:
    two_ablations(database, store, tmp_path)
    seen = removal.look(database, 2)
    assert removal.remove(database, home, None, 2, NOW) == seen
    assert (seen.name, seen.others) == ("two", ((1, "one"),))
    assert (len(seen.goes.jobs), seen.goes.artifacts, len(seen.goes.files)) == (3, 6, 3), "one file is alike"
    assert (len(seen.stays.jobs), seen.stays.artifacts) == (2, 4)
    assert set(states(database)) == {"index", "train", "report one"}
    tables = ("ablation", "run", "ablation_job", "job_dependency", "attempt", "artifact", "metric")
    assert counts(database, *tables) == [1, 0, 3, 2, 3, 6, 0]
    found = garbage.collect_files(database, home, seen.goes.files.keys(), NOW)
    assert (found.files, found.bytes) == (3, seen.goes.bytes)
    assert is_whole(database, home, store)
    assert standing(database).ablations[0].state == SUCCEEDED
    assert event_kinds(database)[-2:] == ["ablation_removed", "garbage_collected"]
    event = queries.events(database)[-2]
    assert event.message.startswith("ablation 2 (two) was removed: 3 jobs, 6 artifacts and ")
    assert event.data is not None and event.data["attempts"] == 3


def test_bytes_left_by_a_death_are_garbage_although_the_newest_attempt_went(
    database: Database, home: Home, store: ArtifactStore, tmp_path: Path
) -> None:
    """The store's mark named an attempt that was removed."""
    two_ablations(database, store, tmp_path)
    ownership.note(home, database)
    removal.remove(database, home, None, 2, NOW)
    assert garbage.collect(database, home, RETENTION, NOW).files == 3
    ownership.note(home, database)
    removal.remove(database, home, None, 1, NOW)
    assert garbage.collect(database, home, RETENTION, NOW).files == 4
    assert not list(home.artifacts.glob("??/*")) and counts(database, "job", "artifact", "attempt") == [
        0,
        0,
        0,
    ]


def test_objects_that_machines_share_go_and_their_mark_is_known(
    database: Database, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ARTIFACTS_VARIABLE, f"file://{tmp_path}/network")
    store = open_store(home, database)
    two_ablations(database, store, tmp_path)
    ownership.note(home, database, store.remote)
    elsewhere = Home(tmp_path / "elsewhere")
    elsewhere.create()
    seen = removal.remove(database, home, store.remote, 2, NOW)
    assert garbage.collect(database, elsewhere, RETENTION, NOW).objects == 3
    assert garbage.collect_files(database, home, seen.goes.files.keys(), NOW).files == 3
    checked = verification.verify(database, store, RETENTION)
    assert {entry.state for entry in checked} == {verification.OK} and len(checked) == 6


def test_files_that_a_row_names_again_are_not_collected(
    database: Database, home: Home, store: ArtifactStore, tmp_path: Path
) -> None:
    two_ablations(database, store, tmp_path)
    seen = removal.remove(database, home, None, 2, NOW)
    submit(database, *TWO, key="two")
    finish(database, store, tmp_path, worker(database), "other")
    assert garbage.collect_files(database, home, seen.goes.files.keys(), NOW).files == 2
    assert is_whole(database, home, store)


def test_ids_are_given_once_and_a_zombie_of_a_removed_job_changes_nothing(
    database: Database, home: Home
) -> None:
    submit(database, planned("a"), key="one")
    claim = start(database, "a", worker(database))
    plan = Plan("two", "two", {}, (planned("b", runs=[BASELINE]),), {BASELINE: "b"})
    plans.submit(database, plan, "submit", NOW)
    jobs.take_back(database, [jobs.Lease(claim.job_id, claim.lease_token)], "gone", 3, NOW)
    members.mark_gone(database, claim.worker_id, "gone", NOW)
    before = (2, queries.runs_of(database, 2)[0].id, row(database, "b").id)
    for ablation_id in (1, 2):
        removal.remove(database, home, None, ablation_id, NOW)
    again = plans.submit(database, plan, "submit", NOW)
    mine = start(database, "b", worker(database))
    after = (again.ablation_id, queries.runs_of(database, again.ablation_id)[0].id, mine.job_id)
    assert all(new > old for new, old in zip(after, before)) and mine.attempt_id > claim.attempt_id
    with pytest.raises(LeaseLost):
        jobs.publish(database, claim, 1, [], [], Seconds(), NOW)
    with pytest.raises(LeaseLost):
        jobs.succeed(database, claim, Ending(SUCCEEDED, 1), NOW)


def test_a_job_that_another_one_reads_stays_although_nobody_asks_for_it(
    database: Database, home: Home
) -> None:
    submit(database, *ONE, key="one")
    submit(database, *TWO, key="two")
    with database.write() as tx:  # as an ablation that an earlier version planned may be
        links = AblationJob.__table__
        needed = [row(database, "index").id, row(database, "train").id]
        tx.execute(links.delete().where(links.c.ablation_id == 2, links.c.job_id.in_(needed)))
    seen = removal.remove(database, home, None, 1, NOW)
    assert set(states(database)) == {entry.label for entry in TWO}
    assert (len(seen.goes.jobs), len(seen.stays.jobs), seen.others) == (1, 2, ())


def test_the_report_from_before_an_ablation_grew_keeps_nothing(
    database: Database, home: Home, store: ArtifactStore, tmp_path: Path
) -> None:
    before = Plan("before", "mine", {}, (planned("a"), planned("old report", ["a"])))
    plans.submit(database, before, "submit", NOW)
    me = worker(database)
    finish(database, store, tmp_path, me, "a", "old report")
    members.leave(database, me, NOW)
    there = queries.ablation_row(database, "before")
    after = Plan("after", "mine", {}, (planned("a"), planned("b"), planned("report", ["a", "b"])))
    plans.submit(database, after, "submit", NOW, there)
    seen = removal.look(database, 1)
    assert (len(seen.goes.jobs), len(seen.stays.jobs)) == (4, 0)
    submit(database, planned("a"), key="two")
    seen = removal.remove(database, home, None, 1, NOW)
    assert (len(seen.goes.jobs), len(seen.stays.jobs)) == (2, 1), "b and the report"
    removal.remove(database, home, None, 2, NOW)
    assert rows(database) == []


def test_what_only_a_paused_ablation_asks_for_then_is_held(database: Database, home: Home) -> None:
    submit(database, *ONE, key="one")
    submit(database, *TWO, key="two")
    jobs.pause(database, Target("ablation", 2, "two"), NOW)
    assert not row(database, "index").held
    removal.remove(database, home, None, 1, NOW)
    assert row(database, "index").held


def test_nothing_goes_under_an_attempt(database: Database, home: Home) -> None:
    submit(database, planned("own"), planned("shared"), key="one")
    submit(database, planned("shared"), key="two")
    me = worker(database)
    running = start(database, "own", me)
    before = rows(database)

    def refused(says: str) -> None:
        for act in (lambda: removal.look(database, 1), lambda: removal.remove(database, home, None, 1, NOW)):
            with pytest.raises(IllegalMove, match=says):
                act()

    refused("1 job of ablation 'one' runs; `cancel` it first")
    assert rows(database) == before
    jobs.cancel(database, Target("ablation", 1, "one"), NOW)
    refused("stops at its next step; try again then")
    jobs.give_back(database, running, Ending("yielded", 0, "slice"), NOW)
    start(database, "shared", me)
    removal.remove(database, home, None, 1, NOW)
    assert states(database) == {"shared": "running"}, "another ablation's work goes on"


def test_jobs_that_are_about_to_run_stay_while_somebody_works_here(database: Database, home: Home) -> None:
    submit(database, planned("a"), key="one")
    me = worker(database)
    with pytest.raises(IllegalMove, match="about to run, as this home is worked in; `cancel` it first"):
        removal.remove(database, home, None, 1, NOW)
    members.leave(database, me, NOW)
    session = members.open_session(database, "up", None, NOW)
    with pytest.raises(IllegalMove, match="about to run"):
        removal.look(database, 1)
    members.close_session(database, session, "done", NOW)
    removal.remove(database, home, None, 1, NOW)
    assert rows(database) == []
    with pytest.raises(IllegalMove, match="no ablation 1 in this home any more"):
        removal.remove(database, home, None, 1, NOW)


def test_an_attempt_whose_process_is_gone_keeps_nothing(database: Database, home: Home) -> None:
    submit(database, planned("a"), key="one")
    start(database, "a", worker(database))
    with database.write() as tx:
        tx.execute(update(Worker).values(pid_started_at=-1.0))
    removal.remove(database, home, None, 1, time.time())
    assert rows(database) == []


def arms_plan(*arms: RunRef) -> Plan:
    """What arms share, what each has alone, and a report of all."""
    of_arms: list[Any] = [planned("pretrain", ["index"], runs=arms)]
    for ref in arms:
        of_arms += [planned(f"train {ref.arm}", ["pretrain"], runs=[ref])]
    ends = [f"train {ref.arm}" for ref in arms]
    report = "report of " + " and ".join(ref.arm for ref in arms)
    listed = [planned("index"), *of_arms, planned(report, ["index", *ends])]
    return Plan(report, "arms", {}, listed, {ref: f"train {ref.arm}" for ref in arms})


def test_an_arm_goes_with_what_only_it_had_and_what_read_that(
    database: Database, home: Home, store: ArtifactStore, tmp_path: Path
) -> None:
    plans.submit(database, arms_plan(BASELINE, RECON), "submit", NOW)
    submit(database, planned("index"), planned("pretrain", ["index"]), key="other")
    me = worker(database)
    report = "report of baseline and recon"
    finish(database, store, tmp_path, me, "index", "pretrain", "train baseline", "train recon", report)
    members.leave(database, me, NOW)
    ownership.note(home, database)
    asked: list[set[str]] = []

    def relink(tx: Connection) -> None:
        asked.append(set(tx.execute(select(jobs.job.c.label)).scalars()))

    with pytest.raises(IllegalMove, match="has no arm 'chance'"):
        removal.drop_arm(database, home, None, 1, "chance", relink, NOW)
    gone = removal.drop_arm(database, home, None, 1, "recon", relink, NOW)
    assert asked == [{"index", "pretrain", "train baseline", "train recon", report}], "before anything goes"
    assert len(gone.jobs) == 2 and set(states(database)) == {"index", "pretrain", "train baseline"}
    assert [run.arm for run in queries.runs_of(database, 1)] == ["baseline"]
    with database.read() as tx:
        assert tx.execute(select(Ablation.job_count).where(Ablation.id == 1)).scalar_one() == 3
        assert tx.execute(select(func.count()).where(AblationJob.ablation_id == 2)).scalar_one() == 2
    assert garbage.collect(database, home, RETENTION, NOW).files == 2
    assert is_whole(database, home, store)
    assert "arm_dropped" in event_kinds(database)


def test_what_an_ablation_asked_for_before_it_grew_keeps_nothing(database: Database, home: Home) -> None:
    """Its report of then reads most of what it has."""
    plans.submit(database, arms_plan(BASELINE), "submit", NOW)
    (there,) = queries.ablation_rows(database)
    plans.submit(database, arms_plan(BASELINE, RECON), "submit", NOW, there)
    old = row(database, "report of baseline").id
    whole = arms_plan(RECON)
    (there,) = queries.ablation_rows(database)
    gone = removal.drop_arm(
        database, home, None, 1, "baseline", plans.in_place_of(there, whole, NOW, "without baseline"), NOW
    )
    left = {"index", "pretrain", "train recon", "report of recon"}
    assert old in gone.jobs and set(states(database)) == left
    (there,) = queries.ablation_rows(database)
    plans.submit(database, arms_plan(RECON, BASELINE), "submit", NOW, there)
    seen = removal.remove(database, home, None, 1, NOW)
    assert len(seen.goes.jobs) == 6 and seen.stays.jobs == () and states(database) == {}
    assert counts(database, "job", "job_dependency", "ablation_job") == [0, 0, 0]


def test_what_an_ablation_asked_for_before_it_grew_is_not_taken_from_another(
    database: Database, home: Home
) -> None:
    plans.submit(database, arms_plan(BASELINE), "submit", NOW)
    (there,) = queries.ablation_rows(database)
    plans.submit(database, arms_plan(BASELINE, RECON), "submit", NOW, there)
    report = "report of baseline"
    submit(database, planned(report, ["index"]), planned("index"), planned("end", [report]), key="other")
    removal.remove(database, home, None, 1, NOW)
    assert set(states(database)) == {"index", "pretrain", "train baseline", report, "end"}


def test_what_the_plan_without_the_arm_asks_for_stays(database: Database, home: Home) -> None:
    plans.submit(database, arms_plan(BASELINE, RECON), "submit", NOW)
    kept = row(database, "train recon").id

    def relink(tx: Connection) -> None:
        tx.execute(AblationJob.__table__.insert(), {"ablation_id": 1, "job_id": kept, "run_id": None})

    gone = removal.drop_arm(database, home, None, 1, "recon", relink, NOW)
    assert kept not in gone.jobs and "train recon" in states(database)
    assert len(gone.jobs) == 1, "the report of both arms"


def test_a_plan_that_cannot_be_put_in_place_leaves_the_arm(database: Database, home: Home) -> None:
    plans.submit(database, arms_plan(BASELINE, RECON), "submit", NOW)
    before = (rows(database), counts(database, "run", "ablation_job", "event"))

    def relink(tx: Connection) -> None:
        raise ValueError("no plan")

    with pytest.raises(ValueError, match="no plan"):
        removal.drop_arm(database, home, None, 1, "recon", relink, NOW)
    assert (rows(database), counts(database, "run", "ablation_job", "event")) == before


def test_an_arm_that_is_worked_on_stays(database: Database, home: Home) -> None:
    plans.submit(database, arms_plan(BASELINE, RECON), "submit", NOW)
    me = worker(database)
    for label in ("index", "pretrain"):
        jobs.succeed(database, start(database, label, me), Ending(SUCCEEDED, 1), NOW)
    start(database, "train recon", me)
    (of_arm,) = [run.id for run in queries.runs_of(database, 1) if run.arm == "recon"]
    with pytest.raises(IllegalMove, match=f"`cancel --run {of_arm}` first"):
        removal.drop_arm(database, home, None, 1, "recon", lambda _tx: None, NOW)
    assert len(queries.runs_of(database, 1)) == 2
