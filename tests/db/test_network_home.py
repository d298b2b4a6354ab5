"""A state whose file other machines see too: whether there may be one, and what is said of it."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from commands.checks import state as check
from commands.checks.finding import OK, WARNING
from db import garbage
from db.engine import Database
from db.migrate import look_at_state, open_state
from db.shared_store import open_store
from errors import HomeInUse, InvalidInput, StateDamaged, StoreBusy
from settings import network_home
from settings.elsewhere import DATABASE_VARIABLE, NETWORK_VARIABLE
from settings.home import Home
from tests.db.network_homes import _quick as _quick
from tests.db.network_homes import asked_for as asked_for
from tests.db.network_homes import homes as homes
from tests.db.network_homes import listing, opened
from tests.db.network_homes import mounts as mounts
from tests.support import NOW, ON_POSTGRESQL, RETENTION, planned, states, stored, submit
from workers.broker import private_url


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
            garbage.collect(database, two, RETENTION, NOW, wait_seconds=0.1)
    assert (two.root / orphan.path).exists()
    assert garbage.collect(database, two, RETENTION, NOW).files == 1


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
