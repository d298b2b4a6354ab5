"""A state whose file other machines see too. Two FUSE mounts of one folder are two machines: neither sees the other's
locks, nor the memory that SQLite shares beside a log."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from commands.checks import state as check
from commands.checks.finding import OK, WARNING
from db import garbage, network_file, soundness
from db.bundle.export import export
from db.bundle.receive import receive
from db.engine import Database, sqlite_module
from db.identity import namespace
from db.migrate import look_at_state, open_state
from db.shared_store import open_store
from errors import HomeInUse, InvalidInput, StateDamaged, StateLost, StoreBusy
from settings import lease, network_home, watching
from settings.elsewhere import DATABASE_VARIABLE, NETWORK_VARIABLE
from settings.home import Home
from tests.db.bundle.conftest import Trusting
from tests.mounts import seen_through_fuse
from tests.support import NOW, ON_POSTGRESQL, ON_SQLITE, planned, states, stored, submit
from workers.broker import private_url

NETWORK = pytest.mark.usefixtures("asked_for")


@pytest.fixture(scope="module")
def mounts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Path]]:
    """A folder on a disk, and the same as two other machines see it."""
    folder = tmp_path_factory.mktemp("network")
    with seen_through_fuse(folder, "one", "two") as places:
        yield [folder / "disk", *places]


@pytest.fixture
def homes(mounts: list[Path], request: pytest.FixtureRequest) -> list[Home]:
    """One home, as the machine with the disk and two others see it."""
    name = request.node.name.partition("[")[0]
    return [Home(place / name) for place in mounts]


@pytest.fixture
def asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NETWORK_VARIABLE, "1")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.02)
    monkeypatch.setattr(lease, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(network_file, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(soundness, "_AGAIN_SECONDS", 0.0)


def opened(home: Home) -> Database:
    home.create()
    return open_state(home)


def listing(home: Home) -> dict[str, bytes]:
    """All that lies in a home but its lease, which moves."""
    files = (path for path in home.root.rglob("*") if path.is_file() and "lease" not in path.name)
    return {str(path.relative_to(home.root)): path.read_bytes() for path in files}


def journal_mode(database: Database) -> str:
    with database.read() as tx:
        return str(tx.exec_driver_sql("PRAGMA journal_mode").scalar_one())


def test_it_is_refused_unless_asked_for_and_nothing_is_made(
    homes: list[Home], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, home, _ = homes
    sentence = (
        rf"{home.root} is on a network file system \(FUSE.*local disk.*PostgreSQL.*{NETWORK_VARIABLE}=1"
    )
    with pytest.raises(InvalidInput, match=sentence):
        home.create()
    with pytest.raises(InvalidInput, match=sentence):
        open_state(home)
    assert not disk.root.exists()
    disk.root.mkdir()
    (disk.root / "home.yaml").write_text("network: true\n")
    opened(home).close()
    monkeypatch.setenv(NETWORK_VARIABLE, "0")
    with pytest.raises(InvalidInput, match=sentence):
        open_state(home)
    monkeypatch.setenv(DATABASE_VARIABLE, f"sqlite:///{home.root}/other.db")
    with pytest.raises(InvalidInput, match=f"the state that {DATABASE_VARIABLE} names is on a network"):
        open_state(Home(tmp_path / "local"))


@pytest.mark.parametrize("value", ["yes", "2"])
def test_what_the_variable_says_is_checked(home: Home, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(NETWORK_VARIABLE, value)
    with pytest.raises(InvalidInput, match=f"{NETWORK_VARIABLE} is '{value}'; it must be 0 or 1"):
        home.create()


def test_who_looks_from_elsewhere_takes_nothing_away(homes: list[Home]) -> None:
    """Work goes on where the disk is, with a log; another machine sees all of it and changes nothing."""
    disk, there, _ = homes
    database = opened(disk)
    submit(database, planned("a"))
    before = listing(disk)
    assert before["state.db-wal"], "what was committed is in the log"
    looked = look_at_state(there, thorough=True)
    assert states(looked) == {"a": "ready"}
    submit(database, planned("b"), key="b")
    assert states(looked) == {"a": "ready", "b": "ready"}
    looked.close()
    assert check.findings(there)[0][0].state == OK
    assert set(listing(disk)) == set(before)
    submit(database, planned("c"), key="c")
    database.close()
    assert states(look_at_state(there)) == {"a": "ready", "b": "ready", "c": "ready"}
    assert "state.db-wal" not in listing(disk), "whoever worked has ended in order"


@NETWORK
def test_it_has_no_log_and_one_machine_at_a_time(homes: list[Home]) -> None:
    _, one, two = homes
    database = opened(one)
    submit(database, planned("a"))
    again = open_state(one)  # another process of that machine
    submit(again, planned("b"), key="b")
    again.close()
    assert journal_mode(database) == "delete"
    assert not {name for name in listing(one) if name.startswith("state.db-")}
    with pytest.raises(
        HomeInUse, match=r"is held by .* \(process \d+\): on a network file system one machine"
    ):
        open_state(two)
    for home in (one, two):
        looked = look_at_state(home)
        assert states(looked) == {"a": "ready", "b": "ready"}
        with pytest.raises(InvalidInput, match="cannot write"), looked.write():
            pytest.fail("it only looks")
        looked.close()
    assert namespace(database).startswith("baton-")
    database.close()
    opened(two).close()
    assert not (one.root / "state.db-lease").exists()


@NETWORK
def test_a_transaction_is_seen_whole_from_elsewhere(homes: list[Home]) -> None:
    _, one, two = homes
    database = opened(one)
    submit(database, planned("a"))
    looked = look_at_state(two)
    with database.write() as tx:
        tx.execute(text("update job set label = 'half'"))
        assert states(looked) == {"a": "ready"}
    assert states(looked) == {"half": "ready"}
    looked.close()
    database.close()


@NETWORK
def test_a_journal_of_a_killed_process_is_rolled_back_in_the_copy(homes: list[Home], tmp_path: Path) -> None:
    """Files as they are in the middle of a commit: the journal on the disk, and pages of the file changed."""
    _, one, two = homes
    database = opened(one)
    submit(database, planned("a"))
    database.close()
    connection = sqlite_module().connect(str(one.state_db), isolation_level=None)
    connection.execute("PRAGMA cache_size=1")
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("CREATE TABLE filler AS SELECT zeroblob(4000) AS b FROM job, job, job")
    connection.execute("INSERT INTO filler SELECT zeroblob(100000) FROM filler, (VALUES (1), (2), (3))")
    connection.execute("UPDATE job SET label = 'half'")
    stopped = Home(one.root.with_name("stopped"))
    stopped.root.mkdir()
    for name in ("state.db", "state.db-journal"):
        shutil.copy(one.root / name, stopped.root / name)
    connection.close()
    assert (stopped.root / "state.db-journal").stat().st_size
    seen = Home(two.root.with_name("stopped"))
    before = listing(seen)
    looked = look_at_state(seen)
    assert states(looked) == {"a": "ready"}
    looked.close()
    assert listing(seen) == before
    opened(stopped).close()
    assert not (stopped.root / "state.db-journal").exists()


@NETWORK
def test_a_log_that_came_along_is_folded_in(homes: list[Home], monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed home's, moved to a network file system; nobody writes it any more."""
    disk, one, _ = homes
    live = Home(disk.root.with_name("live"))
    database = opened(live)
    submit(database, planned("a"))
    disk.root.mkdir()
    for name in ("state.db", "state.db-wal"):
        shutil.copy(live.root / name, disk.root / name)
    database.close()
    monkeypatch.setattr(lease, "STILL_SECONDS", 0.05)
    found = opened(one)
    assert states(found) == {"a": "ready"}
    assert journal_mode(found) == "delete"
    found.close()
    assert not {name for name in listing(disk) if name.startswith("state.db-")}
    local = open_state(disk)
    assert journal_mode(local) == "wal", "moved back to a disk"
    local.close()


@NETWORK
def test_a_log_that_grows_is_another_machines(homes: list[Home], monkeypatch: pytest.MonkeyPatch) -> None:
    disk, one, _ = homes
    database = opened(disk)
    submit(database, planned("a"))

    def work(_seconds: float) -> None:
        submit(database, planned("b"), key="b")

    monkeypatch.setattr(watching.time, "sleep", work)
    with pytest.raises(HomeInUse, match="has a log that another machine writes"):
        open_state(one)
    monkeypatch.undo()
    assert states(database) == {"a": "ready", "b": "ready"}
    database.close()


@NETWORK
def test_the_machine_with_the_disk_honours_the_lease(homes: list[Home]) -> None:
    disk, one, _ = homes
    database = opened(one)
    submit(database, planned("a"))
    with pytest.raises(HomeInUse):
        open_state(disk)
    looked = look_at_state(disk)
    assert states(looked) == {"a": "ready"}
    looked.close()
    assert journal_mode(database) == "delete"
    database.close()
    open_state(disk).close()


@NETWORK
def test_who_lost_the_lease_commits_nothing(homes: list[Home], monkeypatch: pytest.MonkeyPatch) -> None:
    _, one, two = homes
    database = opened(one)
    submit(database, planned("a"))
    assert database._lease is not None
    database._lease._ended.set()  # its machine stands still
    monkeypatch.setattr(lease, "STILL_SECONDS", 0.05)
    with pytest.raises(StateLost, match="was taken over by"), database.write() as tx:
        other = open_state(two)
        tx.execute(text("update job set label = 'late'"))
    assert states(other) == {"a": "ready"}
    with pytest.raises(StateLost), database.read():
        pytest.fail("what it sees counts no more")
    database.close()
    submit(other, planned("b"), key="b")
    other.close()


@NETWORK
@ON_SQLITE
def test_a_bundle_comes_and_goes(homes: list[Home], home: Home, database: Database, tmp_path: Path) -> None:
    _, one, two = homes
    submit(database, planned("a"))
    export(database, home, tmp_path / "first.bundle", None, NOW)
    receive(one, tmp_path / "first.bundle", NOW, Trusting())
    assert not (one.root / "state.db-lease").exists()
    looked = look_at_state(one, hold_if_free=True)
    assert states(looked) == {"a": "ready"}
    assert export(looked, one, tmp_path / "second.bundle", None, NOW).recorded
    with pytest.raises(HomeInUse):
        receive(two, tmp_path / "first.bundle", NOW, Trusting())
    looked.close()


def test_damage_is_told_without_touching_anything(homes: list[Home]) -> None:
    disk, one, _ = homes
    opened(disk).close()
    disk.state_db.write_bytes(disk.state_db.read_bytes()[:4096] + bytes(8192))
    before = listing(disk)
    with pytest.raises(StateDamaged, match=str(one.state_db)):
        look_at_state(one)
    assert listing(disk) == before


def test_the_doctor_says_it(homes: list[Home], monkeypatch: pytest.MonkeyPatch) -> None:
    from commands.checks import machine, network

    disk, one, two = homes
    assert "network file system" in machine._disk(one).detail
    assert network.findings(disk) == network.findings(one) == []
    monkeypatch.setenv(NETWORK_VARIABLE, "1")
    database = opened(one)
    (found,) = network.findings(two)
    assert found.state == WARNING and "held by" in found.detail
    database.close()
    (found,) = network.findings(two)
    assert "one machine at a time" in found.detail and "held by" not in found.detail


def test_a_state_on_a_server_leaves_the_home_one_machines(
    homes: list[Home], postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Locks of the store and sockets do not reach other machines either."""
    disk, one, two = homes
    monkeypatch.setenv(DATABASE_VARIABLE, postgres_url)
    database = opened(one)
    with one.exclusive("up"):
        with pytest.raises(HomeInUse, match="is held by"), two.exclusive("up"):
            pytest.fail("two machines run one home")
        assert str(one.root) not in private_url(one)
    database.close()
    assert not (disk.run / "lease").exists()


@ON_POSTGRESQL
def test_files_are_kept_while_any_machine_of_one_server_publishes(
    homes: list[Home], database: Database
) -> None:
    """Two machines with one folder and one server, each with locks of its own."""
    _, one, two = homes
    one.create()
    here = open_store(one, database)
    with here.publication():
        orphan = stored(here, one.scratch, "weights", b"not named yet")
        with pytest.raises(StoreBusy):
            garbage.collect(database, two, NOW, wait_seconds=0.1)
    assert (two.root / orphan.path).exists()
    assert garbage.collect(database, two, NOW).files == 1


def test_without_locks_it_is_no_home(homes: list[Home], monkeypatch: pytest.MonkeyPatch) -> None:
    """Lustre without -o flock, NFS without lockd; also with the state elsewhere, as the store needs them."""

    def refuse(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setenv(NETWORK_VARIABLE, "1")
    monkeypatch.setattr(network_home.fcntl, "flock", refuse)
    with pytest.raises(InvalidInput, match=r"gives no locks .*-o flock"):
        homes[1].create()


def test_two_kinds_of_lock_that_exclude_each_other_are_no_lack(
    homes: list[Home], monkeypatch: pytest.MonkeyPatch
) -> None:
    """NFS makes one kind of both (flock(2))."""
    held: list[int] = []

    def flock(_file: object, how: int) -> None:
        held[:] = [] if how & fcntl.LOCK_UN else [how]

    def lockf(_file: object, _how: int) -> None:
        if held:
            raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setenv(NETWORK_VARIABLE, "1")
    monkeypatch.setattr(network_home.fcntl, "flock", flock)
    monkeypatch.setattr(network_home.fcntl, "lockf", lockf)
    homes[1].create()


@NETWORK
def test_who_ends_takes_the_lease_from_nobody_on_the_same_machine(
    homes: list[Home], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`submit-ablation --detach` took it, and ends while `up` is in a transaction, or about to begin one."""
    _, home, _ = homes
    first, staying = opened(home), opened(home)
    with staying.write() as tx:
        first.close()
        tx.execute(text("UPDATE identity SET key = 'one'"))

    first, held = opened(home), staying._lease
    assert first._lease is not None and held is not None
    first._lease._mine = True  # as if it were the one that took it
    held._ended.set()
    asked: list[str] = []

    def ask() -> str:
        asked.append(enter())
        if len(asked) == 1:
            first.close()
        return asked[-1]

    enter = held.enter
    monkeypatch.setattr(held, "enter", ask)
    with staying.write() as tx:
        assert tx.execute(text("SELECT key FROM identity")).scalar_one() == "one"
        tx.execute(text("UPDATE identity SET key = 'two'"))
    assert asked[0] != asked[1], "it was given back meanwhile"
    staying.close()
