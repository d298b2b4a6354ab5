"""Sessions and workers as they say they are."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from db import members
from db.engine import Database
from db.schema import Session
from tests.support import NOW, Clock


def test_a_session_ends_by_the_steady_clock_of_its_machine(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(members, "steady", clock)
    mine = members.open_session(database, "up", 60.0, NOW, began=90.0)
    clock.now = 130.0
    assert members.session_end(database, mine) == 150.0, "its limit counts from when it was asked for"
    assert members.session_end(database, None) is None
    assert members.session_end(database, members.open_session(database, "up", None, NOW)) is None
    with database.write() as tx:
        assert tx.execute(select(Session.deadline).where(Session.id == mine)).scalar_one() == NOW + 50.0
        tx.execute(update(Session).where(Session.id == mine).values(boot="another machine"))
    members.note_age(database, mine, 45.0)
    assert members.session_end(database, mine) == 130.0 + 60.0 - 45.0, (
        "elsewhere: what it had left by its own count"
    )
