"""Connections to the state, and how durable a commit is.

The state is SQLite in the home, or PostgreSQL where several machines share it (`db.postgres`).

SQLite runs in WAL mode, but where other machines see its file too (`db.network_file`). `write()` starts with BEGIN
IMMEDIATE, since a read transaction that later wants to write fails at once whatever the busy timeout.

Durability. A commit survives a killed process as soon as it returns (synchronous=NORMAL). Against a
power cut the write-ahead log is synced beside the work, one fsync for however many commits came in
meanwhile (group commit), and without holding SQLite's write lock as synchronous=FULL would, which costs
an fsync (milliseconds) a job. `settle()` waits until all is on the disk; `durable` commits do so before
they return. The log is a prefix log: a power cut can only undo the last tenth of a second as a whole, and
jobs whose end was undone are run again. PostgreSQL syncs every commit: workers outlive their server there,
and two of them may not hold one lease token.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, OperationalError

from db import postgres
from db.database_errors import lost, named_errors
from db.log_sync import LogSync
from db.log_sync import sqlite_module as sqlite_module
from db.network_file import configure, give_back, is_shared, lease_of
from db.read_only import ReadOnlyFile
from settings.elsewhere import sqlite_file
from settings.file_system import network_kind
from settings.home import Home
from settings.lease import Lease
from settings.ownership import refusal

if TYPE_CHECKING:
    import sqlite3

    from sqlalchemy.pool import ConnectionPoolEntry

#: How long a writer waits for another writer's transaction, and everybody for a server that is restarted.
BUSY_TIMEOUT_SECONDS = 60.0
_RECONNECT_SECONDS = 0.5

#: Prepared statements a connection keeps: more than Baton has. pysqlite3 gives up the least used of a full cache, which
#: after a migration are those that run for every job from then on.
_CACHED_STATEMENTS = 1024

_BEGIN = "baton_begin"


class Database:
    """The state in one place. Safe to share between threads; open one per process."""

    def __init__(self, place: str | Path, *, read_only: bool = False, lease: Lease | None = None) -> None:
        """place: an SQLite file, or a URL. read_only: of a file that this process may not write, and which it leaves
        alone (`db.read_only`); `write` then raises InvalidInput. lease: that was taken for a file which other machines
        see too; `write` asks for it, and `close` gives it back.

        Connects to nothing yet. Raises ArgumentError for a URL that is no state's.
        """
        self.is_sqlite = isinstance(place, Path) or place.startswith("sqlite")
        self.file = sqlite_file(place)
        self.read_only: ReadOnlyFile | None = None
        self._lease = lease
        self._reader: Engine
        self._writer: Engine
        self._log: LogSync | None = None
        self._answered = False
        self._here = threading.local()
        self._named_errors = partial(named_errors, self.file)
        if isinstance(place, Path) and read_only:
            self.read_only = read_only_file(place)
            self._reader = self._writer = _sqlite_engine(URL.create("sqlite"), self.read_only)
        elif self.is_sqlite:
            # A path is no URL: `?` in it begins no options.
            url = URL.create("sqlite", database=str(place)) if isinstance(place, Path) else make_url(place)
            in_network = self.file is not None and network_kind(self.file) is not None
            self._reader = _sqlite_engine(url, in_network=self.file if in_network else None)
            self._writer = self._reader.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})
            self._log = None if in_network else LogSync(Path(str(url.database)))
        elif postgres.is_postgres(str(place)):
            self._reader, self._writer = postgres.make_engines(str(place))
        else:
            raise ArgumentError("the state's URL must begin with postgresql:// or sqlite://")

    @property
    def home(self) -> Home | None:
        """Whose state it is, where its place tells; for messages."""
        if self.file is None or (home := Home(self.file.parent)).state_db != self.file:
            return None
        return home

    @contextmanager
    def write(self, *, durable: bool = False) -> Iterator[Connection]:
        """One writing transaction: commits at the end, rolls back on any exception. No other writes meanwhile.

        Raises DiskFull when there is no room for it, StateLost when the server goes away: a commit that was
        under way then may have happened. Raises StateBusy where another writer goes on for too long, StateDamaged on
        damage, as `read`, and InvalidInput where the state can only be read.
        """
        if self.read_only is not None:
            raise refusal("write", self.read_only.path)
        if self._lease is not None:
            self._lease.enter()
        with self._named_errors(), self._writing() as connection:
            # Again: one of this machine may have given it back, which from here on none does (`give_back`).
            holding = self._lease.enter() if self._lease is not None else ""
            if not self.is_sqlite:
                postgres.become_writer(connection, BUSY_TIMEOUT_SECONDS)
            yield connection
            if self._lease is not None:
                self._lease.confirm(holding)
        if self._log is not None:
            self._log.committed()
            if durable:
                self._log.settle()

    def settle(self) -> None:
        """Wait until every commit of this process is on the disk. Raises OSError."""
        if self._log is not None:
            self._log.settle()

    def settle_all(self) -> None:
        """The same for every commit that can be read by now, whoever made it: before what they no longer name goes."""
        if self._log is not None and self.read_only is None:
            self._log.sync_now()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent snapshot. Never waits for a writer. Raises StateLost and StateDamaged."""
        if self._lease is not None:
            self._lease.need()
        with self._named_errors(), self._connect(self._reader) as connection, connection.begin():
            yield connection

    @contextmanager
    def publication(self) -> Iterator[None]:
        """Around an upload and the commit that names it, by `write` in this thread: no machine removes objects
        meanwhile, or the commit fails (StateLost).

        A state in a file is one machine's, whose store has locks of its own (`db.store`).
        """
        if self.is_sqlite:
            yield
            return
        with self._named_errors(), self._connect(self._writer) as connection:
            publication = self._here.publication = postgres.Publication(connection)
            try:
                yield
            finally:
                self._here.publication = None
            publication.end()

    @contextmanager
    def standstill(self, wait_seconds: float) -> Iterator[Callable[[], None]]:
        """No machine is in a publication. Raises StoreBusy when one is for all that time.

        Gives what raises StateLost once that is not so any more: ask it before something is removed.
        """
        if self.is_sqlite:
            yield lambda: None
            return
        with (
            self._named_errors(),
            self._connect(self._writer) as connection,
            postgres.standstill(connection, wait_seconds) as still,
        ):
            yield still

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        publication: postgres.Publication | None = getattr(self._here, "publication", None)
        if publication is None:
            with self._connect(self._writer) as connection, connection.begin():
                yield connection
        else:
            with publication.write() as connection:
                yield connection

    def close(self) -> None:
        """Lets go of everything, whatever becomes of it. Raises OSError, as `settle`."""
        with ExitStack() as stack:
            if self._lease and self.file:
                stack.callback(give_back, self.file, self._lease)
            if self.read_only is not None:
                stack.callback(self.read_only.close)
            stack.callback(self._reader.dispose)
            if self._log is not None:
                stack.callback(self._log.close)
                self._log.settle()

    def _connect(self, engine: Engine) -> Connection:
        """A server that answered before and does not now is waited for: nothing was begun, so nothing is lost."""
        give_up = time.monotonic() + BUSY_TIMEOUT_SECONDS
        while True:
            try:
                connection = engine.connect()
            except OperationalError as error:
                if self.is_sqlite or not self._answered:
                    raise
                if time.monotonic() >= give_up:
                    raise lost(error) from None
                time.sleep(_RECONNECT_SECONDS)
            else:
                self._answered = True
                return connection


def read_only_file(path: Path) -> ReadOnlyFile:
    """The file as this process may look at it where it lies."""
    lease = Lease(lease_of(path), str(path)) if is_shared(path) else None
    return ReadOnlyFile(path, sqlite_module(), BUSY_TIMEOUT_SECONDS, lease)


def _sqlite_engine(url: URL, read_only: ReadOnlyFile | None = None, in_network: Path | None = None) -> Engine:
    """in_network: file that other machines see too."""
    if read_only is None:
        engine = create_engine(
            url,
            module=sqlite_module(),
            connect_args={
                "timeout": BUSY_TIMEOUT_SECONDS,
                "check_same_thread": False,
                "cached_statements": _CACHED_STATEMENTS,
            },
            pool_reset_on_return=None,  # `read` and `write` never return a connection inside a transaction
        )
    else:
        engine = create_engine(
            url,
            module=sqlite_module(),
            creator=read_only.connect,
            poolclass=NullPool,
            pool_reset_on_return=None,
        )

    @event.listens_for(engine, "connect")
    def _configure(dbapi_connection: sqlite3.Connection, _record: ConnectionPoolEntry) -> None:
        dbapi_connection.isolation_level = None  # transactions are begun below, not guessed by the driver
        cursor = dbapi_connection.cursor()
        if in_network is not None:
            configure(cursor, in_network)
        else:
            if read_only is None:
                cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA cache_size=-65536")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        driver_connection = connection.connection.driver_connection
        assert driver_connection is not None
        driver_connection.execute(connection.get_execution_options().get(_BEGIN, "BEGIN"))

    return engine


def fresh_file_mode(path: os.PathLike[str]) -> None:
    """Make the database file before SQLite does, readable by its owner only."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
