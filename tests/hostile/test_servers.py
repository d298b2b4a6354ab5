"""Servers that drip or answer with what is no action: policy servers, addresses, stores, the hub.

Limits are parameters, and lowered; what is asserted is the sentence that says which of them ended it.
"""

from __future__ import annotations

import gzip
import itertools
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from commands.health import _http
from db.remote import Remote
from errors import PolicyServerError, StoreUnreachable
from policies.remote import RemotePolicy
from settings.deadline import Deadline, result_at_pace
from settings.direct import ask
from tests.policies.http_servers import body, raw_server
from tests.policies.test_remote import query
from views.notice_address import NoticeAddress

#: The limit on a try, and how often a server says something.
LIMIT, PAUSE = 0.1, 0.004
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
NOTHING_IN_GZIP = gzip.compress(b"")

#: What is sent at once, and then again and again.
DRIPS = {
    "nothing": (b"", b""),
    "a status line": (b"HTTP/1.1 200 ", b"O"),
    "spaces before a status line": (b"", b" "),
    "100 Continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a header's name": (OK, b"x"),
    "a header's value": (OK + b"X: ", b"x"),
    "one header after the other": (OK, b"X: y\r\n"),
    "a body with its length": (OK + b"Content-Length: 10000\r\n\r\n", b"1"),
    "a body without a length": (OK + b"\r\n", b"1"),
    "blanks": (OK + b"\r\n", b" "),
    "a list without end": (OK + b"\r\n[0", b",0"),
    "chunks": (CHUNKED, b"1\r\n1\r\n"),
    "the size of a chunk": (CHUNKED, b"0"),
    "an extension of a chunk": (CHUNKED + b"1;", b"x"),
    "trailers": (CHUNKED + b"1\r\n1\r\n0\r\n", b"X: y\r\n"),
    "a trailer": (CHUNKED + b"1\r\n1\r\n0\r\nX: ", b"y"),
    "a refusal's body": (b"HTTP/1.1 503 Busy\r\nContent-Length: 10000\r\n\r\n", b"x"),
    "a redirection's body": (b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 10000\r\n\r\n", b"x"),
}


@contextmanager
def dripping(at_once: bytes, again: bytes) -> Iterator[str]:
    """A server that says something all the time, and never all of it."""
    done = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(at_once)
        while not done.wait(PAUSE):
            connection.sendall(again)

    def handle(connection: socket.socket) -> None:
        with connection, suppress(OSError):  # the client left
            connection.recv(1 << 20)
            drip(connection)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=handle, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            done.set()
            listener.shutdown(socket.SHUT_RDWR)


def policy(url: str, tries: int = 1, timeout_seconds: float = 60.0) -> RemotePolicy:
    return RemotePolicy(url, tries=tries, pause_seconds=0, timeout_seconds=timeout_seconds)


def refusal(url: str, **options: Any) -> str:
    with pytest.raises(PolicyServerError) as refused:
        policy(url, **options).act([query()])
    said = str(refused.value)
    assert said.isprintable() and len(said) < 600
    return said


@pytest.mark.parametrize("name", DRIPS)
def test_a_try_of_a_policy_server_ends_at_its_limit_whatever_drips(name: str) -> None:
    with dripping(*DRIPS[name]) as url:
        assert refusal(url, timeout_seconds=LIMIT).endswith("it did not answer within 0.1 s")


def read_all(url: str) -> None:
    try:
        with ask(urllib.request.Request(url), LIMIT) as answer:
            answer.read()
    except urllib.error.HTTPError as error:
        with error:
            error.read()
    except urllib.error.URLError as error:
        assert isinstance(error.reason, TimeoutError)
        raise error.reason from None


@pytest.mark.parametrize("name", DRIPS)
def test_asking_an_address_ends_at_its_limit_whatever_drips(name: str) -> None:
    with dripping(*DRIPS[name]) as url, pytest.raises(TimeoutError, match=r"^no whole answer within 0\.1 s$"):
        read_all(url)


@pytest.mark.parametrize("size", ["f" * 16, "f" * 17, "f" * 40, "-5", "-0000000000000005"])
def test_a_chunk_of_a_size_that_is_none_is_told(size: str) -> None:
    answer = CHUNKED + size.encode() + b"\r\n1\r\n"
    with raw_server(lambda connection: connection.sendall(answer)) as url:
        assert "the request failed" in refusal(url) or "no connection" in refusal(url)
        assert NoticeAddress(url).look().trouble


@pytest.mark.parametrize("name", ["nothing", "a status line", "100 Continue", "one header after the other"])
def test_health_ends_at_its_limit_whatever_drips(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("commands.health._HTTP_SECONDS", LIMIT)
    with dripping(*DRIPS[name]) as url:
        assert "does not answer" in str(_http(url))


def test_a_name_that_is_looked_up_without_end_is_waited_for_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_up = threading.Event()

    def look(*_: Any, **__: Any) -> Any:
        looked_up.wait(60)
        raise socket.gaierror("it was let go")

    monkeypatch.setattr(socket, "getaddrinfo", look)
    try:
        with pytest.raises(TimeoutError, match="no whole answer"):
            ask(urllib.request.Request("http://nowhere.example/"), LIMIT)
        assert refusal("http://nowhere.example", timeout_seconds=LIMIT).endswith("within 0.1 s")
    finally:
        looked_up.set()


def test_a_deadline_that_has_passed_gives_nothing_more() -> None:
    with pytest.raises(TimeoutError, match="within 0 s"):
        Deadline(0).left  # noqa: B018


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "gzip, gzip", "x-\x7f"])
def test_an_answer_that_is_compressed_is_refused_by_name_and_not_asked_for_again(encoding: str) -> None:
    head = OK + f"Content-Encoding: {encoding}\r\nContent-Length: {len(NOTHING_IN_GZIP)}\r\n\r\n".encode()
    asked: list[int] = []

    def answer(connection: socket.socket) -> None:
        asked.append(1)
        connection.sendall(head + NOTHING_IN_GZIP)

    with raw_server(answer) as url:
        assert f"refuses (sequence 0, query 0): it answered in {encoding!r}" in refusal(url, tries=3)
    assert len(asked) == 1


NO_ACTIONS = {
    "texts": (b'["0.1", "0.2", "0", "0", "0", "0", "1"]', "no list of numbers"),
    "an empty text": (b'[""]', "no list of numbers"),
    "booleans": (b"[true, false, true, true, true, true, true]", "no list of numbers"),
    "nothings": (b"[null, null]", "no list of numbers"),
    "objects": (b"[{}]", "no list of numbers"),
    "an object": (b'{"action": 0}', "no list of numbers"),
    "one text among numbers": (b'[0, 0, 0, 0, 0, 0, "1"]', "no list of numbers"),
    "one boolean among numbers": (b"[0, 0, 0, 0, 0, 0, true]", "no list of numbers"),
    "400 digits": (b"[" + b"9" * 400 + b"]", "no list of numbers"),
    "5000 digits": (b"[" + b"9" * 5000 + b"]", "no list of numbers"),
    "90 digits": (b"[" + b"9" * 90 + b"]", "beyond 1000, which no action has"),
    "1e300": (b"[1e300, 0, 0, 0, 0, 0, 1]", "beyond 1000, which no action has"),
    "-1e300": (b"[0, 0, 0, 0, 0, 0, -1e300]", "beyond 1000, which no action has"),
    "1001": (b"[0, 1001]", "beyond 1000, which no action has"),
    "1e400": (b"[1e400]", "not finite"),
    "NaN": (b"[0, NaN]", "not finite"),
    "-Infinity": (b"[-Infinity]", "not finite"),
    "5000 levels": (b"[" * 5000 + b"]" * 5000, "no list of numbers"),
    "levels without end": (b"[" * 16000, "no list of numbers"),
    "nothing at all": (b"", "no list of numbers"),
    "half a list": (b"[0, 0", "no list of numbers"),
    "two lists": (b"[0][0]", "no list of numbers"),
    "no UTF-8": (b'["\xff"]', "no list of numbers"),
    "escapes of a terminal": (b"\x1b[2J\x1b]0;gone\x07", "no list of numbers"),
}


@pytest.mark.parametrize("name", NO_ACTIONS)
def test_what_is_no_action_is_refused_by_name_and_counted(name: str) -> None:
    content, why = NO_ACTIONS[name]
    with raw_server(body(content)) as url:
        client = policy(url, tries=2)
        with pytest.raises(PolicyServerError, match=why) as refused:
            client.act([query()])
    said = str(refused.value)
    assert said.isprintable() and len(said) < 400
    assert client.counts == {"retries": 1, "no_actions": 2}


def test_a_server_that_is_not_heard_answers_with_no_action() -> None:
    with raw_server(body(b"busy", "503 Busy")) as url:
        client = policy(url, tries=2)
        with pytest.raises(PolicyServerError, match="status 503"):
            client.act([query()])
    assert client.counts == {"retries": 1}


@pytest.mark.parametrize(
    "answer",
    [
        b"\r\n" * 10,
        b"GARBAGE\r\n\r\n",
        b"HTTP/1.1 99999 Odd\r\n\r\n",
        b"HTTP/1.1 abc Odd\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n[0]",
        b"HTTP/1.1 200 " + b"O" * 70_000 + b"\r\n\r\n",
        OK + b"X: y\r\n" * 200 + b"\r\n[0]",
        OK + b"X: " + b"y" * 70_000 + b"\r\n\r\n[0]",
        OK + b"Content-Length: -5\r\n\r\n[0",
        OK + b"Content-Length: 5, 6\r\n\r\n[0",
        OK + b"Content-Length: 100\r\n\r\n[0]",
        CHUNKED + b"zz\r\n[0]",
        CHUNKED + b"-1\r\n[0]",
        CHUNKED + b"ffffffffffffffff\r\n[0]",
        b"HTTP/1.1 302 Found\r\nLocation: http://[::1\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: \x1b[2J\xff\r\n\r\n",
        b"HTTP/1.1 401 \x1b[2J\r\nContent-Length: 4\r\n\r\n\x1b[2J",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nContent-Length: 3\r\n\r\n[0",
    ],
)
def test_answers_that_are_no_http_end_in_a_sentence(answer: bytes) -> None:
    def send(connection: socket.socket) -> None:
        connection.sendall(answer)

    with raw_server(send) as url:
        said = refusal(url)
    assert "the policy server" in said or said.startswith("there is no policy at")


def test_an_answer_that_never_ends_is_cut_at_its_limit_of_bytes() -> None:
    def flood(connection: socket.socket) -> None:
        connection.sendall(CHUNKED)
        for _ in itertools.count():
            connection.sendall(b"1000\r\n" + b" " * 4096 + b"\r\n")

    with raw_server(flood) as url:
        assert "longer than 16384 bytes" in refusal(url)


# --- the store of several machines, and the hub ------------------------------------------------------


class Silent:
    """A file system of fsspec that takes every request, and answers none until it is let go."""

    def __init__(self) -> None:
        self.let_go = threading.Event()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def ask_for_ever(*_: Any, **__: Any) -> None:
            self.let_go.wait(60)
            raise OSError("it was let go")

        return ask_for_ever


STORE: dict[str, Callable[[Remote, Path], Any]] = {
    "upload": lambda store, file: store.upload(file, "artifacts/x"),
    "download": lambda store, file: store.download("artifacts/x", file),
    "digest": lambda store, _: store.digest("artifacts/x"),
    "listing": lambda store, _: store.listing("00"),
    "remove": lambda store, _: store.remove(["artifacts/x"]),
    "remove_incoming": lambda store, _: store.remove_incoming(),
    "mark": lambda store, _: store.mark(),
    "is_marked": lambda store, _: store.is_marked(),
    "note": lambda store, _: store.note(b"x"),
    "noted": lambda store, _: store.noted(),
}


@pytest.mark.parametrize("what", STORE)
def test_a_store_that_does_not_answer_is_waited_for_no_longer_than_its_limit(
    what: str, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x")
    store = Remote(f"file://{tmp_path}/store", "home.yaml", answer_seconds=0.02)
    store._files = silent = Silent()
    try:
        with pytest.raises(StoreUnreachable) as refused:
            STORE[what](store, file)
    finally:
        silent.let_go.set()
    said = str(refused.value)
    assert said.startswith("the store named in home.yaml does not work: no whole answer within 0.02 s")


def test_what_moves_bytes_fast_enough_is_waited_for() -> None:
    done = threading.Event()
    looks: list[int] = []

    def moved() -> int:
        looks.append(1)
        if len(looks) == 5:
            done.set()
        return 1 << 30

    assert result_at_pace(lambda: done.wait(60), 0.01, moved)
    assert len(looks) == 5


def test_what_moves_bytes_too_slowly_is_not() -> None:
    done = threading.Event()
    try:
        with pytest.raises(TimeoutError, match=r"within 0\.01 s and the time of 7 bytes"):
            result_at_pace(lambda: done.wait(60), 0.01, lambda: 7, pace=1000)
    finally:
        done.set()
