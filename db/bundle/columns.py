"""Values of a state from elsewhere, column by column: their range, their text and their JSON.

`db.soundness.check_values` has told their types before. What is read of these rows later is written for what Baton
itself writes there: a time that no calendar has, or a text that is none, would end a command in the middle.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from settings.documents import parse_json
from settings.shown import cut, shown

if TYPE_CHECKING:
    from sqlite3 import Connection

#: PostgreSQL's INTEGER. What is a size in bytes may be more.
_LARGEST = 2**31 - 1
_MOST_BYTES = 2**50
#: Unix seconds: the year 5138. Calendars of Python end later, those of people earlier.
_LAST_TIME = 1e11
_LARGEST_FLOAT = 1e15
#: Characters of names, keys and words; and of what is said in sentences.
_MOST_CHARACTERS, _MOST_IN_SENTENCES = 1000, 1_000_000

_IN_SENTENCES = frozenset({"message", "reason", "error", "command"})
#: Columns whose values may be below zero: a priority, and seconds that earlier versions booked by the time of day.
_SIGNED = re.compile(r"priority|steady_at|value|\w+_seconds")
_TIME = re.compile(r"at|\w+_at|deadline")

_INTENTS = ("active", "paused", "cancelled")
#: Columns that hold one of a few words, whose like no version of Baton wrote otherwise.
_WORDS: dict[tuple[str, str], tuple[str, ...]] = {
    ("ablation", "intent"): _INTENTS,
    ("run", "intent"): _INTENTS,
    ("job", "intent"): _INTENTS,
    ("job", "resource"): ("cpu", "accelerator"),
    ("worker", "state"): ("stopped", "lost"),
}
#: It is part of a folder's name.
_ARM = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_PATTERNS: dict[tuple[str, str], re.Pattern[str]] = {
    ("run", "arm"): _ARM,
    ("job", "kind"): re.compile(r"[a-z_]{1,40}"),
}

#: What is wrong with a text, for the end of a sentence; None where nothing is.
_Check = Callable[[str], str | None]


def check_columns(connection: Connection) -> str | None:
    """What is wrong with a value of any table, as the end of a sentence; None where nothing is.

    connection: to a state whose schema is a known one, and whose values have the types of their columns.
    """
    for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        columns = connection.execute("SELECT name, type FROM pragma_table_info(?)", (table,)).fetchall()
        found = _outside(connection, table, columns) or _unreadable(connection, table, columns)
        if found is not None:
            return found
    return None


def _outside(connection: Connection, table: str, columns: list[tuple[str, str]]) -> str | None:
    tests = [(name, test) for name, declared in columns if (test := _test(name, declared)) is not None]
    if not tests:
        return None
    counts = ", ".join(f"count(CASE WHEN {test} THEN 1 END)" for _, test in tests)
    for (name, _), count in zip(tests, connection.execute(f'SELECT {counts} FROM "{table}"').fetchone()):
        if count:
            return f"a value in {table}.{name} that is out of range"
    return None


def _test(name: str, declared: str) -> str | None:
    """SQL condition for a value that a column must not hold."""
    kind = declared.partition("(")[0].upper()
    if kind in ("INTEGER", "BIGINT"):
        lowest = -_LARGEST if _SIGNED.fullmatch(name) else int(name == "id")
        return f'"{name}" NOT BETWEEN {lowest} AND {_MOST_BYTES if name == "bytes" else _LARGEST}'
    if kind == "DOUBLE":
        signed = _SIGNED.fullmatch(name) is not None
        highest = _LARGEST_FLOAT if signed or not _TIME.fullmatch(name) else _LAST_TIME
        # `value` is what was measured, and only has to be a number.
        edge = "1.7976931348623157e308" if name == "value" else repr(highest)
        return f'"{name}" NOT BETWEEN {f"-{edge}" if signed else "0"} AND {edge}'
    if kind == "VARCHAR":
        most = _MOST_IN_SENTENCES if name in _IN_SENTENCES else _MOST_CHARACTERS
        return f'length("{name}") > {most} OR instr("{name}", char(0)) > 0'
    return None


def _unreadable(connection: Connection, table: str, columns: list[tuple[str, str]]) -> str | None:
    """Texts and JSON, which are read for this as they will be. Raises the module's OperationalError where a text is
    not UTF-8."""
    checks: list[tuple[str, _Check | None]] = []
    for name, declared in columns:
        kind = declared.partition("(")[0].upper()
        if kind == "JSON":
            checks.append((name, _json_fault))
        elif kind == "VARCHAR":
            checks.append((name, _word_check(table, name)))
    if not checks:
        return None
    names = ", ".join(f'"{name}"' for name, _ in checks)
    looked_at = [(place, *check) for place, check in enumerate(checks) if check[1] is not None]
    for row in connection.execute(f'SELECT {names} FROM "{table}"'):
        for place, name, check in looked_at:
            text = row[place]
            if text is not None and check is not None and (wrong := check(text)) is not None:
                return f"a value in {table}.{name} {wrong}"
    return None


def _word_check(table: str, name: str) -> _Check | None:
    words, pattern = _WORDS.get((table, name)), _PATTERNS.get((table, name))
    if words is not None:
        return lambda text: None if text in words else f"that Baton never writes ({shown(text)})"
    if pattern is not None:
        return lambda text: None if pattern.fullmatch(text) else f"that Baton never writes ({shown(text)})"
    return None


def _json_fault(text: str) -> str | None:
    try:
        value = parse_json(text)
    except ValueError as error:
        return f"that cannot be read ({cut(str(error))})"
    if not isinstance(value, dict):
        return f"that is no object ({shown(value)})"
    waiting: list[object] = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting += [*item, *item.values()]
        elif isinstance(item, list):
            waiting += item
        elif isinstance(item, str):
            if not _is_text(item):
                return "that holds half a character"
        elif isinstance(item, (int, float)) and not -_WIDEST <= item <= _WIDEST:
            return "that holds a number out of range"
    return None


#: Of a number in JSON: both kinds of state take it, and a float is near.
_WIDEST = 2.0**1000


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
