"""Asking over HTTP: what is on this machine or of its cloud is asked without a proxy, redirections are not followed,
and all of it ends at one deadline."""

from __future__ import annotations

import http.client
import ipaddress
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from settings.deadline import Deadline

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


#: What asking and reading an answer raise. OverflowError: a chunk of more bytes than a machine can count.
FAULTS = (OSError, http.client.HTTPException, ValueError, OverflowError)


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


def ask(
    request: urllib.request.Request, timeout_seconds: float, deadline: Deadline | None = None
) -> http.client.HTTPResponse:
    """The answer, to be closed. timeout_seconds: of each wait, and of all of it where no `deadline` is given.

    Raises HTTPError for one that is no success, redirections among them; other OSErrors (TimeoutError at the deadline,
    also while the answer is read) and `FAULTS` as urllib does.
    """
    until = deadline or Deadline(timeout_seconds)
    proxies: dict[str, str] | None = {} if is_direct(request.full_url) else None
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler(proxies), _NotFollowed, _Http(until), _Https(until)
    )
    answer: http.client.HTTPResponse = until.result(lambda: opener.open(request, timeout=timeout_seconds))
    return answer


class _Http(urllib.request.HTTPHandler):
    def __init__(self, deadline: Deadline) -> None:
        super().__init__()
        self._deadline = deadline

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._deadline.connection(http.client.HTTPConnection), req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, deadline: Deadline) -> None:
        super().__init__()
        self._deadline = deadline

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._deadline.connection(http.client.HTTPSConnection), req)
