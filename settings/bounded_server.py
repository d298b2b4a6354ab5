"""HTTP servers of ours: what clients can take of one is bounded, and by a name that is not ours nobody is answered.

A page of the web can have its own name lead to this machine (DNS rebinding) and then read what a server here answers.
It cannot have a number, or a name without a dot, lead here.
"""

from __future__ import annotations

import ipaddress
import json
import os
import socket
import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from tornado.http1connection import HTTP1Connection
from tornado.httpserver import HTTPServer
from tornado.httputil import (
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    ResponseStartLine,
)
from tornado.ioloop import IOLoop
from tornado.iostream import IOStream
from tornado.web import Application, RequestHandler

from settings.shown import cut

#: Of a request's line and headers.
_HEAD_BYTES = 1 << 14


@dataclass(frozen=True)
class Bounds:
    """body_bytes: of a request. connections: at a time. request_seconds: for the head of a request, and for its body.
    connection_seconds: from its beginning until it is closed, whatever goes on."""

    body_bytes: int
    connections: int
    request_seconds: float
    connection_seconds: float


class BoundedServer(HTTPServer):
    """One request a connection; there is no thread for any. names: how it is called beside this machine's own name."""

    def initialize(  # type: ignore[override]
        self,
        application: HTTPServerConnectionDelegate,
        bounds: Bounds,
        names: Iterable[str] = (),
        **options: Any,
    ) -> None:
        super().initialize(
            application,
            no_keep_alive=True,
            max_header_size=_HEAD_BYTES,
            max_body_size=bounds.body_bytes,
            idle_connection_timeout=bounds.request_seconds,
            body_timeout=bounds.request_seconds,
            **options,
        )
        self._bounds = bounds
        self._names = frozenset(name.lower() for name in (socket.gethostname(), *names))
        self._open: weakref.WeakSet[IOStream] = weakref.WeakSet()

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        if sum(not one.closed() for one in self._open) >= self._bounds.connections:
            stream.close()
            return
        self._open.add(stream)
        close = partial(_close, weakref.ref(stream))
        IOLoop.current().call_later(self._bounds.connection_seconds, close)
        super().handle_stream(stream, address)

    def start_request(self, server_conn: object, request_conn: Any) -> HTTPMessageDelegate:
        inner = super().start_request(server_conn, request_conn)
        return _Checked(inner, request_conn, self._bounds, self._names)


class SentenceHandler(RequestHandler):
    """What cannot be answered is answered with a sentence, as JSON."""

    def write_error(self, status_code: int, **about: Any) -> None:
        error = about.get("exc_info", (None, None))[1]
        said = getattr(error, "log_message", None) or self._reason
        self.finish({"error": f"{self.request.method} {cut(self.request.path)}: {said}"})


class NothingThere(SentenceHandler):
    """For all paths but those of an application."""

    def prepare(self) -> None:
        self.send_error(404)


def application(*handlers: Any) -> Application:
    return Application(list(handlers), default_handler_class=NothingThere, log_function=_unlogged)


def host_fault(host: str, names: Iterable[str]) -> str | None:
    """Why a request with that `Host` is not answered; None where it is. names: in small letters."""
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        if name in names or "." not in name.removesuffix(".localhost") or _is_address(name):
            return None if name else "the request names no host"
    except ValueError:  # brackets that do not match
        pass
    return (
        f"this server is not called {cut(host)}: ask it by its address, or name it so (BATON_..._URL in"
        " docs/configuration.md)"
    )


def own_names(service: str, address: str) -> list[str]:
    """How a service is called by the address that it was given, and by where people are said to reach it."""
    try:
        reached = urlsplit(os.environ.get(f"BATON_{service.upper()}_URL", "")).hostname
    except ValueError:  # brackets that do not match
        reached = None
    return [address, *([reached] if reached else [])]


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True


class _Checked(HTTPMessageDelegate):
    """Answers what is not allowed itself, before its body is read; the application hears nothing of it."""

    def __init__(
        self, inner: HTTPMessageDelegate, connection: HTTP1Connection, bounds: Bounds, names: frozenset[str]
    ) -> None:
        self._inner, self._connection, self._bounds, self._names = inner, connection, bounds, names
        self._refused = False

    def headers_received(self, start_line: Any, headers: HTTPHeaders) -> Any:
        host, length = headers.get("Host"), headers.get("Content-Length", "0")
        fault = None if host is None else host_fault(host, self._names)
        if fault is not None:
            return self._refuse(421, "Misdirected Request", fault)
        if (
            length.isascii()
            and length.isdigit()
            and len(length) < 19
            and int(length) > self._bounds.body_bytes
        ):
            said = f"the request's body has {length} bytes; at most {self._bounds.body_bytes} are read"
            return self._refuse(400, "Bad Request", said)
        return self._inner.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Any:
        return None if self._refused else self._inner.data_received(chunk)

    def finish(self) -> None:
        if not self._refused:
            self._inner.finish()

    def on_connection_close(self) -> None:
        if not self._refused:
            self._inner.on_connection_close()

    def _refuse(self, status: int, reason: str, sentence: str) -> None:
        self._refused = True
        content = json.dumps({"error": sentence}).encode()
        headers = HTTPHeaders({"Content-Type": "application/json", "Content-Length": str(len(content))})
        headers["Connection"] = "close"
        self._connection.write_headers(ResponseStartLine("HTTP/1.1", status, reason), headers, content)
        self._connection.finish()


def _close(stream: weakref.ref[IOStream]) -> None:
    opened = stream()
    if opened is not None:
        opened.close()


def _unlogged(_: RequestHandler) -> None:
    """What is asked, and how often, is for whoever asks."""
