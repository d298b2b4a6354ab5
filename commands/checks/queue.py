"""Broker, SQLite and Flower: what the queue stands on."""

from __future__ import annotations

import subprocess

import redis

from commands.checks.finding import MISSING, OK, WARNING, Finding, version_of
from commands.session_options import broker_from_environment
from db.engine import sqlite_module
from errors import EnvironmentLacks
from settings.installing import pip_install
from settings.tool import ask_tool
from workers.broker import connect, fault_of, find_server, try_it

#: SQLite's WAL-reset bug: in 3.7.0 to 3.51.2 but for these backports (sqlite.org/wal.html).
_WAL_FIRST, _WAL_FIXED = (3, 7, 0), (3, 51, 3)
_WAL_BACKPORTS = ((3, 50, 7), (3, 44, 6))

#: Longest wait for the server's binary to say its version.
_TOOL_SECONDS = 10.0


def findings() -> list[Finding]:
    return [_broker(), _sqlite(), _flower()]


def has_wal_reset_bug(version: tuple[int, ...]) -> bool:
    """Whether two processes that write at the same moment may corrupt a database in WAL mode."""
    if any(version[:2] == fixed[:2] and version >= fixed for fixed in _WAL_BACKPORTS):
        return False
    return _WAL_FIRST <= version < _WAL_FIXED


def _broker() -> Finding:
    url = broker_from_environment()
    if url is not None:
        return _named_broker(url)
    try:
        server = find_server()
    except EnvironmentLacks as error:
        return Finding("queue", "broker", MISSING, "no Redis", str(error), needed=True)
    try:
        answer = ask_tool([str(server), "--version"], _TOOL_SECONDS)
        runs = answer.returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        runs = False
    if not runs:
        detail = f"{server} does not run"
        return Finding("queue", "broker", MISSING, detail, "install redis-server", needed=True)
    words = dict(word.split("=", 1) for word in answer.stdout.split() if "=" in word)
    return Finding("queue", "broker", OK, f"private Redis {words.get('v', '?')} ({server})")


def _named_broker(url: str) -> Finding:
    try:
        with connect(url) as client:
            version = client.info("server")["redis_version"]
        try_it(url)
    except (redis.RedisError, OSError, ValueError) as error:
        remedy = "start it, correct REDIS_URL, or unset REDIS_URL for a private one"
        return Finding("queue", "broker", MISSING, f"REDIS_URL {fault_of(error)}", remedy, needed=True)
    return Finding("queue", "broker", OK, f"Redis {version} at REDIS_URL")


def _sqlite() -> Finding:
    module = sqlite_module()
    detail = f"{module.sqlite_version} from {module.__name__.partition('.')[0]}"
    if has_wal_reset_bug(module.sqlite_version_info):
        remedy = f"{pip_install('pysqlite3>=0.6')}, which carries a later SQLite"
        return Finding("queue", "SQLite", WARNING, f"{detail}: it has the WAL-reset bug", remedy)
    return Finding("queue", "SQLite", OK, f"{detail}, without the WAL-reset bug")


def _flower() -> Finding:
    version = version_of("flower")
    if version is None:
        return Finding("queue", "Flower", MISSING, "not installed", pip_install("flower>=2.0.1,<3"))
    return Finding("queue", "Flower", OK, version)
