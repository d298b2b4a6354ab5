"""Films come out of artifacts as the evaluation stores them, under the words that the policy was given."""

from __future__ import annotations

import pytest

from db import jobs, queries, states
from db.plans import Plan, PlannedJob, RunRef, submit
from db.values import Ending
from reports.parts.films import Films
from tests.experiments.reconvla.report.gathered import gather_report
from tests.job_specs import result_of, spec_of
from tests.reports.samples import part
from tests.support import NOW, start, worker

CHAIN = ["open_drawer", "lift_red_block_table", "turn_on_led", "close_drawer", "turn_off_led"]


def plan(database, videos, instructions=None):
    """One arm with one shard of its evaluation, which may make `videos` films."""
    ref = RunRef("recon", 3)
    spec = spec_of("evaluate", mode="closed_loop", videos=videos, instructions=instructions)
    planned = [
        PlannedJob("train", "train", "train", spec_of("train"), "cpu", 50, 1, (), (ref,)),
        PlannedJob("shard", "evaluate", "shard", spec, "cpu", 50, 1, (), (ref,)),
    ]
    config = {"data": {"root": None}, "gaze": {"detector": "oracle"}}
    submit(database, Plan("k", "mine", config, planned, {ref: "train"}), "cli.py", NOW)


def finish(database, store, folder, done, *, film):
    """End the shard: sequence 7 got `done` tasks far."""
    artifacts = []
    if film:
        file = folder / "failure_7.mp4"
        file.write_bytes(b"film")
        artifacts = [jobs.StoredArtifact("evaluation", "failure_7", *store.put(file))]
    result = result_of("evaluate", results=[{"sequence": 7, "done": done, "tasks": CHAIN}])
    claim = start(database, "shard", worker(database))
    jobs.succeed(database, claim, Ending(states.SUCCEEDED, 1, artifacts=artifacts, result=result), NOW)


def films(database, store):
    return part(gather_report(database, store, "mine"), Films)


@pytest.mark.parametrize("phrase", ["raise the red cube", None])
def test_a_caption_says_who_failed_at_what(database, store, tmp_path, phrase):
    plan(database, 1, phrase and dict.fromkeys(CHAIN, phrase))
    finish(database, store, tmp_path, 1, film=True)
    report = films(database, store)
    (film,) = report.films
    assert film.data == b"film" and report.reason is None
    arm, said, place = film.caption.replace("”", "“").split("“")
    assert arm == "+ reconstruction loss, seed 3, sequence 7: " and place == " (task 2 of 5)"
    assert said == phrase or (phrase is None and "red" in said)


def test_films_that_were_cleared_away(database, store, home, tmp_path):
    plan(database, 1)
    finish(database, store, tmp_path, 1, film=True)
    for entry in queries.artifacts(database):
        (home.root / entry.path).unlink()
    report = films(database, store)
    assert report.films == () and "no longer in the store" in report.reason


def test_no_films_have_their_reason(database, store, tmp_path):
    plan(database, 0)
    assert films(database, store).reason == "evaluation.videos is 0"


def test_no_films_yet_and_none_at_all(database, store, tmp_path):
    plan(database, 1)
    assert "has ended yet" in films(database, store).reason
    target = jobs.Target("ablation", 1, "mine")
    jobs.cancel(database, target, NOW)
    assert films(database, store).reason == "no part of the evaluation gave a result"
    jobs.retry(database, target, NOW)
    finish(database, store, tmp_path, 5, film=False)
    assert films(database, store).reason == "no subtask failed"
