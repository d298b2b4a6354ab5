"""Several machines, one store: what one puts away every other finds, checks and keeps, and garbage is found by any."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from db import garbage, jobs, verification
from db.bundle.export import export
from db.bundle.receive import receive
from db.engine import Database
from db.jobs import Ending, StoredArtifact
from db.remote import Remote
from db.shared_store import SharedArtifactStore, open_store
from db.states import SUCCEEDED
from errors import (
    ArtifactDamaged,
    ConfigError,
    EnvironmentLacks,
    InvalidInput,
    StoreBusy,
    StoreUnreachable,
)
from settings.home import Home
from tests.db.bundle.conftest import Trusting
from tests.s3 import BUCKET
from tests.support import NOW, ON_POSTGRESQL, ON_SQLITE, RETENTION, planned, start, stored, submit, worker

CONTENT = b"weights" * 1000


@dataclass(frozen=True)
class Machine:
    """A home folder of its own; the state is the one they all share."""

    home: Home
    store: SharedArtifactStore

    def put(self, content: bytes = CONTENT, **fields: object) -> StoredArtifact:
        return stored(self.store, self.home.root, "weights", content, **fields)


@pytest.fixture(params=["file", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A network folder that all machines see, or S3."""
    found = f"file://{tmp_path}/network"
    if request.param == "s3":
        request.getfixturevalue("s3_variables")
        found = f"s3://{BUCKET}/runs"
    monkeypatch.setenv("BATON_ARTIFACTS_URL", found)
    return found


ON_A_FOLDER = pytest.mark.parametrize("url", ["file"], indirect=True)


@pytest.fixture
def machine(database: Database, url: str, tmp_path: Path) -> Callable[[str], Machine]:
    def make(name: str) -> Machine:
        home = Home(tmp_path / name)
        store = open_store(home, database)
        assert isinstance(store, SharedArtifactStore)
        return Machine(home, store)

    return make


def finish(database: Database, machine: Machine, label: str, content: bytes = CONTENT) -> StoredArtifact:
    """A job whose result that machine made."""
    submit(database, planned(label), key=label)
    claim = start(database, label, worker(database))
    with machine.store.publication():
        artifact = machine.put(content)
        jobs.succeed(database, claim, Ending(SUCCEEDED, 1, artifacts=[artifact]), NOW)
    return artifact


@ON_SQLITE
def test_another_machine_finds_what_one_put_away_and_keeps_it(machine: Callable[[str], Machine]) -> None:
    artifact = machine("here").put()
    there = machine("there")
    assert there.store.absent([artifact.path]) == []
    assert there.store.verified(artifact.path, artifact.sha256).read_bytes() == CONTENT
    there.store.remote.remove([artifact.path])
    assert there.store.find(artifact.path, artifact.sha256) == there.home.root / artifact.path
    assert list(there.home.scratch.iterdir()) == []


@ON_SQLITE
@ON_A_FOLDER
def test_a_damaged_copy_is_fetched_again(machine: Callable[[str], Machine]) -> None:
    here = machine("here")
    artifact = here.put()
    damage(here.home.root / artifact.path)
    assert here.store.verified(artifact.path, artifact.sha256).read_bytes() == CONTENT


@ON_SQLITE
def test_a_missing_object_is_known_to_be(machine: Callable[[str], Machine]) -> None:
    artifact = machine("here").put()
    there = machine("there")
    there.store.remote.remove([artifact.path])
    assert there.store.absent([artifact.path]) == [artifact.path]
    assert there.store.find(artifact.path, artifact.sha256) is None
    with pytest.raises(ArtifactDamaged, match="is missing"):
        there.store.verified(artifact.path, artifact.sha256)


@ON_SQLITE
def test_a_damaged_object_is_never_kept_and_storing_again_mends_it(
    machine: Callable[[str], Machine], tmp_path: Path
) -> None:
    here, there = machine("here"), machine("there")
    artifact = here.put()
    wrong = tmp_path / "wrong"
    wrong.write_bytes(b"x" * len(CONTENT))
    here.store.remote.upload(wrong, artifact.path)
    with pytest.raises(ArtifactDamaged, match="is damaged"):
        there.store.verified(artifact.path, artifact.sha256)
    assert not (there.home.root / artifact.path).exists()
    here.put()
    assert there.store.verified(artifact.path, artifact.sha256).read_bytes() == CONTENT


@ON_SQLITE
@ON_A_FOLDER
def test_a_check_reads_the_objects_and_not_this_machines_copies(
    database: Database, machine: Callable[[str], Machine]
) -> None:
    here = machine("here")
    artifact = finish(database, here, "a")
    damage(here.home.root / artifact.path)
    assert [entry.state for entry in verification.verify(database, here.store, RETENTION)] == [
        verification.OK
    ]
    here.store.remote.remove([artifact.path])
    assert [entry.state for entry in verification.verify(database, here.store, RETENTION)] == [
        verification.MISSING
    ]


def test_any_machine_finds_what_a_death_between_upload_and_commit_left(
    database: Database, machine: Callable[[str], Machine]
) -> None:
    here, there = machine("here"), machine("there")
    kept = finish(database, here, "a")
    orphan = here.put(b"the process died after this")
    found = garbage.collect(database, there.home, RETENTION, NOW, dry_run=True)
    assert (found.files, found.objects, found.object_bytes) == (0, 1, orphan.bytes)
    assert garbage.collect(database, there.home, RETENTION, NOW).objects == 1
    assert there.store.absent([orphan.path, kept.path]) == [orphan.path]
    assert there.store.verified(kept.path, kept.sha256).read_bytes() == CONTENT
    assert (here.home.root / orphan.path).exists(), "that machine's own copy is its own garbage"
    assert garbage.collect(database, here.home, RETENTION, NOW).files == 1


@ON_SQLITE
@ON_A_FOLDER
def test_half_of_an_upload_is_garbage_and_never_an_object(
    database: Database, machine: Callable[[str], Machine], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = machine("here")

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(here.store.remote._files), "mv", dies)
        with pytest.raises(KeyboardInterrupt):
            here.put()
    folder = Path(url.removeprefix("file://"))
    assert [path.parent.name for path in folder.rglob("*") if path.is_file() and path.name != "README"] == [
        "incoming"
    ]
    garbage.collect(database, here.home, RETENTION, NOW)
    assert [path.name for path in folder.rglob("*") if path.is_file()] == ["README"]


@ON_SQLITE
@ON_A_FOLDER
def test_what_is_not_batons_is_named_and_stays(
    database: Database, machine: Callable[[str], Machine], url: str
) -> None:
    here = machine("here")
    artifact = here.put()
    (object_file,) = Path(url.removeprefix("file://")).rglob(Path(artifact.path).name)
    note = object_file.with_name("notes.txt")
    note.write_text("mine")
    assert garbage.collect(database, here.home, RETENTION, NOW).foreign == (
        f"artifacts/{artifact.sha256[:2]}/notes.txt",
    )
    assert note.exists() and not object_file.exists()


@ON_SQLITE
@ON_A_FOLDER
def test_two_states_at_one_url_never_touch_each_others_objects(
    database: Database,
    machine: Callable[[str], Machine],
    tmp_path: Path,
) -> None:
    from db.migrate import open_state

    here = machine("here")
    artifact = finish(database, here, "a")
    other = Home(tmp_path / "other")
    other.create()
    stranger = open_state(other)
    open_store(other, stranger)
    assert garbage.collect(stranger, other, RETENTION, NOW).objects == 0
    stranger.close()
    assert verification.verify(database, here.store, RETENTION)[0].state == verification.OK
    assert here.store.remote.digest(artifact.path)[0] == artifact.sha256


@ON_SQLITE
@ON_A_FOLDER
def test_a_machine_that_looks_elsewhere_is_refused(
    database: Database, machine: Callable[[str], Machine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it does not find there it would take for lost, and make everything again."""
    here = machine("here")
    monkeypatch.setenv("BATON_ARTIFACTS_URL", f"file://{tmp_path}/wrong")
    with pytest.raises(ConfigError, match="are not where BATON_ARTIFACTS_URL says"):
        open_store(here.home, database)
    monkeypatch.delenv("BATON_ARTIFACTS_URL")
    with pytest.raises(ConfigError, match="shared between machines"):
        open_store(here.home, database)


@ON_SQLITE
def test_a_state_that_began_in_its_folder_stays_there(
    database: Database, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit(database, planned("a"))
    claim = start(database, "a", worker(database))
    artifact = stored(open_store(home, database), tmp_path, "weights", CONTENT)
    jobs.succeed(database, claim, Ending(SUCCEEDED, 1, artifacts=[artifact]), NOW)
    monkeypatch.setenv("BATON_ARTIFACTS_URL", f"file://{tmp_path}/network")
    with pytest.raises(ConfigError, match="in the folders of homes"):
        open_store(home, database)


@ON_POSTGRESQL
@ON_A_FOLDER
def test_bytes_are_removed_only_while_no_machine_is_publishing(
    database: Database, machine: Callable[[str], Machine]
) -> None:
    here, there = machine("here"), machine("there")
    inside, go_on = threading.Event(), threading.Event()

    def publish() -> None:
        with here.store.publication():
            here.put()
            inside.set()
            go_on.wait()

    publisher = threading.Thread(target=publish)
    publisher.start()
    inside.wait()
    with there.store.publication():
        pass  # any number at a time
    with pytest.raises(StoreBusy):
        garbage.collect(database, there.home, RETENTION, NOW, wait_seconds=0.1)
    go_on.set()
    publisher.join()
    assert garbage.collect(database, there.home, RETENTION, NOW).objects == 1


@ON_SQLITE
@ON_A_FOLDER
def test_a_store_that_does_not_work_is_named_by_where_it_was_named(
    machine: Callable[[str], Machine], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    remote = Remote(f"file://{tmp_path}/file/runs", "BATON_ARTIFACTS_URL")
    with pytest.raises(StoreUnreachable, match="BATON_ARTIFACTS_URL does not work"):
        remote.mark()


def test_a_bucket_that_is_not_there_is_no_missing_artifact(
    s3_variables: dict[str, str], tmp_path: Path
) -> None:
    remote = Remote("s3://no-such-bucket/runs", "BATON_ARTIFACTS_URL")
    file = tmp_path / "file"
    file.write_bytes(CONTENT)
    with pytest.raises(StoreUnreachable):
        remote.upload(file, "artifacts/ab/abc")


def test_a_protocol_nobody_knows_and_one_without_its_library_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"home\.yaml is no place for artifacts"):
        Remote("nosuch://bucket/runs", "home.yaml")
    with pytest.raises(EnvironmentLacks, match="artifacts at oss:// need more"):
        Remote("oss://bucket/runs", "home.yaml")


@ON_SQLITE
@ON_A_FOLDER
def test_bundles_are_of_what_lies_in_a_home(database: Database, machine: Callable[[str], Machine]) -> None:
    home = machine("here").home
    with pytest.raises(InvalidInput, match="BATON_ARTIFACTS_URL"):
        export(database, home, RETENTION, home.root / "bundle.tar", None, NOW)
    with pytest.raises(InvalidInput, match="BATON_ARTIFACTS_URL"):
        receive(home, home.root / "bundle.tar", NOW, Trusting())


def damage(path: Path) -> None:
    path.chmod(0o600)
    path.write_bytes(b"x" * path.stat().st_size)
