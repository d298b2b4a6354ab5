"""The name of a state in a broker is one, whichever way its file is reached."""

from __future__ import annotations

from pathlib import Path

import pytest

from db import identity
from db.engine import Database
from db.identity import namespace
from settings.home import Home
from tests.support import ON_SQLITE


@ON_SQLITE
@pytest.mark.parametrize("keeps", [True, False])
def test_links_to_a_home_make_no_other_state(
    database: Database, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keeps: bool
) -> None:
    monkeypatch.setattr(identity, "keeps_file_numbers", lambda _: keeps)
    (tmp_path / "link").symlink_to(home.root)
    linked = Database(tmp_path / "link" / home.state_db.name)
    assert namespace(linked) == namespace(database)
    linked.close()
