"""Bytes that rot or vanish: checkpoints fall back, inputs are made again, and nobody is blamed wrongly."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from db import jobs
from db import store as store_module
from db.engine import Database
from db.states import BLOCKED, FAILED, QUEUED, READY, SUCCEEDED
from settings.faults import LOOKS
from settings.home import Home
from tasks.context import Draft, Finished, TaskContext
from tests import bodies
from tests.support import artifacts_of_job, event_kinds, planned, row, states, submit
from tests.toy_kinds import Result, done
from tests.workers.conftest import SETTINGS, Bench


def make(context: TaskContext) -> Result:
    """Makes one artifact, always of the same bytes."""
    file = context.scratch / "made.txt"
    file.write_text("made")
    return done([Draft("index", "made", file)])


def test_a_damaged_input_is_made_again_and_then_read(
    bench: Bench, database: Database, home: Home, tmp_path: Path
) -> None:
    def read(context: TaskContext) -> Result:
        return done(result={"read": context.inputs[0].path.read_text()})

    submit(database, planned("a"), planned("b", ["a"]), planned("c", ["a"]), planned("d", ["b"]))
    bench.run("a", make)
    (fact,) = artifacts_of_job(database, row(database, "a").id)
    (home.root / fact.path).chmod(0o600)
    (home.root / fact.path).write_text("rot")
    assert bench.run("b", read) == "input damaged, made again by a"
    assert states(database) == {"a": READY, "b": BLOCKED, "c": BLOCKED, "d": BLOCKED}
    assert bench.executor.released, "a can be rung at once"
    assert row(database, "b").failures == 0, "not its fault"
    assert "artifact_damaged" in event_kinds(database)
    assert bench.run("a", make) == SUCCEEDED
    assert bench.run("b", read) == SUCCEEDED
    assert row(database, "b").result == {"read": "made"}
    assert states(database)["c"] == QUEUED


def test_training_whose_final_weights_rotted_goes_on_from_its_last_checkpoint(
    bench: Bench, database: Database, home: Home, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    spec = {"target": 3, "log": str(log), "slice_seconds": 1e-6}
    submit(database, planned("a", spec=spec, target_steps=3), planned("b", ["a"]))

    def count(context: TaskContext) -> Result:
        result = bodies.count(context)
        if isinstance(result, Finished):
            file = context.scratch / "final.txt"
            file.write_text("final")
            return done([Draft("checkpoint", "number", file)])
        return result

    while row(database, "a").state != SUCCEEDED:
        bench.run("a", count)
    fact = artifacts_of_job(database, row(database, "a").id)[-1]
    (home.root / fact.path).unlink()
    bench.run("b", lambda context: done(result={"inputs": len(context.inputs)}))
    assert (row(database, "a").state, row(database, "a").step) == (READY, 2)
    log.write_text("")
    while row(database, "a").state != SUCCEEDED:
        bench.run("a", count)
    assert log.read_text().split() == ["2"], "only the last step again"


def unreadable(monkeypatch: pytest.MonkeyPatch, file: Path, number: int = errno.EIO) -> None:
    """The disk does not give back this file's bytes until it is made anew."""
    bad = _identity(file)
    real = store_module.file_sha256

    def hashed(path: Path) -> str:
        if _identity(path) == bad:
            raise OSError(number, os.strerror(number), str(path))
        return real(path)

    monkeypatch.setattr(store_module, "file_sha256", hashed)


def _identity(file: Path) -> tuple[int, int]:
    """A file system gives the number of a file that is gone to the next one."""
    found = file.stat()
    return found.st_ino, found.st_mtime_ns


@pytest.mark.parametrize("number", [errno.EIO, errno.EUCLEAN])
def test_an_input_that_the_disk_does_not_give_back_is_made_again(
    bench: Bench, database: Database, home: Home, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def read(context: TaskContext) -> Result:
        return done(result={"read": context.inputs[0].path.read_text()})

    submit(database, planned("a"), planned("b", ["a"]))
    bench.run("a", make)
    (fact,) = artifacts_of_job(database, row(database, "a").id)
    unreadable(monkeypatch, home.root / fact.path, number)
    bench.executor._store.distrust()
    ends = [bench.run("b", read) for _ in range(LOOKS)]
    assert all(os.strerror(number) in end for end in ends[:-1]), "at first it may pass"
    assert ends[-1] == "input damaged, made again by a"
    assert bench.run("a", make) == SUCCEEDED and bench.run("b", read) == SUCCEEDED
    assert row(database, "b").failures == 0


def test_an_input_that_breaks_in_the_middle_of_the_work_is_hashed_again(
    bench: Bench, database: Database, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was right when it was hashed, and a library says only in words that the disk failed."""
    submit(database, planned("a"), planned("b", ["a"]))
    bench.run("a", make)

    def read(context: TaskContext) -> Result:
        assert context.inputs
        unreadable(monkeypatch, context.inputs[0].path)
        raise RuntimeError("Error while deserializing header: Input/output error (os error 5)")

    bench.run("b", read)
    ends = [bench.run("b", read) for _ in range(LOOKS)]
    assert ends[-1] == "input damaged, made again by a" and row(database, "b").failures == 0


def test_an_unreadable_newest_checkpoint_falls_back(
    bench: Bench, database: Database, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    spec = {"target": 3, "log": str(log), "slice_seconds": 1e-6}
    submit(database, planned("a", spec=spec, target_steps=3))
    bench.run("a", bodies.count)
    bench.run("a", bodies.count)
    assert row(database, "a").step == 2
    newest = max(artifacts_of_job(database, row(database, "a").id), key=lambda fact: fact.step)
    unreadable(monkeypatch, home.root / newest.path)
    bench.executor._store.distrust()
    for _ in range(20):
        if row(database, "a").state == SUCCEEDED:
            break
        bench.run("a", bodies.count)
    assert row(database, "a").state == SUCCEEDED and row(database, "a").failures == 0
    assert log.read_text().split() == ["0", "1", "1", "2"], "one step again, and no more"


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN])
def test_a_machine_short_of_something_never_damages_a_file(
    bench: Bench, database: Database, home: Home, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    submit(database, planned("a"), planned("b", ["a"]))
    bench.run("a", make)
    (fact,) = artifacts_of_job(database, row(database, "a").id)
    unreadable(monkeypatch, home.root / fact.path, number)
    bench.executor._store.distrust()
    for _ in range(LOOKS + 2):
        assert "input damaged" not in bench.run("b", lambda context: done(result={"n": len(context.inputs)}))
    assert states(database)["a"] == SUCCEEDED and row(database, "b").failures == 0
    monkeypatch.undo()
    assert bench.run("b", lambda context: done(result={"n": len(context.inputs)})) == SUCCEEDED


def test_an_output_that_keeps_rotting_is_a_failure_of_its_maker(
    bench: Bench, database: Database, home: Home
) -> None:
    submit(database, planned("a"), planned("b", ["a"]))
    for _ in range(SETTINGS.max_failures):
        bench.run("a", make)
        (fact,) = artifacts_of_job(database, row(database, "a").id)
        (home.root / fact.path).chmod(0o600)
        (home.root / fact.path).write_text("rot")
        bench.run("b", lambda context: done(result={"inputs": len(context.inputs)}))
    assert states(database) == {"a": FAILED, "b": BLOCKED}
    assert "damaged 3 times" in row(database, "a").error


def test_an_output_that_was_removed_is_made_again_however_often(
    bench: Bench, database: Database, home: Home
) -> None:
    submit(database, planned("a"), planned("b", ["a"]), planned("c", ["a"]))
    for _ in range(SETTINGS.max_failures + 1):
        assert bench.run("a", make) == SUCCEEDED
        (fact,) = artifacts_of_job(database, row(database, "a").id)
        (home.root / fact.path).unlink()
        bench.run("b", lambda context: done(result={"inputs": len(context.inputs)}))
    assert (states(database)["a"], row(database, "a").failures) == (READY, 0)


def test_a_job_whose_input_is_being_made_again_waits_for_it(
    bench: Bench, database: Database, home: Home
) -> None:
    """Both read it; the first finds it gone, the second is running meanwhile and looks later."""

    def late(context: TaskContext) -> Result:
        (fact,) = artifacts_of_job(database, row(database, "a").id)
        with database.write() as tx:
            tx.execute(jobs.artifact.delete().where(jobs.artifact.c.id == fact.id))
            tx.execute(jobs.job.update().where(jobs.job.c.label == "a").values(state=READY))
        return done(result={"inputs": len(context.inputs)})

    submit(database, planned("a"), planned("b", ["a"]))
    bench.run("a", make)
    assert bench.run("b", late) == "input damaged, made again by another job"
    assert states(database) == {"a": READY, "b": BLOCKED}
    bench.run("a", make)
    assert states(database)["b"] == READY


@pytest.mark.parametrize("damage", ["flip", "remove"])
@pytest.mark.parametrize("damaged", [1, 2, 3])
def test_damaged_checkpoints_fall_back_to_the_newest_sound_one(
    bench: Bench, database: Database, home: Home, tmp_path: Path, damage: str, damaged: int
) -> None:
    """Three checkpoints, of which the newest 1, 2 or all are damaged: the count goes on from before them."""
    log = tmp_path / "log"
    submit(database, planned("a", spec={"target": 5, "log": str(log), "slice_seconds": 1e-6}, target_steps=5))
    for _ in range(3):
        bench.run("a", bodies.count)
    for fact in artifacts_of_job(database, row(database, "a").id)[-damaged:]:
        path = home.root / fact.path
        path.chmod(0o600)
        if damage == "flip":
            path.write_bytes(b"9\n")
        else:
            path.unlink()
    seen: list[tuple[int, list[str]]] = []

    def body(context: TaskContext) -> Result:
        seen.append((context.step, [file.path.read_text() for file in context.resume]))
        return bodies.count(context)

    sound = 3 - damaged
    assert bench.run("a", body) == f"yielded at step {sound + 1}"
    assert seen == [(sound, [f"{sound}\n"] if sound else [])]
    assert event_kinds(database).count("checkpoint_fallback") == 1
    while bench.run("a", bodies.count) != SUCCEEDED:
        pass
    assert event_kinds(database).count("checkpoint_fallback") == 1, "what was damaged has been made again"
    assert row(database, "a").step == 5
