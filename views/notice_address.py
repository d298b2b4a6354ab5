"""An address that tells that this machine goes away: AWS's, Google's, Azure's metadata service, or anybody's own."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Collection
from email.utils import parsedate_to_datetime
from functools import partial
from urllib.parse import unquote, urlsplit, urlunsplit

from settings.deadline import Deadline
from settings.direct import FAULTS, ask
from settings.shown import cut
from views.notice_words import LETTERS, NOTHING, Said, meaning

#: Of each step of a try, and of all of it: bytes that come one by one are each in time.
_TIMEOUT_SECONDS, _TRY_SECONDS = 1.0, 5.0

#: Google and Azure refuse requests without theirs; the others ignore them.
_HEADERS = {"Metadata-Flavor": "Google", "Metadata": "true"}

#: AWS asks for a token where IMDSv2 is required: this long it is good for.
_TOKEN_PATH, _TOKEN_HEADER = "/latest/api/token", "X-aws-ec2-metadata-token"
_TOKEN_LIFE = {"X-aws-ec2-metadata-token-ttl-seconds": "21600"}

#: Under which Azure calls this machine in its events.
_AZURE_NAME = "/metadata/instance/compute/name"
_AZURE_QUERY = "api-version=2021-02-01&format=text"

#: Of services that answer 200 although nothing is planned: 404 is a wrong path there.
_ALWAYS_THERE = ("/computeMetadata/", "/metadata/")

_BYTES = 65536

#: A service that spoke may be silent so many times in a row before that is told.
_SILENT_LOOKS = 3


class NoticeAddress:
    """Ask with `look` as often as you like; `trouble` is what keeps the address from speaking, in one sentence."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        login, _, place = parts.netloc.rpartition("@")
        self._url = urlunsplit((parts.scheme, place, parts.path, parts.query, ""))
        self._headers = dict(_HEADERS)
        if login:  # urllib would take it for the host's name
            self._headers["Authorization"] = f"Basic {b64encode(unquote(login).encode()).decode()}"
        self._token: str | None = None
        self._names: Collection[str] | None = None
        self._spoke = False
        self._silent = 0
        self.trouble: str | None = None

    def look(self) -> Said:
        """What it says now. Takes a few seconds at most, and raises nothing."""
        deadline = Deadline(_TRY_SECONDS)
        said, passing = self._ask(deadline)
        if deadline.passed:  # what came may be a part of the answer
            said, passing = Said(trouble=f"it does not answer within {_TRY_SECONDS:g} s"), True
        self._silent = self._silent + 1 if said.trouble else 0
        self._spoke = self._spoke or not said.trouble
        if said.trouble is None:
            self.trouble = None
        elif not passing or not self._spoke or self._silent >= _SILENT_LOOKS:
            self.trouble = f"the notice address {self._url} cannot warn: {said.trouble}"
        return said

    def _ask(self, deadline: Deadline) -> tuple[Said, bool]:
        """What it says, and whether the trouble with it may pass by itself."""
        try:
            return self._said(deadline), False
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 404 and not self._always_there(error):
                    return NOTHING, False
                return Said(
                    trouble=cut(self._refusal(error), LETTERS)
                ), error.code == 429 or error.code >= 500
        except FAULTS as error:
            return Said(trouble=cut(_why(error, urlsplit(self._url).hostname), LETTERS)), True

    def _said(self, deadline: Deadline) -> Said:
        try:
            answer = self._get(self._url, deadline)
        except urllib.error.HTTPError as error:
            if error.code != 401:
                raise
            with error:
                self._token = self._new_token(deadline)
            answer = self._get(self._url, deadline)
        with answer:
            text = answer.read(_BYTES).decode(errors="replace")
            page = (
                answer.headers.get_content_type() or ""
            ) == "text/html" and "Content-Type" in answer.headers
            return meaning(
                text, page, _time_of(answer.headers.get("Date")), partial(self._machine_names, deadline)
            )

    def _get(self, url: str, deadline: Deadline) -> http.client.HTTPResponse:
        token = {} if self._token is None else {_TOKEN_HEADER: self._token}
        return ask(
            urllib.request.Request(url, headers={**self._headers, **token}), _TIMEOUT_SECONDS, deadline
        )

    def _new_token(self, deadline: Deadline) -> str:
        request = urllib.request.Request(self._beside(_TOKEN_PATH), headers=_TOKEN_LIFE, method="PUT")
        try:
            with ask(request, _TIMEOUT_SECONDS, deadline) as answer:
                return str(answer.read(_BYTES).decode("ascii").strip())
        except FAULTS as error:
            why = f"{error.code}" if isinstance(error, urllib.error.HTTPError) else _why(error, None)
            raise ValueError(f"it answers 401, and gives no token (PUT {_TOKEN_PATH}: {why})") from None

    def _machine_names(self, deadline: Deadline) -> Collection[str]:
        """Azure's name of this machine, and the machine's own where Azure does not say."""
        if self._names is None:
            own = socket.gethostname().lower()
            names = {own, own.partition(".")[0]}
            try:
                with self._get(self._beside(_AZURE_NAME, _AZURE_QUERY), deadline) as answer:
                    names.add(answer.read(_BYTES).decode(errors="replace").strip().lower())
            except FAULTS:
                return names  # it is asked again at the next look
            self._names = names
        return self._names

    def _beside(self, path: str, query: str = "") -> str:
        parts = urlsplit(self._url)
        return urlunsplit((parts.scheme, parts.netloc, path, query, ""))

    def _always_there(self, error: urllib.error.HTTPError) -> bool:
        path = urlsplit(self._url).path
        return path.startswith(_ALWAYS_THERE) or error.headers.get("Metadata-Flavor") == "Google"

    def _refusal(self, error: urllib.error.HTTPError) -> str:
        if 300 <= error.code < 400:
            return f"it sends elsewhere, as a login does ({error.code} to {error.headers.get('Location')})"
        if error.code == 401:
            return "it answers 401 although it was given a token"
        return f"it answers {error.code} {error.reason}".rstrip()


def _why(error: BaseException, host: str | None) -> str:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, socket.gaierror):
        return f"the name {host} cannot be found"
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({reason.verify_message})"
    if isinstance(reason, TimeoutError):
        return "it does not answer"
    if isinstance(error, http.client.HTTPException):
        return "what answers is no HTTP"
    if isinstance(reason, OSError) and reason.strerror:
        return f"it does not answer ({reason.strerror})"
    return str(reason) or type(error).__name__


def _time_of(date: str | None) -> float:
    """The time of day where the answer comes from, which the notice's own is of; else that of this machine."""
    try:
        return parsedate_to_datetime(date or "").timestamp()
    except (ValueError, TypeError):
        return time.time()
