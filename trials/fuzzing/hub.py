"""Mutated answers of a Hub on this machine, and what is kept here of one: listings, unfinished files, journals."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock
from urllib.parse import unquote, urlsplit

from trials.fuzzing.answers import HEADERS, MARKS, STATUS
from trials.fuzzing.mutations import TEXTS, changed_bytes, changed_text, changed_value, one_of

_COMMIT = "c0ffee" + "0" * 34
_FILES = {
    "meta/info.json": b"{}",
    "data/chunk-000/file-000.parquet": random.Random(7).randbytes(1_300_000),
    "film.mp4": random.Random(8).randbytes(5000),
}
_RANGES = ("bytes 0-1/2", "bytes 1-0/0", "bytes */9", "bytes 0-99999999999999999999/9", "lines 0-1/2", "")
_PATHS = (
    *TEXTS,
    "a/../../x",
    "meta",
    "meta/info.json/x",
    "x" * 300,
    "/".join("ab" * 300),
    "\ud800",
    "a\\b",
    ".",
    "a//b",
)
#: After so many changed answers a case gets sound ones, so that it comes to an end.
_MOST_CHANGED = 5


class HubAnswers:
    name = "hub"
    readers = ("hub/*.py", "settings/timed_requests.py", "settings/deadline.py")

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "copies"
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._draw, self._left, self._share = random.Random(0), 0, 0.0
        self._lock = threading.Lock()
        threading.Thread(target=self._serve, daemon=True).start()
        with self._asked():
            self._fetch(random.Random(0), _COMMIT)
        self._sound = self._folder.with_name("sound")
        shutil.copytree(self._folder, self._sound)

    def meet(self, draw: random.Random) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        before = sorted(self._folder.parent.iterdir())
        self._draw, self._left = random.Random(draw.random()), 0
        if draw.random() < 0.3:
            shutil.copytree(self._sound, self._folder)
            _spoil_what_is_kept(draw, self._folder)
        if draw.random() < 0.8:
            self._left, self._share = draw.randint(1, _MOST_CHANGED), draw.choice((0.3, 1.0))
        with self._asked():
            self._fetch(draw, draw.choice((None, "main", _COMMIT, _COMMIT)))
        if sorted(self._folder.parent.iterdir()) != sorted({*before, self._folder}):
            raise AssertionError("something was written beside the copies")

    def _fetch(self, draw: random.Random, revision: str | None) -> None:
        from hub.client import Repositories
        from hub.copies import Copy
        from hub.download import Downloader, Patience
        from hub.names import HubName

        patience = Patience(2, 0.0, 0.0, 0.0)
        source = Repositories("dataset", patience, lambda _: None, question_seconds=1.0, listing_seconds=1.0)
        name = HubName("lab", "data", revision, draw.choice(("", "", "meta")))
        copy = Copy(name if name.commit else name.at(source.commit_of(name)), "dataset", self._folder)
        listed = copy.listing(source)
        small = [one for one in listed if one.size < 1 << 22]
        quick = partial(Downloader, patience=patience, wait_seconds=0.5, sleep=lambda _: None)
        copy.fetch(small, _Unwatched(), source, quick)
        for one in small:
            file = copy.folder / "datasets--lab--data" / str(copy.name.commit) / "files" / one.path
            content = file.read_bytes()
            if not one.is_of(content) or file.is_symlink():
                raise AssertionError(f"{one.path} is not what was listed")

    @contextmanager
    def _asked(self) -> Iterator[None]:
        """The client of the Hub asks this one."""
        names = (
            "HF_TOKEN",
            "HF_ENDPOINT",
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "http_proxy",
            "https_proxy",
            "ALL_PROXY",
        )
        constants = "huggingface_hub.constants"
        with ExitStack() as kept:
            kept.enter_context(mock.patch.dict(os.environ))
            for variable in names:
                os.environ.pop(variable, None)
            kept.enter_context(mock.patch(f"{constants}.HF_HUB_OFFLINE", False))
            kept.enter_context(mock.patch(f"{constants}.HF_TOKEN_PATH", str(self._folder / "no-token")))
            kept.enter_context(mock.patch(f"{constants}.ENDPOINT", self._url))
            address = self._url + "/{repo_id}/resolve/{revision}/{filename}"
            kept.enter_context(mock.patch(f"{constants}.HUGGINGFACE_CO_URL_TEMPLATE", address))
            unhurried = SimpleNamespace(sleep=lambda _: None)  # else it waits for seconds by itself
            kept.enter_context(mock.patch("huggingface_hub.utils._http.time", unhurried))
            kept.enter_context(mock.patch("huggingface_hub.utils._http.logger"))
            yield

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(2)
            head = b""
            while b"\r\n\r\n" not in head:
                if not (more := connection.recv(65_536)):
                    return
                head += more
            with self._lock:
                is_changed = self._left > 0 and self._draw.random() < self._share
                self._left -= is_changed
                answer = self._made(head.decode("latin-1"), is_changed)
            connection.sendall(answer)
            connection.shutdown(socket.SHUT_WR)

    def _made(self, asked: str, is_changed: bool) -> bytes:
        draw, status = self._draw, 200
        path = unquote(urlsplit(asked.split(" ")[1]).path)
        headers = ["Connection: close"]
        if "/tree/" in path or "/revision/" in path or path == "/api/datasets/lab/data":
            value = _tree(path.partition("/tree/")[2].partition("/")[2]) if "/tree/" in path else _info()
            if is_changed and draw.random() < 0.7:
                value = changed_value(draw, value) if draw.random() < 0.7 else _other_paths(draw, value)
            body = json.dumps(value).encode()
        else:
            content = _FILES.get(path.partition(f"/resolve/{_COMMIT}/")[2], b"")
            headers.append(f'ETag: "{hashlib.sha256(content).hexdigest()}"')
            wanted = re.search(r"\r\nrange: bytes=(\d+)-(\d+)", asked, re.IGNORECASE)
            body = content
            if wanted:
                first, last = int(wanted[1]), min(int(wanted[2]), len(content) - 1)
                status, body = 206, content[first : last + 1]
                headers.append(f"Content-Range: bytes {first}-{last}/{len(content)}")
            if is_changed and draw.random() < 0.5:
                body = changed_bytes(draw, body)
        headers.append(f"Content-Length: {len(body)}")
        if not is_changed:
            return _with_head(status, headers, body)
        return _changed_answer(draw, status, headers, body)


class _Unwatched:
    def should_stop(self) -> bool:
        return False

    def moved(self, count: int) -> None:
        pass


def _with_head(status: int, headers: list[str], body: bytes) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status} OK", *headers, "", ""]).encode() + body


def _changed_answer(draw: random.Random, status: int, headers: list[str], body: bytes) -> bytes:
    for _ in range(draw.randrange(3)):
        if draw.random() < 0.3:
            headers = [
                f"Content-Range: {draw.choice(_RANGES)}" if "Range" in line else line for line in headers
            ]
        else:
            headers[draw.randrange(len(headers)) :][:1] = [draw.choice(HEADERS)]
            headers.append(draw.choice((*HEADERS, 'Link: <http://[>; rel="next"', "ETag: W/x", 'ETag: "é"')))
    if draw.random() < 0.3:
        status = draw.choice(STATUS)
    answer = _with_head(status, headers, b"")
    if draw.random() < 0.2:
        answer = changed_text(draw, answer.decode(), MARKS).encode()
    answer += body
    return answer[: draw.randrange(len(answer))] if draw.random() < 0.2 else answer


def _info() -> Any:
    return {"id": "lab/data", "sha": _COMMIT, "siblings": [], "tags": [], "downloads": 0, "likes": 0, "private": False,
            "lastModified": "2026-01-01T00:00:00.000Z", "gated": False, "cardData": {"license": "mit"}}  # fmt: skip


def _tree(below: str) -> Any:
    entries: list[Any] = []
    for path, content in sorted(_FILES.items()):
        if below and not path.startswith(f"{below}/"):
            continue
        entry: dict[str, Any] = {"type": "file", "path": path, "size": len(content),
                                 "oid": hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()}  # fmt: skip
        if len(content) > 1000:
            entry["lfs"] = {
                "oid": hashlib.sha256(content).hexdigest(),
                "size": len(content),
                "pointerSize": 130,
            }
        entries.append(entry)
    return [*entries, {"type": "directory", "path": "meta", "oid": "0" * 40, "size": 0}]


def _other_paths(draw: random.Random, value: Any) -> Any:
    if not isinstance(value, list):
        return one_of(draw)
    entry = draw.choice(value)
    entry["path"] = draw.choice(_PATHS)
    return value


def _spoil_what_is_kept(draw: random.Random, folder: Path) -> None:
    """As a disk, another version or another user may leave it."""
    commit = folder / "datasets--lab--data" / _COMMIT
    how = draw.randrange(4)
    if how == 0:
        file = draw.choice(sorted(commit.glob("listing-*.json")))
        text = json.dumps(changed_value(draw, json.loads(file.read_bytes())))
        file.write_bytes(changed_bytes(draw, text.encode()) if draw.random() < 0.3 else text.encode())
    elif how == 1:
        file = commit / "files" / draw.choice(sorted(_FILES))
        file.unlink()
        if draw.random() < 0.5:
            draw.choice((file.mkdir, partial(file.symlink_to, "/dev/zero"), partial(os.mkfifo, file)))()
    else:
        _leave_a_part(draw, commit)


def _leave_a_part(draw: random.Random, commit: Path) -> None:
    """Half of the large file, with a journal that is changed."""
    from hub.files import HubFile
    from hub.part import Part

    path = "data/chunk-000/file-000.parquet"
    content = _FILES[path]
    (commit / "files" / path).unlink()
    (commit / "parts").mkdir(exist_ok=True)
    file = HubFile(path, len(content), "sha256", hashlib.sha256(content).hexdigest())
    with Part(commit / "parts", file) as part:
        for begin in (0, 400_000):
            part.begin('"x"')
            part.write(content[begin : begin + 400_000])
            part.keep()
    journal = next((commit / "parts").glob("*.journal"))
    if draw.random() < 0.3:
        journal.write_bytes(changed_bytes(draw, journal.read_bytes()))
    else:
        lines = changed_value(draw, [json.loads(line) for line in journal.read_bytes().splitlines()])
        journal.write_text(
            "".join(json.dumps(line) + "\n" for line in (lines if isinstance(lines, list) else [lines]))
        )
    if draw.random() < 0.3:
        data = next((commit / "parts").glob("*.part"))
        data.write_bytes(changed_bytes(draw, data.read_bytes()))
