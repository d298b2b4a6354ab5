"""One play table a test session, and where the recorded official data lie."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulators.playtable.env import PlayTable

_SHARED = Path(__file__).parents[3] / "shared"


@pytest.fixture(scope="session")
def table_d() -> Iterator[PlayTable]:
    """Scene D. Whatever a test does to it ends at the next test's reset."""
    sim = PlayTable("D")
    yield sim
    sim.close()


@pytest.fixture(scope="session")
def official_d() -> Iterator[PlayTable]:
    """CALVIN's own scene D."""
    sim = PlayTable("D", shared_folder("BATON_CALVIN_ASSETS", "calvin_assets"))
    yield sim
    sim.close()


@pytest.fixture(scope="session")
def bullet_d() -> Iterator[PlayTable]:
    """Scene D, drawn by PyBullet."""
    sim = PlayTable("D", bullet_draws=True)
    yield sim
    sim.close()


@pytest.fixture(scope="session")
def official_bullet_d() -> Iterator[PlayTable]:
    """CALVIN's own scene D, drawn by PyBullet."""
    sim = PlayTable("D", shared_folder("BATON_CALVIN_ASSETS", "calvin_assets"), bullet_draws=True)
    yield sim
    sim.close()


@pytest.fixture(scope="session")
def calvin_assets() -> Path:
    return shared_folder("BATON_CALVIN_ASSETS", "calvin_assets")


@pytest.fixture(scope="session")
def parity() -> Path:
    return shared_folder("BATON_PARITY", "parity")


@pytest.fixture(scope="session")
def calvin_mini() -> Path:
    return shared_folder("BATON_CALVIN_MINI", "calvin_mini")


def shared_folder(variable: str, name: str) -> Path:
    """Recorded data that the repository does not carry; skips the test where they are not."""
    folder = Path(os.environ.get(variable, _SHARED / name))
    if not folder.is_dir():
        pytest.skip(f"{name} is not here ({variable})")
    return folder
