"""A home in the middle of an ablation, and the bundle of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from db.bundle.export import Exported, export
from db.bundle.receive import Imported, receive
from db.migrate import open_state
from errors import BundleError, HomeInUse
from settings.home import Home
from settings.json_values import JsonObject
from tests.support import RETENTION
from tests.workshop import Workshop, dump, files_of


def take_out(home: Home, target: Path, since: str | None = None) -> Exported:
    database = open_state(home)
    try:
        return export(database, home, RETENTION, target, since, time.time())
    finally:
        database.close()


def bring_in(home: Home, bundle: Path) -> Imported:
    return receive(home, bundle, time.time(), Trusting())


class Trusting:
    """What jobs are told is no matter here."""

    left_out: tuple[str, ...] = ()

    def code(self, digest: str, files: JsonObject) -> None:
        pass

    def settings(self, settings: dict[str, Any]) -> dict[str, Any]:
        return settings

    def parameters(self, kind: str, parameters: dict[str, Any]) -> dict[str, Any]:
        return parameters


def content(home: Home) -> tuple[object, object]:
    """All that a home holds, or nothing where there is none."""
    return (files_of(home), dump(home)) if home.state_db.exists() else (files_of(home), None)


def refused(home: Home, bundle: Path, says: str) -> None:
    """The bundle is refused with these words, and the home is as it was."""
    before = content(home)
    existed = (
        sorted(path.relative_to(home.root) for path in home.root.rglob("*")) if home.root.exists() else None
    )
    with pytest.raises((BundleError, HomeInUse), match=says):
        bring_in(home, bundle)
    assert content(home) == before
    assert home.root.exists() == (existed is not None)
    if existed is not None and not home.state_db.exists():
        assert sorted(path.relative_to(home.root) for path in home.root.rglob("*")) == existed


@pytest.fixture
def open_workshops() -> Iterator[list[Workshop]]:
    made: list[Workshop] = []
    yield made
    for workshop in made:
        workshop.close()


@pytest.fixture
def workshop_at(open_workshops: list[Workshop]) -> Callable[[Home], Workshop]:
    """Opens a home to work in; closed at the end of the test."""

    def open_at(home: Home) -> Workshop:
        open_workshops.append(Workshop(home.root))
        return open_workshops[-1]

    return open_at


@pytest.fixture
def old(tmp_path: Path, workshop_at: Callable[[Home], Workshop]) -> Workshop:
    """Demonstrations and index are done, training has published three checkpoints and runs."""
    return _begun(workshop_at(Home(tmp_path / "old")))


def _begun(workshop: Workshop) -> Workshop:
    workshop.submit()
    workshop.finish_until("train")
    claim = workshop.claim("train")
    for step in (1, 2, 3):
        workshop.publish(claim, step)
    return workshop


@pytest.fixture
def idle(old: Workshop) -> Workshop:
    """The same, with nothing running."""
    old.stop("train")
    return old


@pytest.fixture
def new(tmp_path: Path) -> Home:
    """A home that does not exist yet, at another path."""
    return Home(tmp_path / "far" / "away" / "new")


@pytest.fixture
def bundle(idle: Workshop, tmp_path: Path) -> Path:
    take_out(idle.home, tmp_path / "one.bundle")
    return tmp_path / "one.bundle"


@pytest.fixture(scope="session")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle like `bundle`, made once, for tests that only read it."""
    folder = tmp_path_factory.mktemp("sealed")
    workshop = _begun(Workshop(folder / "home"))
    workshop.stop("train")
    workshop.close()
    take_out(workshop.home, folder / "one.bundle")
    return folder / "one.bundle"
