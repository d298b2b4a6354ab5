"""What a database says when it fails, as errors of Baton's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from db import postgres
from db.log_sync import sqlite_module
from errors import BatonError, DiskFull, InvalidInput, StateBusy, StateDamaged, StateLost
from settings.room import no_room

#: How a disk without room shows: SQLite's words, and the server's.
_NO_ROOM = ("disk is full", "No space left on device")

#: SQLite's words for every error of a file but ENOSPC: of a broken disk, of a quota, of a limit on sizes.
_FAILS = "disk I/O error"

#: How SQLite says that a file is not what it wrote, or that the disk does not give it back.
_DAMAGE = ("malformed", "not a database", _FAILS, "Could not decode to UTF-8")

#: Another writer holds it, in SQLite's words and the server's.
_BUSY = ("database is locked", "due to lock timeout")

_NOT_THERE = "unable to open database file"

_MAY_NOT_WRITE = "attempt to write a readonly database"


@contextmanager
def named_errors(file: Path | None) -> Iterator[None]:
    """Errors of the state's database as Baton's own, where they have a name. file: of an SQLite state."""
    try:
        yield
    except (DBAPIError, sqlite_module().Error) as error:  # the driver's own: of how a transaction begins
        named = _named(error, file)
        if named is None:
            raise
        raise named from None


def _named(error: Exception, file: Path | None) -> BatonError | None:
    said = _said(error)
    if file is not None and (why := refuses(file, said)) is not None:
        return DiskFull(
            f"{file} cannot grow: {why}; all that was committed is safe: make room there (artifacts gc), or raise "
            "the limit, and run the same command again"
        )
    if file is not None and tells_damage(said):
        return StateDamaged(damage_sentence(file, first_line(error)))
    if any(words in said for words in _NO_ROOM):
        return DiskFull(
            "the disk that holds the state is full; all that was committed is safe: make room "
            "(artifacts gc) and run the same command again"
        )
    if _MAY_NOT_WRITE in said:
        return InvalidInput(
            "the state cannot be written any more: somebody took the right to it away, or the disk's"
        )
    if any(words in said for words in _BUSY):
        return StateBusy(
            f"somebody else has been writing the state for too long ({first_line(error)}); nothing was written: "
            "run the same command again"
        )
    if file is not None and _NOT_THERE in said and file.exists() and not file.is_file():
        return StateDamaged(damage_sentence(file, "it is no file"))
    if file is not None and _NOT_THERE in said:
        return StateLost(
            f"{file} cannot be opened any more ({first_line(error)}): it was moved or removed, or too many files are "
            "open; what was committed is in it: run the same command again once it is there"
        )
    if postgres.tells_statement_mode(said):
        return InvalidInput(postgres.NOT_WHOLE)
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return lost(error)
    return None


def lost(error: DBAPIError) -> StateLost:
    """The server went away."""
    return StateLost(
        f"the state's database went away ({first_line(error)}); all that was committed is safe: "
        f"run the same command again once it is back{postgres.hint(_said(error))}"
    )


def tells_damage(said: str) -> bool:
    """Whether SQLite said that the file is damaged, or that the disk does not give it back."""
    return any(words in said for words in _DAMAGE)


def refuses(file: Path, said: str) -> str | None:
    """Why nothing more fits where the state lies, where SQLite said of that what it says of a broken disk."""
    return no_room(file, file.with_name(f"{file.name}-wal")) if _FAILS in said else None


def damage_sentence(file: Path, said: str) -> str:
    """What is wrong with a state, and the way back."""
    return (
        f"{file} is damaged ({said}); what it names is left alone: put a copy of it back, or move {file.name}, "
        f"{file.name}-wal and {file.name}-shm away and import the newest bundle (docs/bundles.md, Copies and damage)"
    )


def first_line(error: Exception) -> str:
    """What the database itself said."""
    return next(iter(_said(error).splitlines()), type(_own(error)).__name__)


def _said(error: Exception) -> str:
    return str(_own(error))


def _own(error: Exception) -> BaseException:
    """The database's, where SQLAlchemy wrapped it."""
    return error.orig or error if isinstance(error, DBAPIError) else error
