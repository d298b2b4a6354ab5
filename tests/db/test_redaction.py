"""No password of a URL is kept with the command that held it."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from db import members, plans
from db.engine import Database
from db.plans import Plan
from db.redaction import without_passwords
from db.schema import Ablation, Session
from tests.support import NOW, planned


@pytest.mark.parametrize(
    ("command", "kept"),
    [
        ("cli.py up --broker redis://:secret@host:6379/0", "cli.py up --broker redis://:***@host:6379/0"),
        ("up --broker=rediss://me:s3cr%20t@host", "up --broker=rediss://me:***@host"),
        ("up --broker redis://host:6379/0 --home a@b:c", "up --broker redis://host:6379/0 --home a@b:c"),
        ("a redis://u:one@h b redis://u:two@h", "a redis://u:***@h b redis://u:***@h"),
    ],
)
def test_a_password_is_left_out_and_nothing_else(command: str, kept: str) -> None:
    assert without_passwords(command) == kept


def test_what_the_state_keeps_of_a_command_holds_none(database: Database) -> None:
    command = "cli.py submit-ablation --broker redis://:secret@host"
    members.open_session(database, command, None, NOW)
    plans.submit(database, Plan("one", "one", {}, (planned("a"),)), command, NOW)
    with database.read() as tx:
        kept = [
            *tx.execute(select(Session.command)).scalars(),
            *tx.execute(select(Ablation.command)).scalars(),
        ]
    assert kept == ["cli.py submit-ablation --broker redis://:***@host"] * 2
