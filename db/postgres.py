"""The state in PostgreSQL: connections, and what stands for SQLite's BEGIN IMMEDIATE.

SQLite has one writer at a time, and every move of a job is written for that: a transaction may read, decide and
write, and nothing changes in between. Here each writing transaction begins by taking one advisory lock, which
its end releases, so the same holds, and no statement has to be tried again. READ COMMITTED lets it see all
that was committed when it got the lock; SERIALIZABLE would take a snapshot before and then fail. A job is
seconds to hours of work and a handful of transactions of some milliseconds, so one writer is enough.

Readers take no lock: REPEATABLE READ is one snapshot, which never waits and is never waited for.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, create_engine, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import OperationalError

from errors import EnvironmentLacks, StoreBusy

#: Keys of the advisory locks: "baton" in ASCII, and what the lock is for.
_NAMESPACE = 0x6261746F
_WRITER, _PUBLICATION = 1, 2

#: A writer that stops in the middle (SIGSTOP, a machine gone from the network) is cut off after this, well
#: before the leases end of workers whose heartbeats wait for it.
STALLED_WRITER_SECONDS = 8

#: A side that vanished without a word counts as gone after half a minute, by TCP's own means: here, and there,
#: where its locks end with it.
_KEEPALIVES = {"keepalives_idle": 15, "keepalives_interval": 5, "keepalives_count": 3}
_SERVER_OPTIONS = " ".join(f"-c tcp_{name}={value}" for name, value in _KEEPALIVES.items())

_CONNECT_SECONDS = 10

_BECOME_WRITER = text(
    "SELECT set_config('lock_timeout', :wait_ms, true),"
    " set_config('idle_in_transaction_session_timeout', :stalled_ms, true),"
    f" pg_advisory_xact_lock({_NAMESPACE}, {_WRITER})"
)

_SHARE, _UNSHARE, _LOCK, _UNLOCK = (
    text(f"SELECT {function}({_NAMESPACE}, {_PUBLICATION})")
    for function in (
        "pg_advisory_lock_shared",
        "pg_advisory_unlock_shared",
        "pg_advisory_lock",
        "pg_advisory_unlock",
    )
)

#: How long a standstill keeps publications waiting at a time (as `db.store` does within one machine).
_TURN_SECONDS = 2.0

_LOCK_NOT_AVAILABLE = "55P03"  # PostgreSQL's SQLSTATE for a lock_timeout


def is_postgres(url: str) -> bool:
    return url.partition("://")[0].partition("+")[0] in ("postgresql", "postgres")


def make_engines(url: str) -> tuple[Engine, Engine]:
    """(for reading, for writing), sharing their connections. Raises EnvironmentLacks without psycopg."""
    try:
        engine = create_engine(
            _with_psycopg(url),
            pool_pre_ping=True,  # the server may have been restarted since
            connect_args={
                "connect_timeout": _CONNECT_SECONDS,
                "application_name": "baton",
                "options": _SERVER_OPTIONS,
                **_KEEPALIVES,
            },
        )
    except ModuleNotFoundError:
        raise EnvironmentLacks(
            "a state in PostgreSQL needs psycopg: pip install 'baton-queue[postgres]'"
        ) from None
    reader = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return reader, engine.execution_options(isolation_level="READ COMMITTED")


def become_writer(connection: Connection, wait_seconds: float) -> None:
    """Wait until no other transaction writes. Raises OperationalError after `wait_seconds`."""
    milliseconds = {"wait_ms": wait_seconds * 1000, "stalled_ms": STALLED_WRITER_SECONDS * 1000}
    connection.execute(_BECOME_WRITER, {name: str(int(value)) for name, value in milliseconds.items()})


def _with_psycopg(url: str) -> URL:
    return make_url(url).set(drivername="postgresql+psycopg")


@contextmanager
def publication(connection: Connection) -> Iterator[None]:
    """Hold the lock that any number may share. It ends with the connection, however that ends."""
    autocommit = connection.execution_options(isolation_level="AUTOCOMMIT")
    autocommit.execute(_SHARE)
    try:
        yield
    finally:
        autocommit.execute(_UNSHARE)


@contextmanager
def standstill(connection: Connection, wait_seconds: float) -> Iterator[None]:
    """Hold that lock alone. Whoever waits for it keeps others from sharing it, so only for a moment at a time.

    Raises StoreBusy.
    """
    autocommit = connection.execution_options(isolation_level="AUTOCOMMIT")
    give_up = time.monotonic() + wait_seconds
    while not _alone(autocommit, min(wait_seconds, _TURN_SECONDS)):
        if time.monotonic() >= give_up:
            raise StoreBusy("other machines are publishing artifacts; try again later")
        time.sleep(_TURN_SECONDS)
    try:
        yield
    finally:
        autocommit.execute(_UNLOCK)


def _alone(connection: Connection, wait_seconds: float) -> bool:
    connection.execute(text(f"SET lock_timeout = {max(1, int(wait_seconds * 1000))}"))
    try:
        connection.execute(_LOCK)
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
            raise
        return False
    finally:
        connection.execute(text("SET lock_timeout = DEFAULT"))
    return True
