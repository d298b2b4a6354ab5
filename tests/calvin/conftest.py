"""Where the real CALVIN frames are that some tests read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def calvin_mini() -> Path:
    """The folder of real CALVIN frames, or a skip that names it."""
    default = Path(__file__).parents[3] / "shared" / "calvin_mini"
    folder = Path(os.environ.get("BATON_CALVIN_MINI", default))
    if not folder.is_dir():
        pytest.skip(f"CALVIN-format data are absent: {folder}")
    return folder


@pytest.fixture(scope="session")
def lerobot_mini() -> Path:
    """The folder of LeRobot sets that were made of `calvin_mini`, or a skip that names it."""
    default = Path(__file__).parents[3] / "shared" / "lerobot_mini"
    folder = Path(os.environ.get("BATON_LEROBOT_MINI", default))
    if not folder.is_dir():
        pytest.skip(f"LeRobot sets are absent: {folder}")
    return folder
