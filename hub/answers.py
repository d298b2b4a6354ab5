"""One question for bytes of a file, and its answer: as far as it is the one that was asked for.

Redirections are followed here: what proves who asks goes to the Hub's own address and to no other.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from settings.deadline import Deadline
from settings.direct import is_direct
from settings.faults import need_fact
from settings.shown import cut, first_line, shown
from settings.timed_requests import TimedSession, is_plain_answer

#: Read at a time; a cut loses no more.
BLOCK_BYTES = 1 << 16
_MOST_REDIRECTIONS = 5
_REDIRECTIONS = (301, 302, 303, 307, 308)
#: Statuses that a server means for now, beside all of 5xx.
_PASSING = frozenset({408, 423, 425, 429})
_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", re.ASCII)


class NoBytes(Exception):
    """The question brought nothing, or not all that it should; another try may. wait_seconds: what the server named.
    is_told: the server said so itself, by a status."""

    def __init__(self, why: str, wait_seconds: float | None = None, is_told: bool = False) -> None:
        super().__init__(why)
        self.wait_seconds, self.is_told = wait_seconds, is_told


class WrongAnswer(NoBytes):
    """It is not the answer to that question: another length, another place, another file."""


class Refused(Exception):
    """The server means it for good. status: of HTTP, 0 where it was not asked over that."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class _Moving(Deadline):
    """A deadline that is set anew for each block: what drips is given up, what is long is not."""

    def renew(self) -> None:
        self._end = time.monotonic() + self.seconds


@dataclass(frozen=True)
class Answer:
    """etag: a strong one, by which the server knows the content again; None where it names none."""

    etag: str | None
    blocks: Iterator[bytes]


class Asker:
    """Asks the Hub, with what proves who asks. For one thread."""

    def __init__(
        self,
        headers: Mapping[str, str],
        wait_seconds: float = 60.0,
        count: Callable[[int], None] = lambda _: None,
    ) -> None:
        """headers: sent to the address that is asked, and to no other. wait_seconds: for the head of an answer, and for
        each 64 KiB of its body. count: told of all bytes of bodies, also of those that are of no use."""
        self._headers = dict(headers)
        self._count = count
        self._deadline = _Moving(wait_seconds)
        self._session = TimedSession(self._deadline)
        self._session.headers.clear()
        self._session.auth = lambda request: request  # else one of ~/.netrc would stand in for it

    def close(self) -> None:
        self._session.close()

    @contextmanager
    def ask(self, url: str, size: int, span: tuple[int, int], etag: str | None) -> Iterator[Answer]:
        """Bytes `span[0]` to `span[1]` - 1 of a file of `size` bytes.

        etag: of the answers that brought the bytes before. Raises NoBytes (also while blocks are read), Refused.
        """
        headers = {"Accept-Encoding": "identity"}
        whole = span == (0, size)
        if not whole:
            headers["Range"] = f"bytes={span[0]}-{span[1] - 1}"
            if etag is not None:
                headers["If-Range"] = etag
        with _told():
            response = self._follow(url, headers)
        try:
            yield self._checked(response, size, span)
        finally:
            response.close()

    def _follow(self, url: str, headers: dict[str, str]) -> requests.Response:
        began = urlsplit(url)
        for _ in range(_MOST_REDIRECTIONS + 1):
            here = urlsplit(url)
            own = (here.scheme, here.hostname, here.port) == (began.scheme, began.hostname, began.port)
            self._deadline.renew()
            response = self._session.get(
                url,
                headers={**(self._headers if own else {}), **headers},
                stream=True,
                timeout=self._deadline.seconds,
                allow_redirects=False,
                proxies={"http": "", "https": "", "all": ""} if is_direct(url) else None,
            )
            self._session.cookies.clear()
            if response.status_code not in _REDIRECTIONS:
                return response
            if response.headers.get("Content-Length", "").isdecimal():
                response.raw.read(BLOCK_BYTES)  # so that the connection serves again, where that is all
            response.close()
            place = response.headers.get("Location", "")
            url = urljoin(url, place)
            scheme = urlsplit(url).scheme
            if scheme not in ("http", "https") or (here.scheme == "https" and scheme == "http"):
                raise WrongAnswer(f"it redirects to {shown(place)}")
        raise WrongAnswer(f"it redirects more than {_MOST_REDIRECTIONS} times")

    def _checked(self, response: requests.Response, size: int, span: tuple[int, int]) -> Answer:
        status, headers = response.status_code, response.headers
        if status not in (200, 206):
            why = f"it answers with status {status}"
            if status in _PASSING or status >= 500:
                raise NoBytes(why, retry_seconds(headers.get("Retry-After")), is_told=True)
            if status == 416 or status < 400:
                raise WrongAnswer(why)
            raise Refused(status, why)
        if (encoding := headers.get("Content-Encoding", "identity")) != "identity":
            raise WrongAnswer(f"it answers in {shown(encoding)}")
        first, wanted = 0, size
        if status == 206:
            found = _RANGE.fullmatch(headers.get("Content-Range", ""))
            if found is None or tuple(map(int, found.groups())) != (span[0], span[1] - 1, size):
                told = shown(headers.get("Content-Range"))
                raise WrongAnswer(f"it was asked for bytes {span[0]}-{span[1] - 1}/{size} and sends {told}")
            first, wanted = span[0], span[1] - span[0]
        length = headers.get("Content-Length")
        if length is not None and length != str(wanted):
            raise WrongAnswer(f"it sends {cut(length, 20)} bytes where there are {wanted}")
        etag = headers.get("ETag")
        strong = (
            etag if etag is not None and etag.startswith('"') and etag.isascii() and len(etag) < 200 else None
        )
        return Answer(strong, self._blocks(response, first, span))

    def _blocks(self, response: requests.Response, first: int, span: tuple[int, int]) -> Iterator[bytes]:
        """What of the body is in `span`: an answer from the beginning is passed over up to there."""
        at = first
        while at < span[1]:
            self._deadline.renew()
            with _told():
                block: bytes = response.raw.read(min(BLOCK_BYTES, span[1] - at), decode_content=False)
            if not block:
                raise NoBytes(f"it ends after {at} of {span[1]} bytes")
            self._count(len(block))
            skipped = max(0, span[0] - at)
            at += len(block)
            if skipped < len(block):
                yield block[skipped:] if skipped else block


@contextmanager
def _told() -> Iterator[None]:
    """Faults of connections and of answers that are no HTTP, as NoBytes; as Refused where there is no TLS."""
    try:
        yield
    except (
        requests.RequestException,
        urllib3.exceptions.HTTPError,
        OSError,
        ValueError,
        OverflowError,
    ) as error:
        need_fact(error)
        if is_plain_answer(error):
            raise Refused(0, "its address speaks http://, and not https://") from None
        raise NoBytes(first_line(error)) from None


def retry_seconds(retry_after: str | None, now: Callable[[], float] = time.time) -> float | None:
    """Seconds that a server asks to be left alone: a number, or a date."""
    if retry_after is None:
        return None
    if re.fullmatch(r"\d{1,9}", retry_after, re.ASCII):
        return float(retry_after)
    try:
        moment: Any = parsedate_to_datetime(retry_after)
        return max(0.0, float(moment.timestamp()) - now())
    except (TypeError, ValueError, OverflowError):
        return None
