"""The state in PostgreSQL: connections, and what stands for SQLite's BEGIN IMMEDIATE.

SQLite has one writer at a time, and every move of a job is written for that: a transaction may read, decide and
write, and nothing changes in between. Here each writing transaction begins by taking one advisory lock, which
its end releases, so the same holds, and no statement has to be tried again. READ COMMITTED lets it see all
that was committed when it got the lock; SERIALIZABLE would take a snapshot before and then fail. A job is
seconds to hours of work and a handful of transactions of some milliseconds, so one writer is enough.

Readers take no lock: REPEATABLE READ is one snapshot, which never waits and is never waited for.

A pooler may stand before the server (PgBouncer, Supavisor, RDS Proxy) that lends a server's session for one
transaction at a time, so nothing here outlives a transaction: no lock, no setting, no prepared statement. The lock of
a publication is held by a transaction that stays open, and that very one commits the rows (`Publication`): where it was
cut off, so is the commit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, create_engine, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, OperationalError

from errors import EnvironmentLacks, InvalidInput, StoreBusy
from settings.addresses import is_host
from settings.installing import pip_install_extra

#: Keys of the advisory locks: "baton" in ASCII, and what the lock is for.
_NAMESPACE = 0x6261746F
_WRITER, _PUBLICATION = 1, 2

#: A writer that stops in the middle (SIGSTOP, a machine gone from the network) is cut off after this, well
#: before the leases end of workers whose heartbeats wait for it.
STALLED_WRITER_SECONDS = 8

#: A side that vanished without a word counts as gone after half a minute, by TCP's own means: here, and there,
#: where its locks end with it. Keepalives watch a connection on which nothing is under way; what was sent and never
#: acknowledged would be sent again for a quarter of an hour, while a worker's heartbeats wait for it.
_KEEPALIVES = {"keepalives_idle": 15, "keepalives_interval": 5, "keepalives_count": 3}
_UNACKNOWLEDGED_MS = 30_000
_CONNECT_SECONDS = 10

#: The same of the server's side, for one transaction; a pooler does not pass on what is asked for at the start.
_KEPT_ALIVE = ", ".join(
    f"set_config('tcp_{name}', '{value}', true)"
    for name, value in {**_KEEPALIVES, "user_timeout": _UNACKNOWLEDGED_MS}.items()
)

_BECOME_WRITER = text(
    "SELECT set_config('lock_timeout', :wait_ms, true),"
    " set_config('idle_in_transaction_session_timeout', :stalled_ms, true),"
    f" pg_advisory_xact_lock({_NAMESPACE}, {_WRITER})"
)

#: An upload may take hours, whatever the server allows others. The last name is known from PostgreSQL 17 on.
_TAKE_TIME = (
    f"{_KEPT_ALIVE}, set_config('idle_in_transaction_session_timeout', '0', true),"
    " (SELECT set_config(name, '0', true) FROM pg_settings WHERE name = 'transaction_timeout')"
)

_SHARE = text(f"SELECT {_TAKE_TIME}, pg_advisory_xact_lock_shared({_NAMESPACE}, {_PUBLICATION})")
_LOCK = text(
    f"SELECT {_TAKE_TIME}, set_config('lock_timeout', :wait_ms, true),"
    f" pg_advisory_xact_lock({_NAMESPACE}, {_PUBLICATION})"
)

_WHO_ANSWERS = text("SELECT pg_backend_pid(), pg_is_in_recovery()")

#: What poolers answer, and what to do then.
_POOLER_SAYS = (
    (("unsupported startup parameter", "command-line options"),
     "a pooler lets no such parameter through: take it out of the URL, or name it in its ignore_startup_parameters"),
    (("query_wait_timeout", "no more connections allowed", "max clients reached", "MaxClients", "pool_size"),
     "the pooler has too few connections for all workers: give it more, one and a half for each of them"),
)  # fmt: skip

#: What keeps a pool of single statements from holding a state.
NOT_WHOLE = (
    "a pooler gives every statement another session of the server: use its transaction or session mode, or name the "
    "server's own port"
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
                "prepare_threshold": None,  # a prepared statement belongs to a session
                **_KEEPALIVES,
                "tcp_user_timeout": _UNACKNOWLEDGED_MS,
            },
        )
    except ModuleNotFoundError:
        raise EnvironmentLacks(
            f"a state in PostgreSQL needs psycopg: {pip_install_extra('postgres')}"
        ) from None
    reader = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return reader, engine.execution_options(isolation_level="READ COMMITTED")


def become_writer(connection: Connection, wait_seconds: float) -> None:
    """Wait until no other transaction writes. Raises OperationalError after `wait_seconds`."""
    milliseconds = {"wait_ms": wait_seconds * 1000, "stalled_ms": STALLED_WRITER_SECONDS * 1000}
    connection.execute(_BECOME_WRITER, {name: str(int(value)) for name, value in milliseconds.items()})


def _with_psycopg(url: str) -> URL:
    """Raises ArgumentError for what is no URL; nothing of it is told, as it may hold a password."""
    try:
        found = make_url(url).set(drivername="postgresql+psycopg")
    except ValueError:
        raise ArgumentError("its port is no number") from None
    if found.host and not is_host(found.host):
        raise ArgumentError("its host is no name that can be looked up")
    if found.port is not None and not 0 < found.port < 65536:
        raise ArgumentError("its port is none")
    return found


class Publication:
    """A transaction that holds the lock which any number may share, until it has committed the rows or is ended."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._transaction = connection.begin()
        connection.execute(_SHARE)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """The writing transaction that names what was uploaded: one only, as the lock ends with it."""
        if not self._transaction.is_active:
            raise RuntimeError("a publication ends with the commit that names its files")
        with self._transaction:
            yield self._connection

    def end(self) -> None:
        """Raises OperationalError where the transaction was cut off: others may have removed the files."""
        if self._transaction.is_active:
            self._transaction.commit()


@contextmanager
def standstill(connection: Connection, wait_seconds: float) -> Iterator[Callable[[], None]]:
    """Hold that lock alone. Whoever waits for it keeps others from sharing it, so only for a moment at a time.

    Gives what raises OperationalError once it is not held any more. Raises StoreBusy.
    """
    give_up = time.monotonic() + wait_seconds
    while not _alone(connection, min(wait_seconds, _TURN_SECONDS)):
        if time.monotonic() >= give_up:
            raise StoreBusy("other machines are publishing artifacts; try again later")
        time.sleep(_TURN_SECONDS)
    yield lambda: connection.execute(_WHO_ANSWERS).close()
    connection.commit()


def _alone(connection: Connection, wait_seconds: float) -> bool:
    """Whether the lock is held now, by the transaction that was begun."""
    try:
        connection.execute(_LOCK, {"wait_ms": str(max(1, int(wait_seconds * 1000)))})
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
            raise
        connection.rollback()
        return False
    return True


def check_server(connection: Connection) -> None:
    """Raises InvalidInput where transactions are not one session's, or the server only repeats another's."""
    (session, repeats), (same, _) = (connection.execute(_WHO_ANSWERS).one() for _ in range(2))
    if session != same:
        raise InvalidInput(NOT_WHOLE)
    if repeats:
        raise InvalidInput(
            "it is a standby, which can only be read and is behind; name the primary, and let no pooler send reads "
            "elsewhere"
        )


def hint(said: str) -> str:
    """What to do where a pooler said that, as the end of a sentence; empty where it was none."""
    return next((f"; {what}" for words, what in _POOLER_SAYS if any(word in said for word in words)), "")


def tells_statement_mode(said: str) -> bool:
    return "statement pooling" in said
