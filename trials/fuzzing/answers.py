"""Mutated HTTP answers of policy servers and notice addresses, on this machine."""

from __future__ import annotations

import json
import random
import socket
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np

from trials.fuzzing.mutations import changed_bytes, changed_text, changed_value, one_of

MARKS = (
    "\r\n",
    ":",
    " ",
    "\0",
    "9" * 30,
    "-1",
    "chunked",
    "gzip",
    "HTTP/1.1 ",
    "100",
    "é",
    ",",
    ";",
    "X: y\r\n",
)
HEADERS = (
    "Content-Length: 0", "Content-Length: -1", "Content-Length: 99999999999999999999", "Transfer-Encoding: chunked",
    "Content-Encoding: gzip", "Content-Encoding: deflate", "Connection: close", "Location: http://[", "Date: soon",
    "Content-Type: text/html; charset=none", "Retry-After: 1e9", "Set-Cookie: " + "x" * 5000,
)  # fmt: skip
STATUS = (200, 200, 200, 100, 103, 204, 206, 301, 400, 401, 404, 429, 500, 503, 999, 0)


class Answers:
    name = "answers"
    readers = (
        "policies/remote.py",
        "views/notice_address.py",
        "views/notice_words.py",
        "settings/direct.py",
    )

    def __init__(self, folder: Path) -> None:
        del folder
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._answer = b""
        threading.Thread(target=self._serve, daemon=True).start()

    def meet(self, draw: random.Random) -> None:
        from policies.base import Query
        from policies.remote import RemotePolicy
        from views.notice_address import NoticeAddress

        self._answer = _changed_answer(draw)
        if draw.random() < 0.7:
            pictures = {"rgb_static": (200, 200, 3), "rgb_gripper": (84, 84, 3)}
            observation = {name: np.zeros(shape, np.uint8) for name, shape in pictures.items()}
            observation["robot_obs"] = np.zeros(15)
            policy = RemotePolicy(self._address, tries=1, timeout_seconds=0.5)
            (actions,) = policy.act([Query(observation, "open it", 0, 0)])
            if not np.isfinite(actions).all():
                raise AssertionError(f"actions of {actions}")
        else:
            said = NoticeAddress(self._address).look()
            for words in (said.trouble, said.notice):
                if words and not words.isprintable():
                    raise AssertionError(f"it is shown as {words[:200]!a}")

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection, suppress(OSError):
                connection.settimeout(2)
                _read_request(connection)
                connection.sendall(self._answer)
                connection.shutdown(socket.SHUT_WR)


def _read_request(connection: socket.socket) -> None:
    """All of it: a connection that is closed over bytes nobody read is reset, and the answer with it."""
    data = b""
    while b"\r\n\r\n" not in data:
        if not (more := connection.recv(65_536)):
            return
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (
            int(line.split(b":")[1])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length:")
        ),
        0,
    )
    while len(body) < length and (more := connection.recv(65_536)):
        body += more


def _changed_answer(draw: random.Random) -> bytes:
    value = [0.1, -0.2, 0.0, 0.0, 0.0, 0.0, 1.0] * 5
    body = json.dumps(changed_value(draw, value) if draw.random() < 0.6 else one_of(draw)).encode()
    headers = ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    for _ in range(draw.randrange(3)):
        headers[draw.randrange(len(headers)) :][:1] = [draw.choice(HEADERS)]
        headers.append(draw.choice(HEADERS))
    head = f"HTTP/1.1 {draw.choice(STATUS)} OK\r\n" + "".join(f"{line}\r\n" for line in headers) + "\r\n"
    if draw.random() < 0.3:
        head = changed_text(draw, head, MARKS)
    answer = head.encode("utf-8") + body
    return changed_bytes(draw, answer) if draw.random() < 0.3 else answer
