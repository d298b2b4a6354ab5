"""A PgBouncer of a test's own before the tests' PostgreSQL, on a Unix socket."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.postgres import UNPRIVILEGED, USER, PostgresServer, die_with_parent
from tests.support import await_value

_PORT = 6432


@contextmanager
def pooler(server: PostgresServer, mode: str, *settings: str) -> Iterator[str]:
    """A pool of `mode`: session, transaction or statement. Gives the query part of a URL that goes through it.

    settings: `name = value`. Skips where PgBouncer is not installed.
    """
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("PgBouncer: `pgbouncer` is not on PATH")
    folder = server.folder / f"pooler-{mode}"
    folder.mkdir()
    lines = (
        "[databases]", f"* = host={server.folder} user={USER}",
        "[pgbouncer]", f"pool_mode = {mode}", f"unix_socket_dir = {folder}", f"listen_port = {_PORT}",
        "listen_addr =", "auth_type = any", f"logfile = {folder}/log", *settings,
    )  # fmt: skip
    (folder / "pooler.ini").write_text("\n".join(lines), encoding="utf-8")
    as_nobody = {"user": UNPRIVILEGED} if os.geteuid() == 0 else {}
    if as_nobody:
        shutil.chown(folder, UNPRIVILEGED)
    process = subprocess.Popen(
        [program, "-q", str(folder / "pooler.ini")],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=die_with_parent, **as_nobody,
    )  # fmt: skip
    try:
        await_value(lambda: (folder / f".s.PGSQL.{_PORT}").exists(), bool, "PgBouncer listens")
        yield f"host={folder}&port={_PORT}"
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder)


def through(url: str, query: str) -> str:
    """`url` of a database of the tests' server, by way of the pooler."""
    return f"{url.partition('?')[0]}?{query}"
