"""Asking over HTTP: what is on this machine or of its cloud is asked without a proxy; redirections are not followed."""

from __future__ import annotations

import http.client
import ipaddress
import urllib.request
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


def ask(request: urllib.request.Request, timeout_seconds: float) -> http.client.HTTPResponse:
    """The answer, to be closed. Raises HTTPError for one that is no success, redirections among them; other OSErrors,
    HTTPException and ValueError as urllib does."""
    proxies: dict[str, str] | None = {} if is_direct(request.full_url) else None
    opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxies), _NotFollowed)
    answer: http.client.HTTPResponse = opener.open(request, timeout=timeout_seconds)
    return answer
