"""A new state for each test, without its migrations: these take longer than most tests."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

from db.engine import Database
from db.migrate import open_state
from settings.home import Home


def fresh_state(home: Home) -> Database:
    """The state of `home`, which has none yet or one of its own."""
    if home.state_in_home and not home.state_db.exists():
        shutil.copy(_empty_state(), home.state_db)
    return open_state(home)


@functools.cache
def _empty_state() -> Path:
    """One without rows, made once a process as every first command makes it."""
    folder = tempfile.mkdtemp(prefix="baton-test-")
    atexit.register(shutil.rmtree, folder)
    home = Home(Path(folder))
    home.create()
    open_state(home).close()
    return home.state_db
