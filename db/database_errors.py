"""What a database says when it fails, as errors of Baton's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from db import postgres
from errors import DiskFull, InvalidInput, StateDamaged, StateLost
from settings.room import no_room

#: How a disk without room shows: SQLite's words, and the server's.
_NO_ROOM = ("disk is full", "No space left on device")

#: SQLite's words for every error of a file but ENOSPC: of a broken disk, of a quota, of a limit on sizes.
_FAILS = "disk I/O error"

#: How SQLite says that a file is not what it wrote, or that the disk does not give it back.
_DAMAGE = ("malformed", "not a database", _FAILS, "Could not decode to UTF-8")

_MAY_NOT_WRITE = "attempt to write a readonly database"


@contextmanager
def named_errors(file: Path | None) -> Iterator[None]:
    """Errors of the state's database as Baton's own, where they have a name. file: of an SQLite state."""
    try:
        yield
    except DBAPIError as error:
        if file is not None and (why := refuses(file, str(error.orig))) is not None:
            raise DiskFull(
                f"{file} cannot grow: {why}; all that was committed is safe: make room there (artifacts gc), or raise "
                "the limit, and run the same command again"
            ) from None
        if file is not None and tells_damage(str(error.orig)):
            raise StateDamaged(damage_sentence(file, first_line(error))) from None
        if any(words in str(error.orig) for words in _NO_ROOM):
            raise DiskFull(
                "the disk that holds the state is full; all that was committed is safe: make room "
                "(artifacts gc) and run the same command again"
            ) from None
        if _MAY_NOT_WRITE in str(error.orig):
            raise InvalidInput(
                "the state cannot be written any more: somebody took the right to it away, or the disk's"
            ) from None
        if postgres.tells_statement_mode(str(error.orig)):
            raise InvalidInput(postgres.NOT_WHOLE) from None
        if error.connection_invalidated:
            raise lost(error) from None
        raise


def lost(error: DBAPIError) -> StateLost:
    """The server went away."""
    return StateLost(
        f"the state's database went away ({first_line(error)}); all that was committed is safe: "
        f"run the same command again once it is back{postgres.hint(str(error.orig))}"
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


def first_line(error: DBAPIError) -> str:
    """What the database itself said."""
    return next(iter(str(error.orig).splitlines()), type(error.orig).__name__)
