"""The state in a home, and whether the files beside it are its own."""

from __future__ import annotations

import os

from commands.checks.finding import MISSING, OK, WARNING, Finding
from db import ownership
from db.engine import Database
from db.migrate import FIRST_WITH_KEY, schema_of
from db.network_file import is_shared
from db.soundness import need_sound
from errors import BatonError, InvalidInput
from settings.home import Home


def findings(home: Home) -> tuple[list[Finding], InvalidInput | None]:
    """What was found of a state in SQLite, where there is one, and what ends `doctor` with exit code 2."""
    file = home.state_file
    if file is None or not _may_be_seen(home):
        return [], None
    try:
        need_sound(file, thorough=True)
        if not (file.exists() and file.stat().st_size):
            ownership.check_new(home)
            return [], None
        doubt = _doubt(home)
    except InvalidInput as error:
        remedy = "see Copies and damage in docs/bundles.md"
        return [Finding("home", "state", MISSING, str(error), remedy, needed=True)], error
    if doubt is not None:
        remedy = "see Copies and damage in docs/bundles.md"
        return [Finding("home", "state", WARNING, doubt, remedy)], None
    return [Finding("home", "state", OK, f"{file} is sound")], None


def _may_be_seen(home: Home) -> bool:
    """Else `machine` tells whose it is."""
    if not home.root.is_dir():
        return True
    return os.access(home.root, os.R_OK | os.X_OK) and all(
        os.access(file, os.R_OK) for file in home.state_files if file.exists()
    )


def _doubt(home: Home) -> str | None:
    """Why nothing would be removed here. Raises StoreOfAnother, and InvalidInput for what is no state."""
    if home.state_in_home and home.obstacle(only_state=True) is not None:
        return None  # `machine` tells; what may not be written is not opened to be
    file = home.state_file
    assert file is not None
    database = Database(file, read_only=True) if is_shared(file) else Database(home.state)
    try:
        schema = schema_of(home, database)
        if schema is None:
            ownership.check_new(home)
        elif schema >= FIRST_WITH_KEY:
            ownership.check(home, database)
            try:
                ownership.need_ours(home, database)
            except BatonError as error:
                return str(error)
        return None
    finally:
        database.close()
