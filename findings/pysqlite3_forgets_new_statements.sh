#!/usr/bin/env bash
# pysqlite3 0.6.1 (its wheel for Linux, with SQLite 3.53.4) beside the sqlite3 of Python 3.11.
#
# A connection keeps the statements that it prepared, pysqlite3 a hundred of them. When a new one comes to a full cache
# the one goes that was used least often since it came, and not the one that was used longest ago, as in Python's own
# module since 3.10. Where a hundred statements ran twice, say in a migration, whatever comes after them counts one use
# and is the first to go: a few new statements in turn drive each other out, and each execution prepares its statement
# again for as long as the connection lives. Nothing tells; it costs tens of microseconds each time.
# `cached_statements`, larger than the number of different statements, helps.
#
# Seen (130 statements twice, then 3 new ones in turn, 300 executions):
#   pysqlite3: 300 prepared; with cached_statements=512: 3 prepared; Python's sqlite3: 3 prepared
# Exit: 0 while this holds, 1 when it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile pysqlite3==0.6.1
"$work/venv/bin/python" - <<'PY'
import sqlite3
import sys
from itertools import cycle, islice

from pysqlite3 import dbapi2 as pysqlite3

OLD = [f"SELECT {number}" for number in range(130)]
NEW = ["SELECT 'a'", "SELECT 'b'", "SELECT 'c'"]


def prepared(module, **options):
    """How many of 300 executions of NEW prepare: SQLite asks the authorizer about each SELECT that it prepares."""
    connection = module.connect(":memory:", **options)
    asked = []
    connection.set_authorizer(lambda *_: asked.append(1) or module.SQLITE_OK)
    for statement in OLD * 2:
        connection.execute(statement).fetchall()
    asked.clear()
    for statement in islice(cycle(NEW), 300):
        connection.execute(statement).fetchall()
    return len(asked)


seen = prepared(pysqlite3), prepared(pysqlite3, cached_statements=512), prepared(sqlite3)
print("pysqlite3: %d prepared; with cached_statements=512: %d prepared; Python's sqlite3: %d prepared" % seen)
sys.exit(0 if seen == (300, 3, 3) else 1)
PY
