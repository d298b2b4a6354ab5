"""Fresh states, states of older and newer versions, and that migrations and schema agree."""

from __future__ import annotations

import hashlib
import json
import stat
import subprocess
import sys

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from db import jobs
from db.engine import Database
from db.migrate import MIGRATIONS, open_state, revisions, upgrade
from db.schema import Base
from db.standings import standing
from errors import EnvironmentLacks
from settings.home import Home
from tests.support import NOW, ON_SQLITE, REPOSITORY, planned, states, submit


def test_the_migrations_give_the_schema_of_the_code(database: Database) -> None:
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_versions_are_those_that_alembic_finds() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    scripts = ScriptDirectory.from_config(config)
    known = frozenset(script.revision for script in scripts.walk_revisions())
    assert revisions() == (scripts.get_current_head(), known)


def test_a_state_of_this_version_is_opened_without_alembic(database: Database, home: Home) -> None:
    """Every worker does, before it can begin."""
    code = (
        "import sys; from pathlib import Path; import workers.processes; from settings.home import Home\n"
        "from db.migrate import open_state; open_state(Home(Path(sys.argv[1]))).close()\n"
        "print(sorted({'alembic', 'mako', 'numpy', 'scipy', 'torch'} & sys.modules.keys()))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, str(home.root)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout.strip() == "[]"


@ON_SQLITE
def test_only_the_owner_can_read_a_fresh_state(database: Database, home: Home) -> None:
    assert stat.S_IMODE(home.state_db.stat().st_mode) == 0o600


def test_opening_again_keeps_what_is_there(database: Database, home: Home) -> None:
    submit(database, planned("a"))
    database.close()
    again = open_state(home)
    assert states(again) == {"a": "ready"}
    again.close()


def test_a_home_of_the_first_schema_keeps_its_rows(home: Home) -> None:
    """Jobs that others depend on, an attempt and a run: nothing may be dropped or copied on the way."""
    database = Database(home.state)
    with database.write() as tx:
        upgrade(tx, "0001")
        for statement in FIRST_SCHEMA_ROWS:
            tx.execute(text(statement))
    database.close()
    opened = open_state(home)
    assert states(opened) == {"a": "succeeded", "b": "ready", "c": "ready", "d": "ready"}
    (entry,) = standing(opened).ablations
    assert (entry.jobs["succeeded"], entry.jobs["ready"], entry.runs[0].step) == (1, 1, 4)
    rung = jobs.ring(opened, "cpu", 10, NOW, [("ingest", 4), ("train", 2)])
    assert [entry.label for entry in rung] == ["b", "d"], (
        "what another version made, or none, waits for its build"
    )
    with opened.read() as tx:
        assert tx.execute(text("pragma foreign_key_check")).all() == []
        assert tx.execute(text("select reached, turn from job where label = 'b'")).one() == (4, 2)
        versions = dict(tx.execute(text("select label, version from job")).all())
        assert versions == {"a": 3, "b": 4, "c": 0, "d": None}, (
            "found in the keys; 0 where no version gives the key"
        )
    opened.close()


def _key(version: int, needs: list[list[str]]) -> str:
    """A job's key as the planner makes it, here of an `ingest` job without parameters."""
    about = {"kind": "ingest", "version": version, "spec": {}, "needs": needs}
    return hashlib.sha256(json.dumps(about, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


_KEYS = {"a": _key(3, []), "d": "of a report, which any build may make"}
_KEYS |= {"b": _key(4, [[_KEYS["a"], "input"]]), "c": "of no version"}

FIRST_SCHEMA_ROWS = (
    "insert into ablation values (1, 'k', 'one', '{}', 'submit', 'active', 1.0)",
    "insert into worker values (1, null, 'w', 'h', 1, 1.0, 'cpu', 'stopped', null, null, 1.0, 1.0, 1.0)",
    *(
        "insert into job (id, key, kind, label, spec, resource, priority, state, waiting_on, not_before,"
        " lease_token, cancel_requested, step, target_steps, slices, failures, losses, created_at)"
        f" values ({number}, '{_KEYS[label]}', '{kind}', '{label}', '{{\"root\": \"/x\"}}', 'cpu', 1, '{state}',"
        " 0, 0, 1, 0, 4, 8, 2, 0, 0, 1)"
        for number, label, kind, state in (
            (1, "a", "ingest", "succeeded"),
            (2, "b", "ingest", "ready"),
            (3, "c", "ingest", "ready"),
            (4, "d", "report", "ready"),
        )
    ),
    "insert into job_dependency values (2, 1, 'input')",
    "insert into run values (1, 1, 'baseline', 0, 2)",
    "insert into ablation_job values (1, 1, 1, null), (2, 1, 2, 1)",
    (
        "insert into attempt (id, job_id, lease_token, worker_id, started_at, step_from, useful_seconds,"
        " replayed_seconds, checkpoint_seconds, load_seconds, idle_seconds) values (1, 2, 1, 1, 1, 0, 1, 0, 0, 0, 0)"
    ),
)


#: Attempts of schema 0004 as (outcome, reason, started, ended, useful, idle), of one job each but the last two, and
#: what they took.
BEFORE_STEADY_CLOCKS = (
    (("succeeded", None, 100.0, 130.0, 25.0, 4.0), 29.0),
    (
        ("succeeded", None, 100.0, -172_700.0, 25.0, 4.0),
        29.0,
    ),  # split by a monotonic clock, while the time was set
    (("preempted", "deadline", 100.0, 172_900.0, 25.0, 0.0), 25.0),
    (("yielded", "it is damaged", 100.0, 107.0, 0.0, 0.0), None),  # of this nothing was booked
    (("lost", "gone", 100.0, 130.0, 25.0, 5.0), 30.0),
    (("lost", "gone", 100.0, -172_653.0, 25.0, -172_778.0), None),
    (("preempted", "handed over in a bundle", 100.0, 50.0, 0.0, -50.0), None),
    (("lost", "gone", 100.0, 172_900.0, 25.0, 172_775.0), None),  # which runs into the next
    (("succeeded", None, 140.0, 150.0, 9.0, 1.0), 10.0),
)


def test_attempts_of_before_steady_clocks_took_what_was_booked_or_what_is_not_absurd(home: Home) -> None:
    database = Database(home.state)
    last = len(BEFORE_STEADY_CLOCKS)
    with database.write() as tx:
        upgrade(tx, "0001")
        for statement in FIRST_SCHEMA_ROWS[1:4]:
            tx.execute(text(statement))
        upgrade(tx, "0004")
        tx.execute(text("update job set not_before = 1.8e9"))
        tx.execute(text("insert into session values (1, 'h', 1, 'up', 1.0, 2.0, null, null)"))
        for number, ((outcome, reason, began, ended, useful, idle), _) in enumerate(BEFORE_STEADY_CLOCKS, 1):
            job, token = (2, number) if number >= last - 1 else (1, number)
            began_, ended_ = (began, ended) if job == 2 else (number * 1e6 + began, number * 1e6 + ended)
            tx.execute(
                text(
                    "insert into attempt (id, job_id, lease_token, worker_id, started_at, ended_at, outcome, reason,"
                    " step_from, useful_seconds, replayed_seconds, checkpoint_seconds, load_seconds, idle_seconds)"
                    " values (:id, :job, :token, 1, :began, :ended, :outcome, :reason, 0, :useful, 0, 0, 0, :idle)"
                ),
                {"id": number, "job": job, "token": token, "began": began_, "ended": ended_, "outcome": outcome,
                 "reason": reason, "useful": useful, "idle": idle},
            )  # fmt: skip
    database.close()
    opened = open_state(home)
    with opened.read() as tx:
        took = list(tx.execute(text("select took_seconds from attempt order by id")).scalars())
        assert took == [expected for _, expected in BEFORE_STEADY_CLOCKS]
        assert set(tx.execute(text("select wait_seconds from job")).scalars()) == {0.0}
    (session,) = standing(opened).sessions
    assert (session.age_seconds, session.left_seconds) == (None, None)
    assert session.deadline == 2.0
    opened.close()


def test_a_state_of_a_newer_version_is_left_alone(database: Database, home: Home) -> None:
    with database.write() as tx:
        tx.execute(text("update alembic_version set version_num = '9999'"))
    with pytest.raises(EnvironmentLacks, match="newer Baton"):
        open_state(home)
    with database.read() as tx:
        assert tx.execute(text("select version_num from alembic_version")).scalar_one() == "9999"
