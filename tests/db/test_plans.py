"""Submitting a plan: identity by key, shared work, and another try for what failed."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import func, select

from db import jobs, plans, queries
from db.engine import Database
from db.jobs import Ending, Seconds, Target
from db.plans import Plan, PlannedJob, RunRef
from db.schema import AblationJob, JobDependency
from db.standings import standing
from db.states import BLOCKED, CANCELLED, FAILED, QUEUED, READY, RUNNING, SUCCEEDED, YIELDED
from errors import Overtaken
from tests.support import LEASE_SECONDS, NOW, event_kinds, planned, row, start, states, submit, worker


def test_the_same_plan_twice_changes_nothing(database: Database) -> None:
    chain = (planned("a"), planned("b", ["a"]), planned("c", ["a", "b"]))
    first = submit(database, *chain)
    before = _links(database)
    again = submit(database, *chain)
    assert (first.jobs_added, first.jobs_shared) == (3, 0)
    assert (again.jobs_added, again.jobs_shared) == (0, 3)
    assert again.ablation_id == first.ablation_id
    assert _links(database) == before
    assert states(database) == {"a": READY, "b": BLOCKED, "c": BLOCKED}
    assert event_kinds(database).count("ablation_submitted") == 1


def test_what_nothing_blocks_is_ready_and_the_rest_counts_distinct_jobs(database: Database) -> None:
    both_roles = planned("b", ["a"])
    twice = plans.PlannedJob(
        **{**vars(both_roles), "needs": (*both_roles.needs, plans.Dependency("a", "init"))}
    )
    submit(database, planned("a"), twice)
    assert row(database, "b").waiting_on == 1
    jobs.succeed(database, start(database, "a", worker(database)), Ending(SUCCEEDED, 1), NOW)
    assert states(database)["b"] == READY


def test_two_ablations_share_equal_work(database: Database) -> None:
    submit(database, planned("a"), planned("b", ["a"]), key="one")
    jobs.succeed(database, start(database, "a", worker(database)), Ending(SUCCEEDED, 1), NOW)
    second = submit(database, planned("a"), planned("b", ["a"]), planned("c", ["a"]), key="two")
    assert (second.jobs_added, second.jobs_shared) == (1, 2)
    assert states(database) == {"a": SUCCEEDED, "b": READY, "c": READY}, (
        "c does not wait for work that is done"
    )
    one, two = standing(database).ablations
    assert (one.jobs[READY], two.jobs[READY]) == (1, 2)


def test_a_job_of_a_paused_ablation_is_rung_only_if_another_wants_it(database: Database) -> None:
    submit(database, planned("own"), planned("shared"), key="one")
    jobs.pause(database, Target("ablation", 1, "one"), NOW)
    assert jobs.ring(database, "cpu", 10, NOW) == []
    submit(database, planned("shared"), key="two")
    assert [entry.label for entry in jobs.ring(database, "cpu", 10, NOW)] == ["shared"]
    submit(database, planned("own"), planned("shared"), key="one")
    assert states(database) == {"own": READY, "shared": QUEUED}
    assert [entry.label for entry in jobs.ring(database, "cpu", 10, NOW)] == ["own"], (
        "submitting again unpauses"
    )


def test_submitting_again_revokes_a_cancellation_that_a_running_job_has_not_obeyed_yet(
    database: Database,
) -> None:
    submit(database, planned("a"), key="one")
    claim = start(database, "a", worker(database))
    jobs.cancel(database, jobs.Target("ablation", 1, "one"), NOW)
    submit(database, planned("a"), key="one")
    assert jobs.extend_lease(database, claim, LEASE_SECONDS, 0, Seconds(), NOW) is None
    jobs.give_back(database, claim, Ending(YIELDED, 0, "slice"), NOW)
    assert states(database) == {"a": READY}


def test_submitting_again_tries_what_failed_or_was_cancelled_again(database: Database) -> None:
    chain = (planned("a"), planned("b"), planned("c", ["a", "b"]))
    submit(database, *chain)
    me = worker(database)
    jobs.end(database, start(database, "a", me), Ending(FAILED, 0, "broke"), NOW)
    jobs.cancel(database, jobs.Target("job", row(database, "b").id, "b"), NOW)
    assert standing(database).ablations[0].state == FAILED
    submit(database, *chain)
    assert states(database) == {"a": READY, "b": READY, "c": BLOCKED}
    assert (row(database, "a").failures, row(database, "a").error, row(database, "a").finished_at) == (
        0,
        None,
        None,
    )
    for label in ("a", "b", "c"):
        jobs.succeed(database, start(database, label, me), Ending(SUCCEEDED, 1), NOW)
    assert standing(database).ablations[0].state == SUCCEEDED


def test_a_retried_job_waits_again_for_what_it_needs(database: Database) -> None:
    """Both failed; the one that needs the other must not run before it."""
    chain = (planned("a"), planned("b", ["a"]))
    submit(database, *chain)
    me = worker(database)
    jobs.end(database, start(database, "a", me), Ending(FAILED, 0, "broke"), NOW)
    with database.write() as tx:
        tx.execute(jobs.job.update().where(jobs.job.c.label == "b").values(state=CANCELLED))
    submit(database, *chain)
    assert states(database) == {"a": READY, "b": BLOCKED}
    assert row(database, "b").waiting_on == 1


def test_runs_know_their_training_job_and_its_step(database: Database) -> None:
    ref = RunRef("recon", 3)
    plan = Plan("k", "mine", {}, (planned("train", runs=[ref], target_steps=10),), {ref: "train"})
    plans.submit(database, plan, "submit", NOW)
    claim = start(database, "train", worker(database))
    jobs.publish(database, claim, 4, [], [], jobs.Seconds(), NOW)
    (run,) = standing(database, "mine").ablations[0].runs
    assert (run.arm, run.seed, run.state, run.step, run.target_steps) == (
        "recon",
        3,
        "running",
        4,
        10,
    )


def test_more_jobs_than_one_statement_takes(database: Database) -> None:
    many = [planned(f"job {number}") for number in range(1201)]
    submitted = submit(database, *many, planned("last", [entry.key for entry in many]))
    assert submitted.jobs_added == 1202
    assert row(database, "last").waiting_on == 1201


def _links(database: Database) -> tuple[int, int]:
    with database.read() as tx:
        return (
            tx.execute(select(func.count()).select_from(AblationJob)).scalar_one(),
            tx.execute(select(func.count()).select_from(JobDependency)).scalar_one(),
        )


def test_of_growths_at_the_same_time_one_is_written_whole(database: Database) -> None:
    """Whoever was late is told, plans again, and joins."""
    small = (planned("a"), planned("report a", ["a"]))
    plans.submit(database, Plan("small", "mine", {}, small), "submit", NOW)
    there = queries.ablation_row(database, "small")
    others = "bcde"

    def grow(name: str) -> bool:
        jobs_ = (planned("a"), planned(name), planned(f"report a{name}", ["a", name]))
        try:
            plans.submit(database, Plan(f"with {name}", "mine", {}, jobs_), "submit", NOW, there)
        except Overtaken:
            return False
        return True

    with ThreadPoolExecutor(len(others)) as threads:
        written = list(threads.map(grow, others))
    assert written.count(True) == 1
    name = others[written.index(True)]
    (row_,) = queries.ablation_rows(database)
    assert row_.key == f"with {name}"
    assert {job.key for job in queries.jobs_of(database, row_.id)} == {"a", name, f"report a{name}"}
    assert states(database) == {"a": READY, name: READY, f"report a{name}": BLOCKED, "report a": CANCELLED}


def test_a_name_is_taken_once(database: Database) -> None:
    def submitted(key: str) -> bool:
        try:
            plans.submit(database, Plan(key, "mine", {}, (planned(key),)), "submit", NOW, first=True)
        except Overtaken:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        written = list(threads.map(submitted, "abcd"))
    assert written.count(True) == 1 == len(queries.ablation_rows(database))
    assert submitted("abcd"[written.index(True)]), "the same again"
    jobs.cancel(database, Target("ablation", queries.ablation_rows(database)[0].id, "mine"), NOW)
    assert submitted("e"), "of one that was cancelled the name is free"


def test_a_report_that_was_begun_before_the_ablation_grew_ends_beside_it(database: Database) -> None:
    """It is told to stop; where it ends all the same, that changes nothing of the ablation."""
    small = Plan("small", "mine", {}, (planned("a"), planned("report", ["a"])))
    plans.submit(database, small, "submit", NOW)
    me = worker(database)
    jobs.succeed(database, start(database, "a", me), Ending(SUCCEEDED, 1), NOW)
    claim = start(database, "report", me)
    there = queries.ablation_row(database, "small")
    large = Plan("large", "mine", {}, (planned("a"), planned("b"), planned("report 2", ["a", "b"])))
    plans.submit(database, large, "submit", NOW, there)
    assert row(database, "report").cancel_requested
    assert states(database)["report"] == RUNNING and states(database)["a"] == SUCCEEDED
    jobs.succeed(database, claim, Ending(SUCCEEDED, 1), NOW)
    assert {job.key for job in queries.jobs_of(database, 1)} == {"a", "b", "report 2"}
    plans.submit(database, small, "submit", NOW, queries.ablation_row(database, "large"))
    assert states(database)["b"] == CANCELLED, "nobody asks for it any more"
    assert not row(database, "report").cancel_requested


def test_parameters_are_kept_as_they_are_whatever_texts_they_hold(database: Database) -> None:
    held = [{}, {"a": ["x", "\0", "y"]}, {"b": "\0", "c": 'ö", "'}, {"d": [{}, "\0", {}], "e": None}]
    several = [PlannedJob(**{**vars(planned(str(number))), "spec": spec}) for number, spec in enumerate(held)]
    for some in (several, several[:1], several[2:3]):
        submit(database, *some, key=f"of {len(some)} {some[0].key}")
    with database.read() as tx:
        kept = tx.exec_driver_sql("SELECT spec FROM job ORDER BY id").scalars().all()
    assert [json.loads(one) if isinstance(one, str) else one for one in kept] == held


def test_a_plan_of_which_some_is_there_waits_for_the_rest_alone(database: Database) -> None:
    submit(database, planned("done"), planned("open"), key="one")
    jobs.succeed(database, start(database, "done", worker(database)), Ending(SUCCEEDED, 1), NOW)
    submit(
        database, planned("done"), planned("open"), planned("new"), planned("of done", ["done"]),
        planned("of all", ["done", "open", "new"]), key="two",
    )  # fmt: skip
    assert {key: states(database)[key] for key in ("new", "of done", "of all")} == {
        "new": READY, "of done": READY, "of all": BLOCKED
    }  # fmt: skip
    assert row(database, "of all").waiting_on == 2
