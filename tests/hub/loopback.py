"""A Hub on this machine's loopback, with repositories that a test makes, and faults that it asks for."""

from __future__ import annotations

import functools
import hashlib
import json
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT, OTHER_COMMIT = "c0ffee" + "0" * 34, "beef" + "1" * 36
#: Files from this size on are stored as large ones, by SHA-256.
LARGE = 1000
PAGE = 50


@functools.cache
def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def etag_of(content: bytes) -> str:
    return f'"{digest_of(content)}"'


@dataclass
class Repository:
    """files: by path. content is bytes."""

    files: dict[str, bytes]
    kind: str = "dataset"
    commit: str = COMMIT
    branches: dict[str, str] = field(default_factory=lambda: {"main": COMMIT})
    gated: bool = False
    token: str | None = None
    listed: Callable[[list[dict[str, Any]]], list[dict[str, Any]]] = lambda entries: entries


@dataclass(frozen=True)
class Fault:
    """What becomes of one answer for bytes.

    status: instead of one. wait: what Retry-After says. cut_after: bytes of the body, then `then` is called and the
    connection reset. wrong_from: the byte there, and 64 KiB of zeros after it, are others. length: what Content-Length
    says is so much more. redirect: to this address. whole: ranges are not known to it. headers: in place of its own.
    """

    status: int | None = None
    wait: str | None = None
    cut_after: int | None = None
    wrong_from: int | None = None
    length: int = 0
    redirect: str | None = None
    whole: bool = False
    then: Callable[[], None] | None = None
    headers: tuple[tuple[str, str], ...] = ()


@dataclass
class Hub:
    """A running one. asked: (path, Range) of each question for bytes. sent: bytes of bodies of files; corrupt: those of
    answers that were made wrong. answers: (path, first byte, bytes sent, fault) of each that has ended."""

    repositories: dict[str, Repository]
    url: str = ""
    fault: Callable[[str, int, int], Fault | None] = lambda path, start, end: None
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    seen: list[dict[str, str]] = field(default_factory=list)
    sent: Counter[str] = field(default_factory=Counter)
    corrupt: int = 0
    answers: list[tuple[str, int, int, Fault]] = field(default_factory=list)
    api_faults: list[Fault] = field(default_factory=list)
    pace: float | None = None
    free_at: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def await_turn(self, count: int) -> None:
        """The wire that all answers share takes so long for so many bytes."""
        assert self.pace is not None
        with self.lock:
            self.free_at = max(self.free_at, time.monotonic()) + count / self.pace
            wait = self.free_at - time.monotonic()
        time.sleep(max(0.0, wait))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def setup(self) -> None:
        """What counts as sent has left: a megabyte in a buffer of the system's has not, and goes with a cut."""
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
        super().setup()

    def log_message(self, *_: Any, **__: Any) -> None:
        """Nothing on the terminal of the tests."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        hub: Hub = self.server.hub
        parts = urlsplit(self.path)
        path = unquote(parts.path)
        with hub.lock:
            hub.seen.append({"path": path, **{name.lower(): value for name, value in self.headers.items()}})
        with suppress(BrokenPipeError, ConnectionResetError):
            if path.startswith("/api/"):
                self._api(hub, path, parse_qs(parts.query))
            else:
                self._resolve(hub, path)

    def _json(self, value: Any, status: int = 200, **headers: str) -> None:
        body = json.dumps(value).encode()
        self._head(status, len(body), **headers)
        self.wfile.write(body)

    def _head(self, status: int, length: int, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def _refused(self, status: int, code: str) -> None:
        self._json({"error": code}, status, X_Error_Code=code, X_Error_Message=code)

    def _allowed(self, repository: Repository | None) -> bool:
        if repository is None:
            self._refused(404, "RepoNotFound")
            return False
        if repository.token is not None and self.headers.get("Authorization") != f"Bearer {repository.token}":
            self._refused(*((403, "GatedRepo") if repository.gated else (401, "RepoNotFound")))
            return False
        return True

    def _api(self, hub: Hub, path: str, query: dict[str, list[str]]) -> None:
        if hub.api_faults:
            fault = hub.api_faults.pop(0)
            more = {"Retry_After": fault.wait} if fault.wait is not None else {}
            self._json({"error": "later"}, fault.status or 500, **more)
            return
        found = re.fullmatch(r"/api/(dataset|model)s/([^/]+/[^/]+)/(revision|tree)/([^/]+)(?:/(.*))?", path)
        plain = re.fullmatch(r"/api/(dataset|model)s/([^/]+/[^/]+)", path)
        groups = found.groups() if found else (*plain.groups(), "revision", "main", None) if plain else None
        if groups is None:
            self._refused(404, "RepoNotFound")
            return
        kind, name, what, revision, below = groups
        repository = hub.repositories.get(name)
        if repository is not None and repository.kind != kind:
            repository = None
        if not self._allowed(repository):
            return
        assert repository is not None
        commit = repository.branches.get(revision, revision)
        if commit not in repository.branches.values():
            self._refused(404, "RevisionNotFound")
        elif what == "revision":
            self._json({"id": name, "sha": commit, "siblings": [], "tags": [], "downloads": 0, "likes": 0,
                        "private": False, "lastModified": "2026-01-01T00:00:00.000Z"})  # fmt: skip
        else:
            self._tree(hub, repository, below, query)

    def _tree(self, hub: Hub, repository: Repository, below: str | None, query: dict[str, list[str]]) -> None:
        entries = []
        for path, content in sorted(repository.files.items()):
            if below and path != below and not path.startswith(f"{below}/"):
                continue
            blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            entry: dict[str, Any] = {"type": "file", "path": path, "size": len(content), "oid": blob}
            if len(content) >= LARGE:
                entry["lfs"] = {"oid": digest_of(content), "size": len(content), "pointerSize": 130}
            entries.append(entry)
        if not entries:
            self._refused(404, "EntryNotFound")
            return
        entries = repository.listed(entries)
        at = int(query.get("cursor", ["0"])[0])
        more = {}
        if at + PAGE < len(entries):
            more["Link"] = (
                f'<{hub.url}{urlsplit(self.path).path}?recursive=True&cursor={at + PAGE}>; rel="next"'
            )
        self._json(entries[at : at + PAGE], **more)

    def _resolve(self, hub: Hub, path: str) -> None:
        found = re.fullmatch(r"(?:/datasets)?/([^/]+/[^/]+)/resolve/([^/]+)/(.*)", path)
        repository = hub.repositories.get(found.group(1)) if found else None
        if not self._allowed(repository):
            return
        assert found is not None and repository is not None
        content = repository.files.get(found.group(3))
        if content is None or found.group(2) not in repository.branches.values():
            self._refused(404, "EntryNotFound")
            return
        self._bytes(hub, found.group(3), content)

    def _bytes(self, hub: Hub, path: str, content: bytes) -> None:
        asked = self.headers.get("Range")
        start, end, status = 0, len(content), 200
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", asked or "")
        if match and self.headers.get("If-Range") in (None, etag_of(content)):
            start, end = int(match.group(1)), min(len(content), int(match.group(2) or len(content)) + 1)
            status = 206
        with hub.lock:
            hub.asked.append((path, asked))
            fault = hub.fault(path, start, end) or Fault()
        if hub.pace is not None:  # what was never on the wire shall not count
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
        if fault.whole:
            start, end, status = 0, len(content), 200
        if fault.redirect is not None:
            self._head(302, 0, Location=fault.redirect)
            return
        if fault.status is not None:
            self._head(fault.status, 0, **({"Retry_After": fault.wait} if fault.wait is not None else {}))
            return
        body = memoryview(content)[start:end]
        headers = {"ETag": etag_of(content)}
        if status == 206:
            headers["Content_Range"] = f"bytes {start}-{end - 1}/{len(content)}"
        headers.update({name.replace("-", "_"): value for name, value in fault.headers})
        self._head(status, len(body) + fault.length, **headers)
        self._send(hub, path, body if fault.cut_after is None else body[: fault.cut_after], start, fault)

    def _send(self, hub: Hub, path: str, body: memoryview, start: int, fault: Fault) -> None:
        at, step = 0, 1 << 16
        try:
            while at < len(body):
                block = body[at : at + step]
                if fault.wrong_from is not None and at <= fault.wrong_from < at + len(block):
                    bad, place = bytearray(block), fault.wrong_from - at
                    bad[place:] = bytes([bad[place] ^ 1]) + bytes(len(bad) - place - 1)
                    block = memoryview(bytes(bad))
                self.connection.sendall(block)
                at += len(block)
                if hub.pace is not None:
                    hub.await_turn(len(block))
        finally:
            with hub.lock:
                hub.sent[path] += at
                if fault.wrong_from is not None or fault.length:
                    hub.corrupt += at
                hub.answers.append((path, start, at, fault))
        if fault.then is not None:
            fault.then()
        if fault.cut_after is not None or fault.length:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    hub: Hub

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that left."""


@contextmanager
def loopback(repositories: dict[str, Repository]) -> Iterator[Hub]:
    """A Hub with these, by `owner/name`."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        hub = server.hub = Hub(repositories, f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()
