"""Asking over HTTP: what is on this machine or of its cloud is asked without a proxy; redirections are not followed."""

from __future__ import annotations

import http.client
import ipaddress
import socket
import threading
import urllib.request
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

#: Metadata services by name, and where their addresses are not link-local (Alibaba; AWS and Google over IPv6).
_METADATA = frozenset(
    {
        "localhost",
        "metadata",
        "metadata.google.internal",
        "metadata.goog",
        "instance-data",
        "instance-data.ec2.internal",
        "100.100.100.200",
        "fd00:ec2::254",
        "fd20:ce::254",
    }
)


class _NotFollowed(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """The redirection itself is the answer, and raised as an HTTPError."""


def is_direct(url: str) -> bool:
    """Whether an address is this machine's own (loopback) or its cloud's (link-local, metadata)."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    if host in _METADATA or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_link_local or address.is_unspecified


class Deadline:
    """Of all that is asked in its block: a timeout begins anew with every byte that comes. When it has `passed`, its
    connections end, and what came of an answer may be a part of it."""

    def __init__(self, seconds: float) -> None:
        self.passed = False
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._connections: list[socket.socket] = []

    def __enter__(self) -> Deadline:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._lock:
            for connection in self._connections:
                connection.close()
            self._connections.clear()

    def covers(self, connection: socket.socket) -> None:
        """This connection ends at the deadline too, whatever becomes of the object."""
        with self._lock:
            self._connections.append(connection.dup())
        if self.passed:
            self._end()

    def _end(self) -> None:
        with self._lock:
            self.passed = True
            for connection in self._connections:
                with suppress(OSError):  # it has ended
                    connection.shutdown(socket.SHUT_RDWR)


def ask(
    request: urllib.request.Request, timeout_seconds: float, deadline: Deadline
) -> http.client.HTTPResponse:
    """The answer, to be read and closed before the deadline's block ends. timeout_seconds: of each wait.

    Raises HTTPError for one that is no success, redirections among them; other OSErrors, HTTPException and ValueError
    as urllib does.
    """
    proxies: dict[str, str] | None = {} if is_direct(request.full_url) else None
    plain, secure = _handlers(deadline)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxies), plain, secure, _NotFollowed)
    answer: http.client.HTTPResponse = opener.open(request, timeout=timeout_seconds)
    return answer


def _handlers(deadline: Deadline) -> tuple[urllib.request.HTTPHandler, urllib.request.HTTPSHandler]:
    """urllib's, whose connections the deadline covers from before their TLS handshake on."""

    class Connection(http.client.HTTPConnection):
        def connect(self) -> None:
            super().connect()
            deadline.covers(self.sock)

    class SecureConnection(http.client.HTTPSConnection, Connection):
        pass

    class Plain(urllib.request.HTTPHandler):
        def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(Connection, request)

    class Secure(urllib.request.HTTPSHandler):
        def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(SecureConnection, request)

    return Plain(), Secure()
