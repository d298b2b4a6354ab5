"""One ring of the bell in this process: how attempts end, and what they leave in the rows."""

from __future__ import annotations

import errno
import time
from pathlib import Path

import pytest
import torch
from sqlalchemy import update

from db import jobs, queries
from db.engine import Database
from db.schema import Job
from db.states import BLOCKED, FAILED, LOST, OOM, READY, RUNNING, SUCCEEDED, YIELDED
from db.values import Progress
from errors import DatasetError
from settings.arithmetic import deciding_variables
from settings.home import Home
from tasks.context import Draft, Note, TaskContext, Yielded
from tests import bodies
from tests.support import NOW, artifacts_of_job, attempts, event_kinds, planned, row, states, submit
from tests.toy_kinds import Result, ToyKind, done
from tests.workers.conftest import SETTINGS, Bench
from workers.attempt import AttemptContext
from workers.heartbeat import Member


def nothing(_context: TaskContext) -> Result:
    return done(result={"done": True})


def make(context: TaskContext) -> Result:
    """Makes one artifact, always of the same bytes."""
    file = context.scratch / "made.txt"
    file.write_text("made")
    return done([Draft("index", "made", file)])


def test_a_finished_body_leaves_artifacts_result_and_environment(
    bench: Bench, database: Database, home: Home
) -> None:
    def body(context: TaskContext) -> Result:
        file = context.scratch / "made.txt"
        file.write_text("made")
        context.spend("useful", 1.5)
        return done([Draft("index", "made", file)], result={"items": 1})

    submit(database, planned("a"), planned("b", ["a"]))
    assert bench.run("a", body) == SUCCEEDED
    assert bench.executor.released, "b became ready"
    (fact,) = artifacts_of_job(database, row(database, "a").id)
    assert (home.root / fact.path).read_text() == "made"
    (attempt,) = attempts(database, "a")
    assert attempt.useful_seconds == 1.5
    assert attempt.environment["device"] == "cpu" and "torch" in attempt.environment
    assert list(home.scratch.iterdir()) == []


def test_inputs_are_the_verified_artifacts_of_what_a_job_needs(
    bench: Bench, database: Database, tmp_path: Path
) -> None:
    def read(context: TaskContext) -> Result:
        (file,) = context.inputs
        return done(result={"read": file.path.read_text(), "role": file.role})

    submit(database, planned("a"), planned("b", ["a"]), planned("c", ["a"]))
    bench.run("a", make)
    assert bench.run("b", read) == SUCCEEDED
    assert row(database, "b").result == {"read": "made", "role": "input"}


def test_slices_count_on_where_the_one_before_stopped(
    bench: Bench, database: Database, tmp_path: Path
) -> None:
    """A slice of no time at all still does one step: a job cannot yield for ever without progress."""
    log = tmp_path / "log"
    submit(database, planned("a", spec={"target": 4, "log": str(log), "slice_seconds": 1e-6}, target_steps=4))
    outcomes = [bench.run("a", bodies.count) for _ in range(4)]
    assert outcomes == ["yielded at step 1", "yielded at step 2", "yielded at step 3", SUCCEEDED]
    assert log.read_text().split() == ["0", "1", "2", "3"]
    assert [a.outcome for a in attempts(database, "a")] == [YIELDED] * 3 + [SUCCEEDED]
    assert [(a.step_from, a.step_to) for a in attempts(database, "a")] == [(0, 1), (1, 2), (2, 3), (3, 4)]


@pytest.mark.parametrize("steps", [1, 4])
def test_what_is_done_before_the_first_step_is_told(
    bench: Bench, database: Database, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    told: list[Progress | None] = []
    contexts: list[AttemptContext] = []
    begin, load = Member.begin, ToyKind.load_body
    monkeypatch.setattr(Member, "begin", lambda *both: (contexts.append(both[2]), begin(*both)))
    monkeypatch.setattr(ToyKind, "load_body", lambda kind: (told.append(contexts[0].progress), load(kind))[1])

    def body(context: AttemptContext) -> Result:
        told.append(context.progress)
        context.report_progress(0, steps)
        told.append(context.progress)
        return done()

    submit(database, planned("a", target_steps=steps))
    bench.run("a", body)
    before: Progress = {"step": 0, "total": steps, "values": {}, "stage": "imports"}
    loads: Progress | None = {**before, "stage": "loads"} if steps > 1 else None
    assert told == [before, loads, {"step": 0, "total": steps, "values": {}}]


def test_a_slice_is_not_over_before_a_step(bench: Bench, database: Database) -> None:
    """What is said of the way to the first step is no step."""

    def body(context: TaskContext) -> Result:
        context.report_progress(0, 4, {"environment_steps": 5})
        assert context.should_stop() is None
        context.report_progress(1, 4)
        assert context.should_stop() == "slice"
        return Yielded("slice")

    submit(database, planned("a", spec={"slice_seconds": 1e-6}, target_steps=4))
    assert bench.run("a", body) == "yielded at step 0"


def test_a_failure_is_tried_again_later_and_then_no_more(
    bench: Bench, database: Database, tmp_path: Path
) -> None:
    submit(database, planned("a", spec={"times": 99, "log": str(tmp_path / "log")}))
    assert bench.run("a", bodies.fail) == "failed: RuntimeError: failure 1"
    first = row(database, "a")
    assert (first.state, first.failures) == (READY, 1)
    assert first.wait_seconds == SETTINGS.retry_seconds
    for _ in range(2):
        bench.run("a", bodies.fail)
    assert (row(database, "a").state, row(database, "a").failures) == (FAILED, 3)
    assert row(database, "a").error == "RuntimeError: failure 3"
    assert queries.failures(database, 1) == [("a", "RuntimeError: failure 3")]


def test_a_failure_that_passes_spends_nothing_else(bench: Bench, database: Database, tmp_path: Path) -> None:
    submit(database, planned("a", spec={"times": 2, "log": str(tmp_path / "log")}))
    ended = [(bench.run("a", bodies.fail), bench.executor.failed) for _ in range(3)]
    assert [failed for _, failed in ended] == [True, True, False]
    assert ended[-1][0] == SUCCEEDED
    assert row(database, "a").error is None


def test_bad_input_fails_at_once_in_its_own_words(bench: Bench, database: Database) -> None:
    def body(_context: TaskContext) -> Result:
        raise DatasetError("episode_0000102.npz is missing")

    submit(database, planned("a"))
    bench.run("a", body)
    assert (row(database, "a").state, row(database, "a").error) == (FAILED, "episode_0000102.npz is missing")


def test_out_of_memory_is_no_failure_but_ends_too(bench: Bench, database: Database) -> None:
    def body(context: TaskContext) -> Result:
        context.spend("load", 2.0)
        raise MemoryError

    submit(database, planned("a"))
    for count in (1, 2, 3):
        bench.run("a", body)
        assert (row(database, "a").failures, row(database, "a").losses) == (
            (0, count) if count < 3 else (1, 2)
        )
    assert [a.outcome for a in attempts(database, "a")] == [OOM, OOM, FAILED]
    assert all(a.load_seconds >= 2.0 for a in attempts(database, "a")), (
        "the seconds of the last one count too"
    )
    assert row(database, "a").state == FAILED


def test_memory_survives_from_attempt_to_attempt_but_not_a_failure(bench: Bench, database: Database) -> None:
    seen: list[dict[str, object]] = []

    def body(context: TaskContext) -> Result:
        seen.append(dict(context.memory))
        context.memory["model"] = "in memory"
        if len(seen) == 2:
            raise RuntimeError
        return Yielded("slice")

    submit(database, planned("a"))
    for _ in range(3):
        bench.run("a", body)
    assert seen == [{}, {"model": "in memory"}, {}]


def test_a_job_that_names_no_threads_has_one_whatever_ran_before(bench: Bench, database: Database) -> None:
    seen: list[int] = []

    def body(context: TaskContext) -> Result:
        seen.append(torch.get_num_threads())
        torch.set_num_threads(2)  # as a body does that is told so
        return done()

    submit(
        database,
        planned("a"),
        planned("b", kind="gaze", spec={"detector": "grounding_dino"}),
        planned("c", kind="evaluate", spec={"threads": 2}),
        planned("d", kind="train", spec={"training": {"threads": 2}}),
        planned("e", kind="ingest"),
    )
    for label in "abcde":
        assert bench.run(label, body) == SUCCEEDED
    assert seen == [1, 1, 2, 2, 1]
    assert [attempts(database, label)[0].environment["threads"] for label in "abcde"] == seen
    assert attempts(database, "e")[0].environment["variables"] == deciding_variables()


def test_an_attempt_that_is_lost_has_recorded_its_environment(
    bench: Bench, database: Database, tmp_path: Path
) -> None:
    def body(context: TaskContext) -> Result:
        bodies.count(context)
        entry = row(database, "a")
        jobs.take_back(database, [jobs.Lease(entry.id, entry.lease_token)], "silent", 3, NOW)
        return done()

    submit(database, planned("a", spec={"target": 1, "log": str(tmp_path / "log")}))
    assert bench.run("a", body) == "fenced"
    (attempt,) = attempts(database, "a")
    assert attempt.outcome == LOST and attempt.environment["device"] == "cpu"


def test_a_cancelled_job_stops_at_the_next_heartbeat(bench: Bench, database: Database) -> None:
    submit(database, planned("a"))
    with database.write() as tx:
        tx.execute(jobs.job.update().values(cancel_requested=True))
    assert bench.run("a", bodies.wait) == "cancelled at step 0"
    assert row(database, "a").state == "cancelled"


def test_a_worker_that_is_told_to_stop_gives_its_job_back(bench: Bench, database: Database) -> None:
    def body(context: TaskContext) -> Result:
        bench.member.stop.set("preempted")
        return bodies.wait(context)

    submit(database, planned("a"), planned("b"))
    assert bench.run("a", body) == "preempted at step 0"
    assert row(database, "a").state == READY
    assert bench.run("b", nothing) == "worker is stopping"
    assert attempts(database, "b") == []


def test_an_attempt_that_lost_its_job_stops_and_changes_nothing(bench: Bench, database: Database) -> None:
    """Another scheduler takes the job back while the body runs; the heartbeat notices."""

    def body(context: TaskContext) -> Result:
        entry = row(database, "a")
        jobs.take_back(database, [jobs.Lease(entry.id, entry.lease_token)], "silent", 3, NOW)
        return bodies.wait(context)

    submit(database, planned("a"))
    assert bench.run("a", body) == "fenced"
    assert (row(database, "a").state, row(database, "a").losses) == (READY, 1)
    assert [a.outcome for a in attempts(database, "a")] == [LOST]


def test_a_late_publication_is_no_fact(bench: Bench, database: Database, tmp_path: Path) -> None:
    def body(context: TaskContext) -> Result:
        entry = row(database, "a")
        jobs.take_back(database, [jobs.Lease(entry.id, entry.lease_token)], "silent", 3, NOW)
        return bodies.count(context)

    log = tmp_path / "log"
    submit(database, planned("a", spec={"target": 3, "log": str(log)}))
    assert bench.run("a", body) == "fenced"
    assert log.read_text() == "0\n", "it stopped at its first publication"
    assert artifacts_of_job(database, row(database, "a").id) == []
    assert row(database, "a").step == 0


def test_all_inputs_that_are_gone_are_made_again_at_once(
    bench: Bench, database: Database, home: Home
) -> None:
    def make(context: TaskContext) -> Result:
        file = context.scratch / "made.txt"
        file.write_text(f"made by {context.spec['name']}")
        return done([Draft("episode", "made", file)])

    names = ("a", "b", "c")
    submit(database, *(planned(name, spec={"name": name}) for name in names), planned("reader", names))
    for name in names:
        bench.run(name, make)
    for name in ("a", "c"):
        (fact,) = artifacts_of_job(database, row(database, name).id)
        (home.root / fact.path).unlink()
    outcome = bench.run("reader", lambda context: done(result={"inputs": len(context.inputs)}))
    assert outcome == "input damaged, made again by a, c"
    assert states(database) == {"a": READY, "b": SUCCEEDED, "c": READY, "reader": BLOCKED}


def test_a_full_disk_is_the_machines_fault_and_spends_no_try(bench: Bench, database: Database) -> None:
    def body(_context: TaskContext) -> Result:
        raise OSError(errno.ENOSPC, "No space left on device")

    submit(database, planned("a"))
    for _ in range(5):
        assert bench.run("a", body).startswith("preempted: OSError")
    entry = row(database, "a")
    assert (entry.state, entry.failures, entry.losses) == (READY, 0, 0)
    assert entry.wait_seconds == SETTINGS.retry_seconds, "tried again later"


def test_a_machine_short_of_something_is_named_once_and_spends_no_try(
    bench: Bench, database: Database
) -> None:
    def body(_context: TaskContext) -> Result:
        raise OSError(errno.EMFILE, "Too many open files")

    submit(database, planned("a"))
    for _ in range(4):
        outcome = bench.run("a", body)
    assert outcome.startswith("preempted: this machine is short of open files (OSError")
    entry = row(database, "a")
    assert (entry.state, entry.failures, entry.losses, entry.session_losses) == (READY, 0, 0, 0)
    assert event_kinds(database).count("machine_fault") == 1


def test_out_of_memory_halves_the_micro_batch_until_one_sample_is_too_much(
    bench: Bench, database: Database
) -> None:
    seen: list[object] = []

    def body(context: TaskContext) -> Result:
        seen.append(context.memory_limits.micro_batch)
        raise MemoryError

    submit(database, planned("a", spec={"training": {"batch_size": 4}}))
    for _ in range(3):
        bench.run("a", body)
    assert seen == [(), ((0, 2),), ((0, 2), (0, 1))]
    assert [a.outcome for a in attempts(database, "a")] == [OOM] * 3
    assert row(database, "a").losses == 1, "only the last one could learn nothing"


def test_devices_that_a_job_was_given_are_those_of_its_attempts(bench: Bench, database: Database) -> None:
    seen: list[int] = []

    def body(context: TaskContext) -> Result:
        seen.append(context.spec.processes)
        return done()

    submit(database, planned("a"))
    with database.write() as tx:
        tx.execute(update(Job).values(learned={"devices": 3}))
    assert bench.run("a", body) == SUCCEEDED
    assert (seen, attempts(database, "a")[0].environment["ranks"]) == ([3], 3)


def test_a_decision_of_the_body_is_an_event_of_the_same_transaction(bench: Bench, database: Database) -> None:
    def body(_context: TaskContext) -> Result:
        return done(step=3, notes=[Note("early_stop", "enough", {"gain": 0.0})])

    submit(database, planned("a", target_steps=9))
    bench.run("a", body)
    assert (row(database, "a").state, row(database, "a").step) == (SUCCEEDED, 3)
    (event,) = [e for e in queries.events(database) if e.kind == "early_stop"]
    assert (event.message, event.data) == ("enough", {"gain": 0.0})


def test_a_paused_job_yields_and_is_not_rung_until_unpaused(bench: Bench, database: Database) -> None:
    def body(context: TaskContext) -> Result:
        jobs.pause(database, jobs.Target("job", row(database, "a").id, "a"), time.time())
        return bodies.wait(context)

    submit(database, planned("a"))
    assert bench.run("a", body) == "yielded at step 0"
    assert jobs.ring(database, "cpu", 10, 1e12) == []
    jobs.unpause(database, jobs.Target("job", row(database, "a").id, "a"), time.time())
    assert [entry.label for entry in jobs.ring(database, "cpu", 10, 1e12)] == ["a"]


def test_a_job_that_is_submitted_again_while_it_stops_is_not_cancelled(
    bench: Bench, database: Database
) -> None:
    def body(context: TaskContext) -> Result:
        jobs.cancel(database, jobs.Target("job", row(database, "a").id, "a"), NOW)
        stopped = bodies.wait(context)
        submit(database, planned("a"))
        return stopped

    submit(database, planned("a"))
    bench.run("a", body)
    assert row(database, "a").state == READY


def test_a_second_bell_finds_the_job_taken(bench: Bench, database: Database) -> None:
    def body(_context: TaskContext) -> Result:
        assert bench.executor.run(row(database, "a").id) == "already taken"
        assert row(database, "a").state == RUNNING
        return done()

    submit(database, planned("a"))
    assert bench.run("a", body) == SUCCEEDED
    assert bench.executor.run(row(database, "a").id) == "already taken"
