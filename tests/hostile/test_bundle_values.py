"""Values in the state of a stranger's bundle: each has the type and range of its column, or nothing counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from db.bundle.receive import receive
from errors import BundleError
from experiments.foreign import ForeignJobs
from settings.home import Home
from tests.db.bundle.conftest import sealed as sealed
from tests.db.bundle.forge import Parts, forged
from tests.hostile.sentences import sentence

pytestmark = pytest.mark.timeout(120)


def check_refused(home: Home, bundle: Path, says: str) -> None:
    with pytest.raises(BundleError, match=says) as refused:
        receive(home, bundle, 1e9, ForeignJobs(home.artifacts))
    assert refused.value.exit_code == 2
    sentence(refused, bundle)
    assert not home.root.exists()


@pytest.fixture
def new(tmp_path: Path) -> Home:
    return Home(tmp_path / "new")


TOO_LARGE = 2**63 - 1
VALUES: dict[str, tuple[str, str]] = {
    "two versions": ("INSERT INTO alembic_version VALUES ('0001')", "more than one version"),
    "a version that is a number": ("UPDATE alembic_version SET version_num = 7", "damaged|has the schema"),
    "a table more": ("CREATE TABLE more (x)", "table 'more'"),
    "a trigger": ("CREATE TRIGGER more AFTER INSERT ON job BEGIN DELETE FROM event; END", "trigger 'more'"),
    "a view": ("CREATE VIEW more AS SELECT 1", "view 'more'"),
    "a table less": ("DROP TABLE event", "table 'event'|index"),
    "a column more": ("ALTER TABLE job ADD COLUMN more INTEGER", "table 'job'"),
    "a computed column": ("ALTER TABLE job ADD COLUMN more INTEGER GENERATED ALWAYS AS (abs(step))", "table 'job'"),
    "a check": ("CREATE TABLE more (x CHECK (x > 0))", "table 'more'"),
    "an index on an expression": ("CREATE INDEX more ON event (abs(at))", "index 'more'"),
    "a long statement": (f"CREATE TABLE more ({', '.join(f'c{n}' for n in range(1500))})", "table 'more'"),
    "a long name": (f'CREATE TABLE "{"x" * 3000}" (x)', "table 'xxx"),
    "a name that moves a terminal": ('CREATE TABLE "a\x1b[2J" (x)', r"table 'a\\x1b\[2J'"),
    "a text that is none": ("UPDATE event SET message = CAST(x'ff' AS TEXT)", "UTF-8"),
    "a label that is none": ("UPDATE job SET label = CAST(x'c328' AS TEXT)", "UTF-8"),
    "a host that is none": ("UPDATE worker SET host = CAST(x'ff' AS TEXT)", "UTF-8"),
    "a name that is none": ("UPDATE ablation SET name = CAST(x'80' AS TEXT)", "UTF-8"),
    "a metric's name that is none": (
        "INSERT INTO metric VALUES (1, CAST(x'ff' AS TEXT), 1, 1.0, 1.0)", "UTF-8"
    ),
    "a text with a zero": ("UPDATE ablation SET name = 'a' || char(0)", "ablation.name that is out of range"),
    "a long label": ("UPDATE job SET label = hex(zeroblob(600))", "job.label that is out of range"),
    "a long message": ("UPDATE event SET message = hex(zeroblob(600000))", "event.message that is out of range"),
    "a time of infinity": ("UPDATE event SET at = 9e999", "event.at that is out of range"),
    "a time before all": ("UPDATE event SET at = -9e999", "event.at that is out of range"),
    "a time that no calendar has": ("UPDATE ablation SET created_at = 1e12", "created_at that is out of range"),
    "a time of an artifact": ("UPDATE artifact SET created_at = 1e300", "created_at that is out of range"),
    "an end of infinity": ("UPDATE job SET finished_at = 9e999", "finished_at that is out of range"),
    "an attempt's beginning": ("UPDATE attempt SET started_at = 9e999", "started_at that is out of range"),
    "a heartbeat": ("UPDATE worker SET heartbeat_at = 9e999", "heartbeat_at that is out of range"),
    "a wait of infinity": ("UPDATE job SET wait_seconds = 9e999", "wait_seconds that is out of range"),
    "endless use": ("UPDATE attempt SET useful_seconds = 9e999", "useful_seconds that is out of range"),
    "a metric of infinity": ("INSERT INTO metric VALUES (1, 'x', 1, 9e999, 1.0)", "metric.value that is out"),
    "a step at the edge": (f"UPDATE job SET step = {TOO_LARGE}", "job.step that is out of range"),
    "a step below zero": ("UPDATE job SET step = -1", "job.step that is out of range"),
    "a target at the edge": (f"UPDATE job SET target_steps = {TOO_LARGE}", "target_steps that is out of range"),
    "a token at the edge": (f"UPDATE job SET lease_token = {TOO_LARGE}", "lease_token that is out of range"),
    "a priority at the edge": (f"UPDATE job SET priority = {-TOO_LARGE}", "priority that is out of range"),
    "a turn at the edge": (f"UPDATE job SET turn = {TOO_LARGE}", "job.turn that is out of range"),
    "failures below zero": ("UPDATE job SET failures = -1000", "job.failures that is out of range"),
    "an id at the edge": (f"UPDATE event SET id = {TOO_LARGE} WHERE id = 1", "event.id that is out of range"),
    "an id of zero": ("UPDATE event SET id = 0 WHERE id = 1", "event.id that is out of range"),
    "a size at the edge": (f"UPDATE artifact SET bytes = {TOO_LARGE}", "artifact.bytes that is out of range"),
    "a number of jobs": (f"UPDATE ablation SET job_count = {TOO_LARGE}", "job_count that is out of range"),
    "a fraction for a number": ("UPDATE job SET step = 1.5", "job.step that is no INTEGER"),
    "bytes for a text": ("UPDATE event SET kind = x'00'", "event.kind that is no VARCHAR"),
    "an intent of its own": ("UPDATE ablation SET intent = 'free'", "ablation.intent that Baton never writes"),
    "a job's intent": ("UPDATE job SET intent = 'x'", "job.intent that Baton never writes"),
    "a resource": ("UPDATE job SET resource = 'all'", "job.resource that Baton never writes"),
    "a kind with a path": ("UPDATE job SET kind = '../x'", "job.kind that Baton never writes"),
    "a worker at work": ("UPDATE worker SET state = 'busy'", "worker.state that Baton never writes"),
    "an attempt that goes on": (
        "UPDATE attempt SET ended_at = NULL WHERE id = 1", "attempt that has not ended"
    ),
    "a session that goes on": (
        "INSERT INTO session (host, pid, command, started_at) VALUES ('x', 1, 'up', 1.0)", "session that has not"
    ),
    "an arm with a path": (
        "INSERT INTO run (ablation_id, arm, seed, train_job_id, intent) VALUES (1, '../../x', 0, 1, 'active')",
        "run.arm that Baton never writes",
    ),
    "an arm of dots": (
        "INSERT INTO run (ablation_id, arm, seed, train_job_id, intent) VALUES (1, '..', 0, 1, 'active')",
        "run.arm that Baton never writes",
    ),
    "JSON that is none": ("UPDATE job SET spec = '{'", "job.spec that is no JSON"),
    "JSON that is a list": ("UPDATE job SET spec = '[]'", "job.spec that is no object"),
    "JSON that is a text": ("""UPDATE job SET spec = '"x"'""", "job.spec that is no object"),
    "JSON that is null": ("UPDATE job SET spec = 'null'", "job.spec that is no object"),
    "settings that are a list": ("UPDATE ablation SET config = '[1]'", "ablation.config that is no object"),
    "a result that is a number": ("UPDATE job SET result = '1'", "job.result that is no JSON"),
    "data of an event": ("UPDATE event SET data = '[]'", "event.data that is no object"),
    "what a bundle held": ("UPDATE handover SET held = '[]'", "handover.held that is no object"),
    "levels": ("UPDATE job SET spec = '" + '{"a":' * 200 + "1" + "}" * 200 + "'", "job.spec that cannot be read"),
    "digits": ("UPDATE job SET spec = '{\"a\": " + "1" * 500 + "}'", "job.spec that cannot be read"),
    "a key twice": ("""UPDATE job SET spec = '{"a": 1, "a": 2}'""", "job.spec that cannot be read"),
    "an infinity": ("""UPDATE job SET result = '{"a": 1e999}'""", "job.result that holds a number out of"),
    "half a character": (r"""UPDATE job SET result = '{"a": "\ud800"}'""", "job.result that holds half a char"),
    "half a character in a key": (r"""UPDATE job SET result = '{"\ud800": 1}'""", "that holds half a char"),
    "a job that waits for itself": (
        "INSERT INTO job_dependency VALUES (5, 5, 'x')", "job that waits for itself"
    ),
    "jobs that wait for each other": (
        "INSERT INTO job_dependency VALUES (1, 7, 'x')", "job that waits for itself"
    ),
    "a second identity": (
        "INSERT INTO identity (id, key, shared) VALUES (2, 'x', 1)", "no key of its own"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", VALUES)
def test_a_value_that_baton_never_writes_is_refused(
    case: str,
    sealed: Path,
    new: Home,
    tmp_path: Path,
) -> None:
    statement, says = VALUES[case]
    check_refused(new, forged(sealed, tmp_path, lambda parts: parts.sql(statement)), says)


def test_a_view_in_a_tables_place_is_refused(sealed: Path, new: Home, tmp_path: Path) -> None:
    def change(parts: Parts) -> None:
        parts.sql("DROP TABLE event", "CREATE VIEW event AS SELECT 1 AS id")

    check_refused(
        new, forged(sealed, tmp_path, change), r"does not have the (index|table|view) '\w*event\w*'"
    )


def test_a_state_in_another_encoding_is_refused(sealed: Path, new: Home, tmp_path: Path) -> None:
    import sqlite3

    other = sqlite3.connect(tmp_path / "other.db")
    other.execute("PRAGMA encoding = 'UTF-16le'")
    other.execute("CREATE TABLE x (y)")
    other.commit()
    other.close()

    def change(parts: Parts) -> None:
        parts.state = (tmp_path / "other.db").read_bytes()
        parts.restate()

    check_refused(new, forged(sealed, tmp_path, change), "UTF-16le")
