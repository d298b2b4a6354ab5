"""`requests` with one deadline on the whole of a try, whatever the server sends, and how slowly."""

from __future__ import annotations

import logging
import ssl
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from settings.deadline import Deadline

#: What OpenSSL, of different versions, calls the beginning of an answer that is none of TLS.
_NO_TLS = frozenset(
    {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"}
)
_MOST_CAUSES = 10


def is_plain_answer(error: BaseException) -> bool:
    """Whether what answered a question over TLS speaks none: it will not the next time either."""
    cause: BaseException | None = error
    for _ in range(_MOST_CAUSES):
        if cause is None:
            return False
        if isinstance(cause, ssl.SSLError) and cause.reason in _NO_TLS:
            return True
        inner = getattr(cause, "reason", None)
        within = [one for one in (inner, *cause.args) if isinstance(one, BaseException)]
        cause = within[0] if within else cause.__cause__ or cause.__context__
    return False


class TimedSession(requests.Session):
    """For one try: reading an answer raises an error of requests or urllib3 when the deadline passes."""

    def __init__(self, deadline: Deadline) -> None:
        super().__init__()
        # It writes down, with a traceback, all of a head that it does not understand; what became of it is told anyway.
        logging.getLogger("urllib3.connection").setLevel(logging.ERROR)
        for scheme in ("http://", "https://"):
            self.mount(scheme, _TimedAdapter(deadline))

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Nowhere: whoever asks looks at the status, and `requests` at an address that may be none."""


class _TimedAdapter(HTTPAdapter):
    def __init__(self, deadline: Deadline) -> None:
        super().__init__()
        self._deadline = deadline

    def get_connection_with_tls_context(self, *arguments: Any, **options: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*arguments, **options)
        answers = {"response_class": staticmethod(self._deadline.response_class())}
        pool.ConnectionCls = type("TimedConnection", (pool.ConnectionCls,), answers)
        return pool
