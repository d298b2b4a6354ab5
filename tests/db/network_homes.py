"""A home as several machines see it. Two FUSE mounts of one folder are two machines: neither sees the locks of the
other, nor the memory that SQLite shares beside a log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from db import network_file, soundness
from db.engine import Database
from db.migrate import open_state
from settings import lease
from settings.elsewhere import NETWORK_VARIABLE
from settings.home import Home
from tests.mounts import seen_through_fuse

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
