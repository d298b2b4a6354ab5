"""Distrust of a state that came from elsewhere: it is looked through before anything of it counts."""

from __future__ import annotations

import functools
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from db.bundle import lineage
from db.bundle.columns import check_columns
from db.bundle.manifest import Manifest
from db.engine import Database, sqlite_module
from db.migrate import FIRST_WITH_KEY, revisions, upgrade
from db.soundness import check_file, check_values
from db.states import OUTCOMES, QUEUED, RUNNING, STATES
from db.store import ARTIFACT_PATH
from errors import BundleError
from settings.shown import cut, shown

if TYPE_CHECKING:
    from sqlite3 import Connection

#: Of a schema, so that another one takes no time to compare: a statement's characters, and how many there are.
_LONGEST_STATEMENT, _MOST_STATEMENTS = 20_000, 500


def inspect_state(state: Path, manifest: Manifest) -> None:
    """Raises BundleError unless `state` is sound, has exactly the tables of its version, and fits the manifest.

    The file is only read. No SQL of its own can run: its schema is compared before any table is touched.
    """
    _, known = revisions()
    if manifest.version not in known:
        raise BundleError(
            f"its state has the schema {manifest.version}, which this Baton does not know; update Baton"
        )
    try:
        with _opened(state) as connection:
            _check_schema(connection, manifest.version)
            _check_soundness(connection)
            _check_rest(connection, manifest)
    except sqlite_module().DatabaseError as error:
        raise BundleError(f"its state is no sound database: {error}") from None


@contextmanager
def _opened(state: Path) -> Iterator[Connection]:
    connection = sqlite_module().connect(f"{state.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        connection.execute("PRAGMA trusted_schema=OFF")
        connection.execute("PRAGMA cell_size_check=ON")
        yield connection
    finally:
        connection.close()


def _check_schema(connection: Connection, version: str) -> None:
    ((encoding,),) = connection.execute("PRAGMA encoding")
    if encoding != "UTF-8":
        raise BundleError(f"its state holds its texts in {encoding}, and Baton writes UTF-8")
    expected, found = _schema_at(version), _schema(connection)
    for kind, name, _ in sorted(found ^ expected):
        raise BundleError(f"its state does not have the {kind} {shown(name)} as version {version} has it")
    stamped = [stamp for (stamp,) in connection.execute("SELECT version_num FROM alembic_version LIMIT 2")]
    if len(stamped) > 1:
        raise BundleError("its state has more than one version of its schema")
    if stamped != [version]:
        told = cut(str(stamped[0])) if stamped else "None"
        raise BundleError(f"its state has the schema {told} and its manifest says {version}")


def _schema(connection: Connection) -> set[tuple[str, str, str]]:
    """(kind, name, what it is) of all there is.

    Alembic and the versions of SQLite differ in spaces, quotes and the order of constraints, so these do not
    count; the columns are compared again as SQLite understood them.
    """
    found = set()
    rows = connection.execute(
        "SELECT type, name, tbl_name, substr(sql, 1, ?) FROM sqlite_master LIMIT ?",
        (_LONGEST_STATEMENT, _MOST_STATEMENTS),
    ).fetchall()
    for kind, name, table, sql in rows:
        columns = []
        if str(sql).startswith("CREATE TABLE"):  # asking about a virtual one would run its module
            columns = connection.execute("SELECT * FROM pragma_table_xinfo(?)", (name,)).fetchall()
        text = f"{table} {_clauses(str(sql))} {sorted(repr(column[1:]) for column in columns)}"
        found.add((str(kind), str(name), text))
    return found


def _clauses(sql: str) -> list[str]:
    """The parts of a CREATE statement, split at its outer commas, without spaces and quotes, in order."""
    parts, depth = [""], 0
    for character in re.sub(r'[\s"`]', "", sql):
        depth += (character == "(") - (character == ")")
        if depth <= 1 and character in ",()":
            parts.append("")
        else:
            parts[-1] += character
    return sorted(parts)


@functools.cache
def _schema_at(version: str) -> set[tuple[str, str, str]]:
    """The schema that Baton's migrations give."""
    with tempfile.TemporaryDirectory(prefix="baton-schema-") as folder:
        path = Path(folder) / "state.db"
        database = Database(path)
        with database.write() as tx:
            upgrade(tx, version)
        database.close()
        with _opened(path) as connection:
            return _schema(connection)


def _check_soundness(connection: Connection) -> None:
    if (wrong := check_file(connection) or check_values(connection)) is not None:
        raise BundleError(f"its state is damaged: {wrong}")
    if (wrong := check_columns(connection)) is not None:
        raise BundleError(f"its state has {wrong}")


def _check_rest(connection: Connection, manifest: Manifest) -> None:
    states = {state for (state,) in connection.execute("SELECT DISTINCT state FROM job")}
    if strange := states - set(STATES) | states & {RUNNING, QUEUED}:
        raise BundleError(
            f"its state has jobs that are {cut(', '.join(sorted(strange)))}, which cannot travel"
        )
    outcomes = {outcome for (outcome,) in connection.execute("SELECT DISTINCT outcome FROM attempt")}
    if strange := outcomes - set(OUTCOMES):
        raise BundleError(f"its state has attempts that ended as {cut(', '.join(map(str, strange)))}")
    for table in ("attempt", "session"):
        if connection.execute(f"SELECT 1 FROM {table} WHERE ended_at IS NULL").fetchone():
            raise BundleError(f"its state has a {table} that has not ended, which cannot travel")
    _check_waiting(connection)
    try:
        history = lineage.history(connection.execute)
    except ValidationError:
        history = ()
    if history != manifest.history:
        raise BundleError("its state and its manifest tell different histories")
    if lineage.facts(connection.execute) != manifest.history[-1].facts_arrived:
        raise BundleError("its state is not the one that its history names")
    if manifest.version >= FIRST_WITH_KEY:
        keys = connection.execute("SELECT key, shared FROM identity LIMIT 2").fetchall()
        if len(keys) != 1 or keys[0][1] or not re.fullmatch("[0-9a-f]{32}", keys[0][0]):
            raise BundleError("its state has no key of its own")
    rows = {}
    for path, sha256, size in connection.execute("SELECT path, sha256, bytes FROM artifact"):
        match = ARTIFACT_PATH.fullmatch(path)
        if match is None or match[2] != sha256:
            raise BundleError(
                f"its state has an artifact at {shown(path, 200)}, which is no place of it in a home"
            )
        rows[path] = size
    for file in manifest.files:
        if rows.get(file.path) != file.bytes:
            raise BundleError(f"its manifest names {file.path}, which its state does not know so")


def _check_waiting(connection: Connection) -> None:
    """No job waits for itself: it would wait for ever. How many others each waits for is counted anew."""
    needs: dict[int, set[int]] = {}
    for job, needed in connection.execute("SELECT job_id, depends_on_id FROM job_dependency"):
        needs.setdefault(job, set()).add(needed)
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        raise BundleError(f"its state has a job that waits for itself ({error.args[1][0]})") from None
