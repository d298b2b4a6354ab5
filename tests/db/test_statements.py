"""Statements that run for every job have one text, whatever they are given."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect

from db import statements
from db.engine import Database
from tasks.registry import versions
from tests.support import ON_SQLITE


@pytest.mark.parametrize("dialect", [sqlite.dialect(), postgresql.dialect()])
@pytest.mark.parametrize("build", [statements.claim, statements.ringable])
def test_what_a_build_may_run_is_built_and_rendered_once(build: object, dialect: Dialect) -> None:
    assert callable(build)
    statement = build(tuple(versions()))
    assert build(tuple(versions())) is statement
    assert "POSTCOMPILE" not in str(statement.compile(dialect=dialect))


@ON_SQLITE
@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (statements.WAITING, "ix_job_wait"),
        (statements.SEVERAL, "ix_job_several"),
        (statements.COUNT_OUT, "COVERING INDEX ix_job_state_held_resource_priority_turn_id"),
        (statements.ringable((("ingest", 1),)), "(state=? AND held=? AND resource=?)"),
    ],
)
def test_what_is_asked_many_times_a_second_looks_through_no_other_jobs(
    database: Database, statement: Select[Any], index: str
) -> None:
    compiled = statement.compile(dialect=sqlite.dialect())
    given = {"b_resource": "cpu", "b_limit": 1}
    parameters = tuple((compiled.params | given)[name] for name in compiled.positiontup or ())
    with database.read() as tx:
        (search, *_) = tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", parameters).all()
    assert index in search.detail
