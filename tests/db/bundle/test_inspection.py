"""A bundle whose state was tampered with, damaged or made by a newer Baton is refused, and the home stays as it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from settings.home import Home
from tests.db.bundle.conftest import refused
from tests.db.bundle.forge import Parts, forged


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("CREATE TRIGGER evil AFTER INSERT ON event BEGIN DELETE FROM job; END", "trigger 'evil'"),
        ("CREATE VIEW evil AS SELECT * FROM job", "view 'evil'"),
        ("CREATE TABLE evil (id INTEGER)", "table 'evil'"),
        ("CREATE VIRTUAL TABLE evil USING fts4(text)", "evil"),
        ("CREATE INDEX evil ON job (abs(step))", "index 'evil'"),
        ("DROP INDEX ix_job_lease", "index 'ix_job_lease'"),
        ("ALTER TABLE job ADD COLUMN evil INTEGER", "table 'job'"),
        ("ALTER TABLE event RENAME COLUMN message TO \"message VARCHAR NOT NULL\"", "table 'event'"),
        ("UPDATE alembic_version SET version_num = '0001'", "has the schema 0001"),
        ("DELETE FROM alembic_version", "has the schema None"),
        ("UPDATE artifact SET path = '../../outside'", "no place of it in a home"),
        ("UPDATE artifact SET path = '/etc/passwd'", "no place of it in a home"),
        ("UPDATE artifact SET path = 'artifacts/../artifacts/' || substr(path, 11)", "no place of it"),
        ("UPDATE artifact SET sha256 = 'x' || substr(sha256, 2)", "no place of it in a home"),
        ("UPDATE artifact SET bytes = bytes + 1", "which its state does not know so"),
        ("DELETE FROM artifact", "which its state does not know so"),
        ("UPDATE artifact SET job_id = 999 WHERE id = 1", "refers to none of job"),
        ("UPDATE job SET state = 'running' WHERE label = 'train'", "jobs that are running"),
        ("UPDATE job SET state = 'sold' WHERE label = 'train'", "jobs that are sold"),
        ("UPDATE job SET step = 'many' WHERE label = 'train'", r"job.step that is no INTEGER"),
        ("UPDATE job SET spec = '{' WHERE label = 'train'", r"job.spec that is no JSON"),
        ("UPDATE job SET cancel_requested = 7", r"job.cancel_requested that is no BOOLEAN"),
        ("UPDATE job SET label = x'00ff' WHERE label = 'train'", r"job.label that is no VARCHAR"),
        ("UPDATE attempt SET outcome = NULL, ended_at = NULL", "attempts that ended as None"),
        ("UPDATE job SET step = step + 1", "not the one that its history names"),
        ("UPDATE handover SET host = 'elsewhere'", "different histories"),
        ("DELETE FROM handover", "different histories"),
        ("UPDATE handover SET key = '../' || key", "different histories"),
        ("UPDATE handover SET at = 1e999", "handover.at that is out of range"),
        ("UPDATE identity SET key = '../' || substr(key, 4)", "no key of its own"),
        ("DELETE FROM identity", "no key of its own"),
        ("UPDATE identity SET shared = 1", "no key of its own"),
    ],
)  # fmt: skip
def test_a_state_that_is_not_as_it_should_be_is_refused(
    statement: str, says: str, sealed: Path, new: Home, tmp_path: Path
) -> None:
    refused(new, forged(sealed, tmp_path, lambda parts: parts.sql(statement)), says)
    assert not new.state_db.exists()


def _no_database(parts: Parts) -> None:
    parts.state = b"no database at all"
    parts.restate()


def _torn_page(parts: Parts) -> None:
    """The start of every page but the first is overwritten; digests agree, as the forger states the new ones."""
    page = bytearray(parts.state)
    for start in range(4096, len(page), 4096):
        page[start : start + 40] = b"\xff" * 40
    parts.state = bytes(page)
    parts.restate()


def _newer(parts: Parts) -> None:
    parts.manifest["version"] = "9999"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_no_database, "no sound database"),
        (_torn_page, "no sound database|damaged|does not have"),
        (_newer, "this Baton does not know; update Baton"),
    ],
)
def test_a_state_that_cannot_be_used_is_refused(
    change: Callable[[Parts], None], says: str, sealed: Path, new: Home, tmp_path: Path
) -> None:
    refused(new, forged(sealed, tmp_path, change), says)
    assert not new.state_db.exists()
