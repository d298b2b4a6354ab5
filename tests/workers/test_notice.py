"""Notices by file and by address."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.support import await_value
from workers import notice_address
from workers.notice import Notice, notice_at, notice_in_file


class Metadata(BaseHTTPRequestHandler):
    """What a cloud's metadata service answers: `answer` is (status, text)."""

    answer = (404, "")

    def do_GET(self) -> None:
        status, text = self.answer
        if status == 0:  # no HTTP at all
            self.wfile.write(text.encode())
            return
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def metadata(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(notice_address, "_TIMEOUT_SECONDS", 60.0)
    Metadata.answer = (404, "")
    server = HTTPServer(("127.0.0.1", 0), Metadata)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/spot/instance-action"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("answer", "notice"),
    [
        ((404, "not found"), None),
        ((200, "FALSE"), None),
        ((200, "TRUE"), "TRUE"),
        ((200, '{"action": "terminate"}\n'), '{"action": "terminate"}'),
        ((500, "broken"), None),
        ((0, "220 mail at your service\r\n"), None),
    ],
)
def test_what_an_address_says(metadata: str, answer: tuple[int, str], notice: str | None) -> None:
    Metadata.answer = answer
    assert notice_at(metadata) == notice


def test_an_address_that_cannot_be_reached_says_nothing() -> None:
    assert notice_at("http://127.0.0.1:9/none") is None


def test_a_file_is_a_notice_once_it_exists(tmp_path: Path) -> None:
    file = tmp_path / "leave"
    assert notice_in_file(file) is None
    file.touch()
    assert notice_in_file(file) == "notice"
    file.write_text("spot ends at 12:00\nmore\n")
    assert notice_in_file(file) == "spot ends at 12:00"


def test_a_watch_sees_what_is_there(metadata: str, tmp_path: Path) -> None:
    Metadata.answer = (200, "TRUE")
    notice = Notice(tmp_path / "none", metadata)
    await_value(lambda: notice.given, bool, "the notice")
    notice.stop()
    assert notice.given == "TRUE"
