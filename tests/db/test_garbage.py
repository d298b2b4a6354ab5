"""What may go goes, what is needed stays, and a publication under way is never hit, also by another process."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from db import garbage, jobs, verification
from db.engine import Database
from db.garbage import Collected
from db.jobs import Ending, Seconds
from db.migrate import open_state
from db.states import YIELDED
from db.store import ArtifactStore
from errors import StoreBusy
from settings.home import Home
from tests.db.bundle.test_crash import dies
from tests.support import NOW, RETENTION, event_kinds, planned, start, stored, submit, worker
from tests.workshop import Workshop, files_of


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    workshop = Workshop(tmp_path / "home")
    workshop.submit()
    yield workshop
    workshop.close()


def collect(workshop: Workshop, **options: bool) -> Collected:
    return garbage.collect(workshop.database, workshop.home, RETENTION, NOW, wait_seconds=0.2, **options)


def steps(workshop: Workshop) -> list[int]:
    return [
        e.step
        for e in verification.verify(workshop.database, workshop.store, RETENTION)
        if e.name == "weights"
    ]


def test_superseded_checkpoints_go_with_their_bytes(workshop: Workshop) -> None:
    workshop.finish_until("train")
    claim = workshop.claim("train")
    for step in (1, 2, 3, 4):
        workshop.publish(claim, step)
    before = files_of(workshop.home)
    planned_removal = collect(workshop, dry_run=True)
    assert files_of(workshop.home) == before and steps(workshop) == [1, 2, 3, 4]
    removed = collect(workshop)
    assert removed == planned_removal
    lost = {name: content for name, content in before.items() if name not in files_of(workshop.home)}
    assert (removed.rows, removed.files, removed.bytes) == (4, 4, sum(map(len, lost.values())))
    assert len(lost) == 4 and steps(workshop) == [3, 4]
    assert {e.state for e in verification.verify(workshop.database, workshop.store, RETENTION)} == {
        verification.OK
    }
    assert event_kinds(workshop.database)[-1] == "garbage_collected"
    assert collect(workshop) == Collected(0, 0, 0, 0, ())


def test_bytes_that_another_row_names_stay(workshop: Workshop) -> None:
    workshop.finish_until("train")
    claim = workshop.claim("train")
    workshop.publish(claim, 1, b"equal")
    workshop.publish(claim, 2)
    workshop.publish(claim, 3, b"equal")
    workshop.publish(claim, 4)
    removed = collect(workshop)
    assert (removed.rows, removed.files) == (4, 2)
    assert {e.state for e in verification.verify(workshop.database, workshop.store, RETENTION)} == {
        verification.OK
    }


def test_bytes_without_a_row_go_and_what_is_not_batons_stays(workshop: Workshop, tmp_path: Path) -> None:
    workshop.finish("ingest")
    orphan = stored(workshop.store, tmp_path, "orphan", b"of an attempt that died before its row")
    mine = workshop.home.artifacts / "ab" / "notes.txt"
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    (workshop.home.artifacts / "letters").mkdir()
    removed = collect(workshop)
    assert (removed.files, removed.bytes) == (1, orphan.bytes)
    assert removed.foreign == ("artifacts/ab/notes.txt", "artifacts/letters")
    assert mine.read_text() == "mine" and not workshop.store.path(orphan.path).exists()


def test_spent_bytes_go_only_when_asked_and_their_rows_stay(workshop: Workshop) -> None:
    workshop.finish_until("evaluate")
    assert collect(workshop).files == 0
    removed = collect(workshop, spent=True)
    assert (removed.rows, removed.files) == (0, 1)
    states = {e.job: e.state for e in verification.verify(workshop.database, workshop.store, RETENTION)}
    assert states == {
        **dict.fromkeys(("ingest", "gaze 1", "gaze 2", "train"), verification.OK),
        "index": verification.LEFT_BEHIND,
    }


def test_scratch_of_attempts_that_hold_nothing_goes(workshop: Workshop) -> None:
    claim = workshop.claim("ingest")
    living = workshop.home.scratch / f"{claim.job_id}-{claim.lease_token}-{os.getpid()}"
    dead = workshop.home.scratch / f"{claim.job_id}-{claim.lease_token - 1}-{os.getpid()}"
    killed = workshop.home.scratch / "import-x-1"
    for folder in (living, dead, killed):
        folder.mkdir()
        (folder / "half").write_bytes(b"half")
    with workshop.store.scratch("import-y") as importing:
        os.utime(importing, (0, 0))
        assert collect(workshop, dry_run=True).scratch_folders == 2 and dead.exists() and killed.exists()
        assert collect(workshop).scratch_folders == 2
        assert living.exists() and importing.exists() and not dead.exists() and not killed.exists()


def test_scratch_of_an_attempt_that_lives_and_lost_its_job_is_left_to_it(workshop: Workshop) -> None:
    """A machine that was asleep: taken back meanwhile, a day old, and at work again."""
    claim = workshop.claim("ingest")
    with workshop.store.scratch(f"{claim.job_id}-{claim.lease_token - 1}") as folder:
        os.utime(folder, (0, 0))
        assert collect(workshop).scratch_folders == 0 and folder.is_dir()
        ArtifactStore(workshop.home).clear_scratch()
        assert folder.is_dir()


def test_nothing_is_unlinked_before_what_replaced_it_is_on_the_disk(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The success was committed by another process, which syncs a tenth of a second later."""
    workshop.finish_until("train")
    claim = workshop.claim("train")
    for step in (1, 2, 3, 4):
        workshop.publish(claim, step)
    workshop.finish("train", claim)
    seen: list[str] = []
    settle, unlink = workshop.database.settle_all, Path.unlink

    def settled() -> None:
        settle()
        seen.append("settled")

    def unlinked(path: Path, missing_ok: bool = False) -> None:
        seen.append("unlinked")
        unlink(path, missing_ok)

    with workshop.database.write() as tx:  # as a collection that was killed between rows and bytes
        tx.execute(jobs.artifact.delete().where(~jobs.artifact.c.final))
    monkeypatch.setattr(workshop.database, "settle_all", settled)
    monkeypatch.setattr(Path, "unlink", unlinked)
    assert collect(workshop).files == 8
    assert seen[0] == "settled" and seen[-1] == "unlinked"


def test_bytes_that_cannot_be_synced_for_stay(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    workshop.finish_until("train")
    claim = workshop.claim("train")
    for step in (1, 2, 3, 4):
        workshop.publish(claim, step)
    before = files_of(workshop.home)

    def fail() -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(workshop.database, "settle_all", fail)
    with pytest.raises(OSError, match="Input/output"):
        collect(workshop)
    assert files_of(workshop.home) == before
    monkeypatch.undo()
    assert collect(workshop).files == 4, "rows went before: the next collection finds the bytes"


def test_what_another_collection_takes_meanwhile_is_no_error(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    workshop.finish("ingest")
    orphan = stored(workshop.store, tmp_path, "orphan", b"nobody's")
    lstat = Path.lstat

    def taken(path: Path) -> os.stat_result:
        if path == workshop.store.path(orphan.path):
            path.unlink(missing_ok=True)
        return lstat(path)

    monkeypatch.setattr(Path, "lstat", taken)
    assert collect(workshop, dry_run=True).files == 0


def test_bytes_between_their_rename_and_their_row_are_waited_for(workshop: Workshop, tmp_path: Path) -> None:
    claim = workshop.claim("ingest")
    with workshop.store.publication():
        file = stored(workshop.store, tmp_path, "late", b"renamed, and not yet named")
        with pytest.raises(StoreBusy, match="try again later"):
            collect(workshop)
        assert workshop.store.path(file.path).exists()
        jobs.publish(workshop.database, claim, 1, [file], [], Seconds(), NOW)
    assert collect(workshop).files == 0 and workshop.store.path(file.path).exists()


def test_a_publisher_that_died_holds_nothing_up(workshop: Workshop, tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        with ArtifactStore(workshop.home).publication():
            os.write(write_end, b"x")
            signal.pause()
    os.read(read_end, 1)
    with pytest.raises(StoreBusy), workshop.store.standstill(0.05):
        pytest.fail("not alone")
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with workshop.store.standstill(0.05):
        pass


def _publish_for_ever(home: Home, label: str, folder: Path) -> None:
    """Checkpoints as fast as they go; every other one has the bytes of an earlier one of this or the other."""
    database, store = open_state(home), ArtifactStore(home)
    claim = start(database, label, worker(database, label))
    for step in range(1, 1_000_000):
        with store.publication():
            files = [
                stored(store, folder, f"{label}{name}", f"{step % 20}{name}".encode() * 200, final=False)
                for name in ("weights", "optimizer")
            ]
            jobs.publish(database, claim, step, files, [], Seconds(), NOW)


def test_collecting_beside_two_publishing_processes_leaves_every_row_its_bytes(
    database: Database, home: Home, tmp_path: Path
) -> None:
    """Content repeats all the time, so files that were garbage a moment ago become artifacts again."""
    submit(database, planned("a", target_steps=10**6), planned("b", target_steps=10**6))
    children = []
    for label in ("a", "b"):
        folder = tmp_path / label
        folder.mkdir()
        child = os.fork()
        if child == 0:
            try:
                _publish_for_ever(home, label, folder)
            finally:
                os._exit(9)
        children.append(child)
    try:
        removed, give_up = 0, time.monotonic() + 300
        while removed < 40 and time.monotonic() < give_up:
            removed += garbage.collect(database, home, RETENTION, NOW).files
            with ArtifactStore(home).standstill(60):  # rows and bytes at one moment
                checked = verification.verify(database, ArtifactStore(home), RETENTION)
            assert {entry.state for entry in checked} <= {verification.OK}
        assert removed >= 40
        assert all(os.waitpid(child, os.WNOHANG) == (0, 0) for child in children)
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def test_a_job_that_falls_back_keeps_what_it_falls_back_to(workshop: Workshop) -> None:
    workshop.finish_until("train")
    claim = workshop.claim("train")
    for step in (1, 2, 3, 4):
        workshop.publish(claim, step)
    jobs.fall_back(workshop.database, claim, 2, "newer ones are damaged", NOW)
    assert collect(workshop).rows == 4
    assert steps(workshop) == [1, 2]
    jobs.give_back(workshop.database, claim, Ending(YIELDED, 2), NOW)


def test_collecting_waits_for_a_gap(workshop: Workshop, tmp_path: Path) -> None:
    stored(workshop.store, tmp_path, "orphan", b"orphan")
    inside, leave = threading.Event(), threading.Event()

    def publish() -> None:
        with workshop.store.publication():
            inside.set()
            leave.wait()

    thread = threading.Thread(target=publish)
    thread.start()
    inside.wait()
    threading.Timer(0.1, leave.set).start()
    assert garbage.collect(workshop.database, workshop.home, RETENTION, NOW).files == 1
    thread.join()


def test_a_publication_that_is_stuck_holds_up_nobody_else(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is stopped in the middle and somebody waits for a standstill: others still publish."""
    monkeypatch.setattr("db.store._TURN_SECONDS", 0.05)
    waiting, waited = threading.Event(), threading.Event()

    def wait() -> None:
        waiting.set()
        with workshop.store.standstill(60):
            waited.set()

    with workshop.store.publication():
        thread = threading.Thread(target=wait)
        thread.start()
        waiting.wait()
        for _ in range(20):
            with workshop.store.publication():
                pass
        assert not waited.is_set()
    thread.join()
    assert waited.is_set()


def test_dying_at_any_step_leaves_every_row_its_bytes(tmp_path: Path) -> None:
    """Rows go first: what is left of a collection that was killed are bytes, which the next one removes."""
    workshop = Workshop(tmp_path / "template")
    workshop.submit()
    workshop.finish_until("train")
    claim = workshop.claim("train")
    for step in (1, 2, 3, 4):
        workshop.publish(claim, step)
    workshop.stop("train")
    workshop.close()

    def collect_in(home: Home) -> Collected:
        database = open_state(home)
        try:
            return garbage.collect(database, home, RETENTION, NOW)
        finally:
            database.close()

    lost = []
    for moment in range(100):
        home = Home(tmp_path / f"home {moment}")
        shutil.copytree(workshop.home.root, home.root)
        died = dies(moment, lambda home=home: collect_in(home))  # type: ignore[misc]
        database = open_state(home)
        assert {e.state for e in verification.verify(database, ArtifactStore(home), RETENTION)} == {
            verification.OK
        }
        database.close()
        lost.append(8 + 4 - len(list(home.artifacts.glob("??/*"))))
        assert collect_in(home).files == 4 - lost[-1]
        assert collect_in(home).files == 0
        if not died:
            break
    assert lost == sorted(lost) and set(lost) == {0, 1, 2, 3, 4}
