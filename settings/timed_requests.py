"""`requests` with one deadline on the whole of a try, whatever the server sends, and how slowly."""

from __future__ import annotations

import logging
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from settings.deadline import Deadline


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
