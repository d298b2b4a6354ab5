"""What a bundle holds: one moment of the state, what is still needed, and nothing an earlier one brought."""

from __future__ import annotations

import errno
import io
import os
import signal
import sqlite3
import stat
import tarfile
import time
from pathlib import Path

import pytest

from db import verification
from db.bundle.archive import read_manifest
from db.bundle.manifest import Manifest
from db.jobs import Seconds, publish
from db.migrate import open_state
from db.store import ArtifactStore
from errors import BundleError, InvalidInput
from settings import files
from settings.faults import LOOKS
from settings.home import Home
from tests.db.bundle.conftest import bring_in, take_out
from tests.db.test_store import damage
from tests.support import (
    RETENTION,
    attempts,
    event_kinds,
    planned,
    row,
    start,
    states,
    stored,
    submit,
    worker,
)
from tests.workshop import Workshop, dump


def manifest_of(bundle: Path) -> Manifest:
    with bundle.open("rb") as stream:
        return read_manifest(stream, bundle.stat().st_size)


def state_of(bundle: Path, folder: Path) -> sqlite3.Connection:
    with tarfile.open(bundle) as archive:
        archive.extract("state.db", folder, filter="data")
    return sqlite3.connect(folder / "state.db")


def test_any_tar_can_read_it_and_it_holds_what_is_needed(old: Workshop, tmp_path: Path) -> None:
    made = take_out(old.home, tmp_path / "one.bundle")
    with tarfile.open(tmp_path / "one.bundle") as archive:
        names = archive.getnames()
        contents = {name: archive.extractfile(name).read() for name in names[2:]}  # type: ignore[union-attr]
    assert names[0].startswith("manifest-") and names[1] == "state.db"
    checked = {entry.path: entry for entry in verification.verify(old.database, old.store, RETENTION)}
    kept = {path for path, e in checked.items() if e.job != "train" or e.step in (2, 3)}
    assert set(contents) == kept and len(kept) == 8
    assert all(content == old.store.path(name).read_bytes() for name, content in contents.items())
    assert (made.files, made.earlier, made.absent, made.running) == (8, 0, (), 1)
    assert made.bytes == (tmp_path / "one.bundle").stat().st_size
    assert stat.S_IMODE((tmp_path / "one.bundle").stat().st_mode) == 0o600


def test_the_home_itself_goes_on_undisturbed(old: Workshop, tmp_path: Path) -> None:
    before = dump(old.home)
    take_out(old.home, tmp_path / "one.bundle")
    after = dump(old.home)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"handover", "event"} and event_kinds(old.database)[-1] == "bundle"
    assert list(old.home.scratch.iterdir()) == []


def test_what_runs_is_preempted_in_the_copy_and_costs_nobody_anything(old: Workshop, tmp_path: Path) -> None:
    take_out(old.home, tmp_path / "one.bundle")
    copy = state_of(tmp_path / "one.bundle", tmp_path)
    mine = row(old.database, "train")
    assert mine.state == "running"
    assert copy.execute(
        "SELECT state, step, lease_token, losses, failures, lease_expires_at FROM job WHERE label = 'train'"
    ).fetchone() == ("ready", 3, mine.lease_token + 1, 0, 0, None)
    outcome = copy.execute("SELECT outcome, reason, step_to FROM attempt ORDER BY id DESC").fetchone()
    assert outcome == ("preempted", "handed over in a bundle", 3)
    assert attempts(old.database, "train")[-1].ended_at is None
    assert copy.execute("SELECT count(*) FROM worker WHERE state IN ('idle', 'busy')").fetchone() == (0,)
    assert copy.execute("SELECT DISTINCT step FROM artifact WHERE NOT final").fetchall() == [(2,), (3,)]


def test_a_later_bundle_leaves_out_what_an_earlier_one_brought(
    bundle: Path, idle: Workshop, new: Home, tmp_path: Path
) -> None:
    bring_in(new, bundle)
    claim = idle.claim("train")
    idle.publish(claim, 4)
    idle.stop("train")
    made = take_out(idle.home, tmp_path / "two.bundle", since=str(bundle))
    assert (made.files, made.earlier) == (2, 6)
    assert (made.since, manifest_of(tmp_path / "two.bundle").since) == (manifest_of(bundle).key,) * 2
    again = take_out(idle.home, tmp_path / "three.bundle", since="last")
    assert (again.files, again.earlier) == (0, 8), "the second bundle's importer has those of the first too"
    bring_in(new, tmp_path / "two.bundle")
    bring_in(new, tmp_path / "three.bundle")
    database = open_state(new)
    assert {e.state for e in verification.verify(database, ArtifactStore(new), RETENTION)} == {
        verification.OK
    }
    database.close()


def test_the_way_back_carries_only_what_is_new(
    bundle: Path, idle: Workshop, new: Home, tmp_path: Path, workshop_at: object
) -> None:
    bring_in(new, bundle)
    there = workshop_at(new)  # type: ignore[operator]
    there.finish("train")
    made = take_out(new, tmp_path / "back.bundle", since="last")
    assert made.files == 1, "the weights; the index has been read"
    assert bring_in(idle.home, tmp_path / "back.bundle").files == 1
    assert states(idle.database)["train"] == "succeeded"


@pytest.mark.parametrize("harm", ["flipped", "gone", "short"])
def test_a_damaged_checkpoint_stays_behind_and_is_named(
    harm: str, idle: Workshop, new: Home, tmp_path: Path, workshop_at: object
) -> None:
    path = next(
        e.path
        for e in verification.verify(idle.database, idle.store, RETENTION)
        if (e.name, e.step) == ("weights", 3)
    )
    file = idle.store.path(path)
    if harm == "gone":
        file.unlink()
    elif harm == "short":
        file.chmod(0o600)
        file.write_bytes(b"")
    else:
        damage(file)
    made = take_out(idle.home, tmp_path / "one.bundle")
    assert made.absent == (path,) and made.files == 7
    bring_in(new, tmp_path / "one.bundle")
    found = verification.verify(open_state(new), ArtifactStore(new), RETENTION)
    assert [(e.path, e.state, e.redo_from) for e in found if e.state != verification.OK] == [
        (path, verification.MISSING, 2)
    ]


def test_an_earlier_bundle_of_this_home_is_replaced(idle: Workshop, bundle: Path, tmp_path: Path) -> None:
    earlier = manifest_of(bundle).key
    made = take_out(idle.home, bundle)
    assert manifest_of(bundle).key == made.key != earlier
    assert [entry.key for entry in manifest_of(bundle).history][-2:] == [earlier, made.key]
    (link := tmp_path / "link.bundle").symlink_to(bundle)
    again = take_out(idle.home, link)
    assert link.is_symlink() and manifest_of(bundle).key == again.key


def test_the_bundle_that_another_continues_is_not_replaced_by_that(idle: Workshop, bundle: Path) -> None:
    content = bundle.read_bytes()
    for since in (str(bundle), "last"):
        with pytest.raises(InvalidInput, match=f"is the bundle that --since {since} continues"):
            take_out(idle.home, bundle, since)
    assert bundle.read_bytes() == content


@pytest.mark.parametrize("what", ["another home's", "half", "notes", "link to nothing"])
def test_any_other_file_is_not_replaced(what: str, idle: Workshop, bundle: Path, tmp_path: Path) -> None:
    target = tmp_path / "other.bundle"
    if what == "another home's":
        other = Workshop(tmp_path / "other")
        other.submit()
        other.close()
        take_out(other.home, target)
    elif what == "half":
        target.write_bytes(bundle.read_bytes()[:-512])
    elif what == "notes":
        target.write_text("mine")
    else:
        target.symlink_to("nowhere")
    content = target.read_bytes() if target.exists() else None
    with pytest.raises(InvalidInput, match="already there, and is no bundle of this home"):
        take_out(idle.home, target)
    assert (target.read_bytes() if target.exists() else None) == content


def test_a_folder_that_is_not_there_is_refused(idle: Workshop, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is no folder"):
        take_out(idle.home, tmp_path / "nowhere" / "one.bundle")


def test_since_must_be_of_this_homes_past(idle: Workshop, bundle: Path, tmp_path: Path) -> None:
    other = Workshop(tmp_path / "other")
    other.submit()
    other.close()
    with pytest.raises(BundleError, match="no bundle yet"):
        take_out(other.home, tmp_path / "x.bundle", since="last")
    with pytest.raises(BundleError, match="not of this home's past"):
        take_out(other.home, tmp_path / "x.bundle", since=str(bundle))
    with pytest.raises(BundleError, match="cannot be read"):
        take_out(idle.home, tmp_path / "x.bundle", since=str(tmp_path / "nothing"))
    with pytest.raises(BundleError, match="no bundle of Baton's"):
        take_out(idle.home, tmp_path / "x.bundle", since=__file__)
    assert not (tmp_path / "x.bundle").exists()


def test_a_state_elsewhere_cannot_be_bundled(
    idle: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BATON_STATE_URL", f"sqlite:///{idle.home.state_db}")
    with pytest.raises(InvalidInput, match="BATON_STATE_URL"):
        take_out(idle.home, tmp_path / "one.bundle")


def _publish_for_ever(home: Home, folder: Path) -> None:
    database, store = open_state(home), ArtifactStore(home)
    claim = start(database, "busy", worker(database, "busy"))
    for step in range(1, 1_000_000):
        with store.publication():
            files = [
                stored(store, folder, name, f"{name} {step}".encode() * 500, final=False)
                for name in ("weights", "optimizer")
            ]
            publish(database, claim, step, files, [], Seconds(), time.time())


def test_bundles_made_beside_a_publishing_process_are_whole(old: Workshop, tmp_path: Path) -> None:
    """Each holds one moment: the job's step, its newest two checkpoints, and bytes for both."""
    submit(old.database, planned("busy", target_steps=10**6), key="more")
    folder = tmp_path / "files"
    folder.mkdir()
    child = os.fork()
    if child == 0:
        try:
            _publish_for_ever(old.home, folder)
        finally:
            os._exit(9)
    try:
        seen = []
        for number in range(4):
            while row(old.database, "busy").step < 3 * (number + 1):
                time.sleep(0.01)
            bundle, home = tmp_path / f"{number}.bundle", Home(tmp_path / f"home {number}")
            take_out(old.home, bundle, since="last" if number == 3 else None)
            if number == 3:
                continue
            bring_in(home, bundle)
            database = open_state(home)
            checked = verification.verify(database, ArtifactStore(home), RETENTION)
            assert {e.state for e in checked} == {verification.OK}
            step = row(database, "busy").step
            assert {e.step for e in checked if e.job == "busy"} == {step - 1, step}
            seen.append(step)
            database.close()
        assert seen == sorted(set(seen))
        assert os.waitpid(child, os.WNOHANG) == (0, 0), "it published all the while"
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_two_exports_to_one_name_do_not_touch_each_other(
    old: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second looks before the first has finished, and gets the lock when it has."""
    target = tmp_path / "one.bundle"
    real = files.whole

    def late(path: Path, **options: bool) -> object:
        monkeypatch.setattr(files, "whole", real)
        take_out(old.home, target)
        return real(path, **options)

    monkeypatch.setattr(files, "whole", late)
    with pytest.raises(InvalidInput, match="already there"):
        take_out(old.home, target)
    assert manifest_of(target).files and [path.name for path in tmp_path.glob("*bundle*")] == [target.name]


def test_an_artifact_that_the_disk_does_not_give_back_is_left_out_and_told(
    old: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = next(
        entry.path
        for entry in verification.verify(old.database, old.store, RETENTION)
        if entry.job == "index"
    )

    looks: list[str] = []

    class Stream(io.FileIO):
        def read(self, size: int | None = -1) -> bytes:
            if str(self.name).endswith(lost):
                looks.append(lost)
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return super().read(size)

    def opened(path: Path, mode: str = "r", buffering: int = -1, **options: str) -> object:
        return Stream(path) if buffering == 0 else real(path, mode, buffering, **options)

    real = Path.open
    monkeypatch.setattr(Path, "open", opened)
    assert take_out(old.home, tmp_path / "one.bundle").absent == (lost,)
    assert len(looks) == LOOKS
