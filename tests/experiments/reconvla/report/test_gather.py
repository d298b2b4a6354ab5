"""The report's figures come from rows, written through the real writer."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from db import jobs, queries, states
from db.plans import Plan, PlannedJob, RunRef, submit
from db.statements import attempt
from db.store import ArtifactStore
from db.values import Ending, Lease, MetricPoint, Seconds
from errors import InvalidInput
from experiments.reconvla.report.corpora import Corpora
from experiments.reconvla.report.gather import NO_SIMULATOR, _with_planned
from reports.data import RunReport
from reports.document import to_json
from reports.parts.reproduction import DataSource
from tests.experiments.reconvla.report.gathered import gather_report
from tests.job_specs import record, result_of, spec_of
from tests.support import LEASE_SECONDS, NOW, start, worker

RUN = RunRef("recon", 0)


def planned(key, kind, runs=(), **spec):
    return PlannedJob(key, kind, key, spec_of(kind, spec), "cpu", 50, 1, (), runs)


@pytest.fixture
def submitted(database):
    plan = Plan(
        "key",
        "mine",
        {"data": {"root": None}, "gaze": {"detector": "oracle"}},
        [
            planned("train", "train", (RUN,)),
            planned("shard 1", "evaluate", (RUN,), mode="closed_loop"),
            planned("shard 0", "evaluate", (RUN,), mode="closed_loop"),
            planned("random", "evaluate", mode="closed_loop", policy="random"),
        ],
        {RUN: "train"},
    )
    submit(database, plan, "cli.py submit-ablation", NOW)
    return worker(database)


def finish(database, label, worker_id, result, **fields):
    ending = Ending(states.SUCCEEDED, 1, result=result, **fields)
    jobs.succeed(database, start(database, label, worker_id), ending, NOW + 10)


def shard(first, *done):
    return result_of("evaluate", results=[{"sequence": first + i, "done": d} for i, d in enumerate(done)])


def report(home, database):
    return to_json(gather_report(database, ArtifactStore(home), "mine"))


def test_what_is_not_measured_is_null(home, database, submitted):
    document = report(home, database)
    (arm,) = document["arms"]
    assert arm["arm"] == "recon" and arm["success"] is None and arm["device_seconds"] is None
    assert document["gaze"]["simple"]["rate"] is None
    assert "2 shards" in document["closed_loop_reason"]


def test_what_failed_is_said(home, database, submitted):
    document = report(home, database)
    assert (document["state"], document["jobs"]["succeeded"]) == ("running", 0)
    finish(database, "train", submitted, {"steps": 1})
    for label in ("shard 0", "shard 1", "random"):
        ended = Ending(states.FAILED, 0, "the simulator went away")
        jobs.end(database, start(database, label, submitted), ended, NOW + 20)
    document = report(home, database)
    assert document["state"] == "failed"
    assert document["jobs"] == {**dict.fromkeys(states.STATES, 0), "succeeded": 1, "failed": 3}
    assert document["failures"][0] == "shard 1: the simulator went away" and len(document["failures"]) == 3
    assert document["created_at"] > NOW
    assert [run["failed"] for run in document["runs"]] == ["the simulator went away"]
    assert document["arms"][0]["failed_seeds"] == [0]


def test_a_run_that_was_cancelled_gets_no_results_and_has_not_failed(home, database, submitted):
    def run() -> RunReport:
        (found,) = gather_report(database, ArtifactStore(home), "mine").runs
        return found

    assert (run().failed, run().cancelled) == ("", False)
    (row,) = queries.find_jobs(database, "train")
    jobs.cancel(database, jobs.Target("job", row.id, "train"), NOW)
    assert (run().failed, run().cancelled) == ("", True)
    (arm,) = report(home, database)["arms"]
    assert (arm["cancelled_seeds"], arm["failed_seeds"]) == ([0], [])
    jobs.retry(database, jobs.Target("job", row.id, "train"), NOW)
    assert not run().cancelled


def test_shards_without_a_result_are_told_as_they_ended(home, database, submitted):
    reasons = []
    for label in ("shard 0", "shard 1"):
        reasons.append(report(home, database)["closed_loop_reason"])
        (row,) = queries.find_jobs(database, label)
        jobs.cancel(database, jobs.Target("job", row.id, label), NOW)
    assert [*reasons, report(home, database)["closed_loop_reason"]] == [
        "2 shards of the evaluation have not ended yet",
        "1 shard of the evaluation has not ended yet, 1 was cancelled",
        "2 shards of the evaluation were cancelled",
    ]
    assert jobs.retry(database, jobs.Target("ablation", 1, "mine"), NOW).jobs == 2
    ended = Ending(states.FAILED, 0, "the simulator went away")
    jobs.end(database, start(database, "shard 0", submitted), ended, NOW + 20)
    told = report(home, database)["closed_loop_reason"]
    assert told == "1 shard of the evaluation has not ended yet, 1 failed"


def test_an_attempt_without_a_step_is_no_slice(home, database, submitted):
    held = start(database, "train", submitted)
    # The time of what failed is booked as one that has to be spent again.
    fault = Ending(states.FAILED, 0, "no space left on the device", seconds=Seconds(replayed=6.4))
    jobs.give_back(database, held, fault, NOW + 1)
    assert report(home, database)["arms"][0]["slices"] == 0
    finish(database, "train", submitted, {"steps": 1}, seconds=Seconds(useful=6.0))
    assert report(home, database)["arms"][0]["slices"] == 1


def test_a_rate_needs_every_shard_and_keeps_the_order_of_sequences(home, database, submitted):
    finish(database, "shard 1", submitted, shard(2, 5, 0))
    assert report(home, database)["arms"][0]["success"] is None
    finish(database, "shard 0", submitted, shard(0, 1, 2))
    finish(database, "random", submitted, shard(0, 0, 0, 0, 0))
    document = report(home, database)
    (arm,) = document["arms"]
    assert arm["success"] == [0.75, 0.5, 0.25, 0.25, 0.25] and arm["avg_len"] == 2.0
    assert document["random_policy"]["success"][0] == 0.0
    assert document["closed_loop_reason"] is None
    assert gather_report(database, ArtifactStore(home), None).runs[0].results == (1, 2, 5, 0)


@pytest.mark.parametrize("clock_shift", [15, -172_800, 172_800, -3600, 3600])
def test_seconds_that_a_lost_attempt_did_not_book_are_idle(home, database, submitted, clock_shift):
    """Up to its last sign of life: the rest is in no clock of its own, and the time of day may have been set."""
    held = start(database, "train", submitted)
    jobs.publish(
        database,
        held,
        0,
        [],
        [MetricPoint("loss/action", 10, 2.5)],
        Seconds(useful=4.0, checkpoint=1.0, took=6.0),
        NOW + 5,
    )
    jobs.extend_lease(
        database, held, LEASE_SECONDS, 0, Seconds(useful=4.0, checkpoint=1.0, took=12.0), NOW + 12
    )
    jobs.take_back(
        database, [Lease(held.job_id, held.lease_token)], "its process is gone", 3, NOW + clock_shift
    )
    finish(database, "train", submitted, {"steps": 1}, seconds=Seconds(useful=6.0, load=2.0, took=10.0))
    document = report(home, database)
    ledger = document["ledger"]
    assert ledger["useful_seconds"] == 10.0 and ledger["checkpoint_seconds"] == 1.0
    assert ledger["idle_seconds"] == pytest.approx(12 - 5) and ledger["replayed_seconds"] == 0.0
    assert ledger["losses"] == 1 and ledger["preemptions"] == 0
    (arm,) = document["arms"]
    assert arm["device_seconds"] == pytest.approx(12 + 10)
    assert arm["goodput"] == pytest.approx(10 / 22)


def test_an_attempt_that_booked_nothing_lost_what_it_took(home, database, submitted):
    held = start(database, "train", submitted)
    jobs.extend_lease(database, held, LEASE_SECONDS, 0, Seconds(took=9.0), NOW + 9)
    jobs.take_back(database, [Lease(held.job_id, held.lease_token)], "its process is gone", 3, NOW - 1e6)
    at_once = start(database, "train", submitted)
    jobs.take_back(
        database, [Lease(at_once.job_id, at_once.lease_token)], "its process is gone", 9, NOW + 1e6
    )
    document = report(home, database)
    assert (document["ledger"]["replayed_seconds"], document["ledger"]["idle_seconds"]) == (9.0, 0.0)
    assert document["arms"][0]["device_seconds"] == 9.0


def test_what_an_earlier_version_booked_by_a_clock_set_back_is_not_measured(home, database, submitted):
    held = start(database, "train", submitted)
    jobs.take_back(database, [Lease(held.job_id, held.lease_token)], "its process is gone", 3, NOW)
    with database.write() as tx:
        tx.execute(update(attempt).values(took_seconds=None, idle_seconds=-172_753.0))
    finish(database, "train", submitted, {"steps": 1}, seconds=Seconds(useful=6.0, took=7.0))
    document = report(home, database)
    assert document["ledger"]["idle_seconds"] is None and document["ledger"]["useful_seconds"] == 6.0
    (arm,), (run,) = document["arms"], document["runs"]
    assert (arm["device_seconds"], arm["goodput"], run["useful_seconds"]) == (None, None, 6.0)
    assert [entry["seconds"] for entry in run["attempts"]] == [None, 7.0]


def test_recorded_data_says_why_there_are_no_rates(home, database):
    config = {"data": {"root": "/somewhere"}, "gaze": {"detector": "oracle"}}
    submit(database, Plan("k", "recorded", config, []), "cli.py", NOW)
    reason = gather_report(database, ArtifactStore(home), "recorded").closed_loop_reason
    assert reason == NO_SIMULATOR and "evaluation.assets" in reason


def test_pictures_of_another_renderer_are_told(home, database):
    config = {"data": {"root": "/somewhere"}, "gaze": {"detector": "oracle"}}
    jobs_ = [
        planned("train", "train", (RUN,)),
        planned("shard", "evaluate", (RUN,), mode="closed_loop", frames_renderer="egl"),
    ]
    submit(database, Plan("k", "drawn", config, jobs_, {RUN: "train"}), "cli.py", NOW)
    told = {"simulator": "playtable", "renderer": "tiny", "scene": "D"}
    finish(database, "shard", worker(database), {**shard(0, 1), "simulator_description": told})
    document = to_json(gather_report(database, ArtifactStore(home), "drawn"))
    assert "drawn by renderer egl, the evaluation by tiny" in document["closed_loop_warning"]
    assert document["environment"]["simulator"] == "renderer tiny, scene D, simulator playtable"


def test_an_unknown_ablation_is_named(home, database):
    with pytest.raises(InvalidInput, match="other"):
        gather_report(database, ArtifactStore(home), "other")


def test_what_the_plan_counted_is_told_of_the_validation_alone():
    sources = tuple(DataSource(purpose, "D", 4) for purpose in ("training", "validation"))
    jobs_ = [record("train"), record("report", {"not_held_out": 3})]
    corpora = Corpora([], [], {"arms": {"mine": {"title": "of mine"}, "other": {}}})
    assert [source.not_held_out for source in _with_planned(sources, jobs_, corpora)] == [0, 3]
    assert _with_planned(sources, [record("report")], corpora) == sources
    apart = [DataSource("validation", "E", 4, rows=(row,)) for row in ("of mine", "other")]
    jobs_ = [record("report", {"not_held_out": 3, "not_held_out_of": {"mine": 1}})]
    assert [source.not_held_out for source in _with_planned(tuple(apart), jobs_, corpora)] == [1, 3]
