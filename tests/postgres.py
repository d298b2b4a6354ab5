"""A PostgreSQL server of the tests' own, on a Unix socket."""

from __future__ import annotations

import ctypes
import itertools
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from db.engine import Database
from db.migrate import revisions
from db.schema import Base
from tests.support import await_value

USER = "baton"

#: PostgreSQL refuses to run as root.
UNPRIVILEGED = "nobody"

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def find_binaries() -> Path | None:
    """The folder of `initdb` and `postgres`, or None."""
    found = shutil.which("initdb")
    if found is None or shutil.which("postgres") is None:
        return None
    return Path(found).resolve().parent


class PostgresServer:
    """A running server. Text is ordered as in English and not by bytes, as on most servers."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        """folder: a short path (the socket lies in it), of the user the server runs as."""
        self._binaries = binaries
        self.folder = folder
        self._numbers = itertools.count()
        self._process: subprocess.Popen[bytes] | None = None
        words = [str(binaries / "initdb"), "--pgdata", str(folder / "data"), "--username", USER, "--auth", "trust",
                 "--encoding", "UTF8", "--locale-provider", "icu", "--icu-locale", "en-US", "--no-sync"]  # fmt: skip
        made = subprocess.run(words, capture_output=True, text=True, **_as_nobody(folder))
        assert made.returncode == 0, made.stderr
        self.start()

    def start(self, *settings: str) -> None:
        """settings: `name=value`. Tests need no power cut survived."""
        words: Sequence[str] = [
            str(self._binaries / "postgres"), "-D", str(self.folder / "data"), "-k", str(self.folder),
            "-c", "listen_addresses=", "-c", "fsync=off", *(word for s in settings for word in ("-c", s)),
        ]  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent,
                **_as_nobody(self.folder),
            )
        await_value(self._answers, bool, "PostgreSQL answers")

    def stop(self) -> None:
        """At once: every connection breaks, and nothing is put away."""
        assert self._process is not None
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait()

    def url(self, name: str) -> str:
        return f"postgresql://{USER}@/{name}?host={self.folder}"

    def create(self) -> str:
        """A fresh database without tables; its name."""
        name = f"baton{next(self._numbers)}"
        self._administer(f"CREATE DATABASE {name}")
        return name

    def _administer(self, statement: str) -> None:
        engine = create_engine(
            self.url("postgres").replace("://", "+psycopg://"), isolation_level="AUTOCOMMIT"
        )
        with engine.connect() as connection:
            connection.execute(text(statement))
        engine.dispose()

    def _answers(self) -> bool:
        assert self._process is not None and self._process.poll() is None, (self.folder / "log").read_text()
        try:
            self._administer("SELECT 1")
        except OperationalError:
            return False
        return True


def empty(url: str) -> None:
    """Make a state as new: no rows, ids from 1, and another key."""
    database = Database(url)
    with database.write() as tx:
        tables = ", ".join(table for table in Base.metadata.tables if table != "identity")
        tx.execute(text(f"TRUNCATE {tables} RESTART IDENTITY CASCADE"))
        tx.execute(text("UPDATE identity SET key = :key, shared = false"), {"key": secrets.token_hex(16)})
        tx.execute(text("UPDATE alembic_version SET version_num = :head"), {"head": revisions()[0]})
    database.close()


def count_up_at_once(database: Database, writers: int, turns: int) -> None:
    """Each writer reads the only job's slices, adds one and writes them, so many times."""

    def count_up() -> None:
        for _ in range(turns):
            with database.write() as tx:
                count = tx.execute(text("select slices from job")).scalar_one()
                tx.execute(text("update job set slices = :n"), {"n": count + 1})

    threads = [threading.Thread(target=count_up) for _ in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@contextmanager
def postgres_server(binaries: Path) -> Iterator[PostgresServer]:
    folder = Path(tempfile.mkdtemp(prefix="baton-pg-"))
    if os.geteuid() == 0:
        shutil.chown(folder, UNPRIVILEGED)
    server = None
    try:
        server = PostgresServer(binaries, folder)
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder)


def _as_nobody(folder: Path) -> dict[str, Any]:
    identity = {"user": UNPRIVILEGED} if os.geteuid() == 0 else {}
    return {"cwd": folder, **identity}


_LIBC = ctypes.CDLL(None)


def die_with_parent() -> None:
    """For `preexec_fn`: an orderly end at once when whoever runs the tests is gone."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)
