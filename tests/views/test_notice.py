"""Notices by file and by address: what counts as one, and what is told of an address that cannot warn."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from commands.checks.session import findings
from commands.session_options import check_notice_url
from errors import InvalidInput
from settings.direct import is_direct
from settings.home import Home
from tests.support import await_value
from views import notice_address
from views.notice import Notice
from views.notice_address import NoticeAddress
from views.notice_file import NoticeFile
from views.notice_words import NOTHING, Said, meaning

NOW = 1_800_000_000.0  # 2027-01-15 08:00:00
SOON = "2027-01-15T08:02:00Z"

AWS = "/latest/meta-data/spot/instance-action"
AZURE = "/metadata/scheduledevents"

Answer = tuple[int, str, dict[str, str]]


class Metadata(ThreadingHTTPServer):
    """A cloud's metadata service. `answer`: of a request, as (status, text, headers); `asked`: all of them."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer: Callable[[str, str, dict[str, str]], Answer] = lambda *_: (404, "", {})
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"

    def says(self, status: int, text: str, **headers: str) -> None:
        self.answer = lambda *_: (status, text, headers)


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Metadata)
        request = self.command, self.path, {name.lower(): value for name, value in self.headers.items()}
        server.asked.append(request)
        status, text, headers = server.answer(*request)
        if status == 0:  # no HTTP at all
            self.wfile.write(text.encode())
            return
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(text.encode())

    do_PUT = do_GET  # noqa: N815 (its name is the protocol's)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def metadata(monkeypatch: pytest.MonkeyPatch) -> Iterator[Metadata]:
    monkeypatch.setattr(notice_address, "_TIMEOUT_SECONDS", 60.0)
    server = Metadata()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def event(kind: str, *machines: str, at: str = "") -> str:
    entry = {
        "EventId": "7",
        "EventType": kind,
        "Resources": machines,
        "NotBefore": at,
        "EventStatus": "Scheduled",
    }
    return json.dumps({"DocumentIncarnation": 2, "Events": [entry]})


def of(text: str, is_page: bool = False) -> Said:
    return meaning(text, is_page, NOW, lambda: {"mine"})


@pytest.mark.parametrize(
    "text",
    [
        "", " \n", "FALSE", "False\n", "NONE", "null", "none", "0", "[]", "{}", "MIGRATE_ON_HOST_MAINTENANCE",
        '{"DocumentIncarnation":1,"Events":[]}', '{"action": "none"}', '{"Events": [null, 3, {}]}',
        event("Preempt", "another"), event("Freeze", "mine"), event("Preempt"),
        event("Reboot", "mine", at="Fri, 22 Jan 2027 08:00:00 GMT"),
        '[{"Code": "system-reboot", "State": "completed"}]',
        '[{"Code": "system-reboot", "State": "active", "NotBefore": "21 Jan 2027 09:00:43 GMT"}]',
    ],
)  # fmt: skip
def test_nothing_is_planned_here_and_now(text: str) -> None:
    assert of(text) == NOTHING


@pytest.mark.parametrize(
    ("text", "left_seconds"),
    [
        ("TRUE", None),
        ("TERMINATE_ON_HOST_MAINTENANCE", None),
        ("the power will be cut at noon\nand more", None),
        ('{"action": "terminate"}', None),
        (f'{{"action": "stop", "time": "{SOON}"}}', 120.0),
        ('{"action": "terminate", "time": "2027-01-15T07:59:00Z"}', None),
        ('{"action": "terminate", "time": "at noon"}', None),
        (f'{{"action": "stop", "time": "Fri, 15 Jan {"9" * 20} 08:00:00 GMT"}}', None),
        (SOON, 120.0),
        ('{"noticeTime": "2027-01-15T07:59:50Z"}', None),
        (event("Preempt", "another", "MINE"), None),
        (event("Terminate", "mine", at="Fri, 15 Jan 2027 08:05:00 GMT"), 300.0),
        (event("Redeploy", "mine", at="Fri, 15 Jan 2027 07:05:00 GMT"), None),
        ('[{"Code": "instance-stop", "State": "active", "NotBefore": "15 Jan 2027 08:01:00 GMT"}]', 60.0),
    ],
)
def test_this_machine_goes_away(text: str, left_seconds: float | None) -> None:
    said = of(text)
    assert said.notice and "\n" not in said.notice and said.trouble is None
    assert said.left_seconds == left_seconds


@pytest.mark.parametrize(
    ("text", "is_page"),
    [
        ("<html>access denied by policy</html>", False),
        ("<!DOCTYPE html>\n<title>Login</title>", False),
        ("please log in", True),
        ('{"action": "termin', False),
        ('{"error": "no such path"}', False),
        ("[1, 2]", False),
        ("[" * 50_000, False),
        ('{"Events": [{"EventType": "Preempt", "Resources": 5}]}', False),
        ('{"Events": [{"EventType": ["Preempt"]}]}', False),
    ],
)
def test_what_means_nothing_is_no_notice_and_told(text: str, is_page: bool) -> None:
    said = of(text, is_page)
    assert said.notice is None and said.trouble is not None


@pytest.mark.parametrize(
    ("path", "status", "text", "headers", "trouble"),
    [
        (AWS, 404, "not found", {}, None),
        (AWS, 200, "", {}, None),
        (AWS, 500, "broken", {}, "it answers 500"),
        (AWS, 403, "", {}, "it answers 403"),
        (AWS, 401, "", {}, "it answers 401, and gives no token (PUT /latest/api/token: 401)"),
        (AZURE, 400, "", {}, "it answers 400"),
        (AZURE, 404, "", {}, "it answers 404"),
        ("/computeMetadata/v1/instance/preempt", 404, "", {}, "it answers 404"),
        ("/", 404, "", {"Metadata_Flavor": "Google"}, "it answers 404"),
        ("/", 302, "", {"Location": "http://login.example/"}, "sends elsewhere, as a login does (302 to http://login."),
        ("/", 200, "<html>", {}, "it answers with a page"),
        ("/", 200, "hello", {"Content_Type": "text/html; charset=utf-8"}, "it answers with a page"),
        ("/", 0, "220 mail at your service\r\n", {}, "what answers is no HTTP"),
    ],
)  # fmt: skip
def test_an_address_that_cannot_warn_is_told_in_one_sentence(
    metadata: Metadata, path: str, status: int, text: str, headers: dict[str, str], trouble: str | None
) -> None:
    metadata.says(status, text, **headers)
    address = NoticeAddress(metadata.url + path)
    assert address.look().notice is None
    if trouble is None:
        assert address.trouble is None
    else:
        assert address.trouble is not None and "\n" not in address.trouble
        assert address.trouble.startswith(f"the notice address {metadata.url}{path} cannot warn: ")
        assert trouble in address.trouble


def test_addresses_that_nobody_answers_at() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    gone = NoticeAddress(f"http://name:secret@127.0.0.1:{port}/")
    assert gone.look().notice is None
    assert gone.trouble == (
        f"the notice address http://127.0.0.1:{port}/ cannot warn: it does not answer (Connection refused)"
    )
    nowhere = NoticeAddress("http://no-such-name.invalid/")
    nowhere.look()
    assert "the name no-such-name.invalid cannot be found" in str(nowhere.trouble)


@pytest.mark.parametrize(
    "begun",
    [
        b"HTTP/1.1 2",
        b"HTTP/1.1 200 OK\r\nDate: ",
        b"HTTP/1.1 200 OK\r\n\r\nTRU",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nTRUE\r\n0\r\nX: ",
        b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
    ],
    ids=["status line", "headers", "body", "trailers", "token"],
)
def test_an_answer_that_comes_in_drops_is_given_up(begun: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every byte in time, and never all of them."""
    monkeypatch.setattr(notice_address, "_TIMEOUT_SECONDS", 600.0)
    monkeypatch.setattr(notice_address, "_TRY_SECONDS", 0.2)
    held = []

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                held.append(server.accept()[0])
                held[-1].sendall(begun if len(held) == 1 else b"H")

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        address = NoticeAddress(f"http://127.0.0.1:{server.getsockname()[1]}/")
        assert address.look().notice is None
        assert address.trouble is not None and address.trouble.endswith("it does not answer within 0.2 s")
        server.shutdown(socket.SHUT_RDWR)
    for connection in held:
        connection.close()


def test_an_address_may_name_a_login(metadata: Metadata) -> None:
    metadata.says(200, "leave")
    assert NoticeAddress(metadata.url.replace("//", "//name:pass%20word@")).look().notice == "leave"
    assert metadata.asked[0][2]["authorization"] == "Basic bmFtZTpwYXNzIHdvcmQ="


def test_imdsv2_gives_a_token_first_and_again_when_it_ran_out(metadata: Metadata) -> None:
    good = ["one"]

    def answer(method: str, path: str, headers: dict[str, str]) -> Answer:
        if (method, path) == ("PUT", "/latest/api/token"):
            return (200, good[-1], {}) if "x-aws-ec2-metadata-token-ttl-seconds" in headers else (400, "", {})
        if headers.get("x-aws-ec2-metadata-token") != good[-1]:
            return 401, "", {}
        return (
            200,
            f'{{"action": "terminate", "time": "{SOON}"}}',
            {"Date": formatdate(NOW - 1.0, usegmt=True)},
        )

    metadata.answer = answer
    address = NoticeAddress(metadata.url + AWS)
    assert NoticeAddress(metadata.url + AWS).look().notice is not None
    assert address.look().left_seconds == 121.0, "by the clock of whoever answered"
    asked = len(metadata.asked)
    address.look()
    assert len(metadata.asked) == asked + 1, "the token is kept"
    good.append("two")
    assert address.look().notice is not None
    assert address.trouble is None


def test_azure_names_this_machine(metadata: Metadata) -> None:
    def answer(_method: str, path: str, headers: dict[str, str]) -> Answer:
        if headers.get("metadata") != "true":
            return 400, "", {}
        return 200, "Worker_3" if "compute/name" in path else events[0], {}

    metadata.answer = answer
    address = NoticeAddress(f"{metadata.url}{AZURE}?api-version=2020-07-01")
    events = ['{"DocumentIncarnation":1,"Events":[]}']
    assert address.look() == NOTHING
    assert not any("compute/name" in path for _, path, _ in metadata.asked), "it is asked when it matters"
    events[0] = event("Preempt", "worker_2")
    assert address.look() == NOTHING
    events[0] = event("Preempt", "worker_2", "worker_3")
    assert address.look() == Said("Preempt 7")
    events[0] = event("Terminate", socket.gethostname())
    assert address.look() == Said("Terminate 7")
    assert address.trouble is None


def test_a_service_that_spoke_may_be_silent_for_a_moment(metadata: Metadata) -> None:
    address = NoticeAddress(metadata.url)
    address.look()
    metadata.says(503, "busy")
    told = []
    for _ in range(3):
        address.look()
        told.append(address.trouble is not None)
    assert told == [False, False, True]
    metadata.says(404, "")
    address.look()
    assert address.trouble is None


def test_what_is_of_this_machine_or_its_cloud_is_asked_without_a_proxy(
    metadata: Metadata, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, metadata.url)
    metadata.says(200, "from the proxy")
    assert NoticeAddress("http://elsewhere.invalid/").look().notice == "from the proxy"
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert NoticeAddress(f"http://127.0.0.1:{port}/").look().notice is None


@pytest.mark.parametrize(
    ("host", "direct"),
    [
        ("169.254.169.254", True), ("127.1.2.3:80", True), ("[::1]:8080", True), ("[fe80::1%25eth0]", True),
        ("[fd00:ec2::254]", True), ("localhost", True), ("metadata.google.internal", True),
        ("METADATA.google.internal.", True), ("100.100.100.200", True), ("8.8.8.8", False),
        ("example.com", False), ("10.0.0.1", False),
    ],
)  # fmt: skip
def test_which_addresses_these_are(host: str, direct: bool) -> None:
    assert is_direct(f"http://{host}/x") == direct


@pytest.mark.parametrize(
    "url", ["ftp://a/", "http://", "http://a:99999/", "http://a b/", "//a", "", "http://[1/"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match="is not an http address"):
        check_notice_url(url)


def test_doctor_asks_the_address_of_the_environment(
    metadata: Metadata, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert findings(home) == []
    for url, status, text, state, detail in (
        (metadata.url, 404, "", "ok", "nothing is planned"),
        (metadata.url, 403, "", "warning", "cannot warn: it answers 403"),
        (metadata.url, 200, "TRUE", "warning", "this machine goes away: TRUE"),
        ("nonsense", 200, "", "warning", "is not an http address"),
    ):
        metadata.says(status, text)
        monkeypatch.setenv("BATON_NOTICE_URL", url)
        (found,) = findings(home)
        assert found.state == state and detail in found.detail


def test_doctor_looks_at_the_file_of_the_environment(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BATON_NOTICE_FILE", str(tmp_path / "leave"))
    (found,) = findings(home)
    assert (found.state, found.detail) == ("ok", "nothing is planned, says BATON_NOTICE_FILE")
    monkeypatch.setenv("BATON_NOTICE_FILE", str(tmp_path))
    (found,) = findings(home)
    assert found.state == "warning" and "cannot warn: Is a directory" in found.detail


def test_a_file_is_a_notice_once_it_exists(tmp_path: Path) -> None:
    file = NoticeFile(tmp_path / "leave")
    assert file.look() == NOTHING
    file.path.touch()
    assert file.look() == Said("notice")
    file.path.write_text("spot ends at 12:00\nmore\n")
    assert file.look() == Said("spot ends at 12:00")
    file.path.write_bytes(b"\xff" * 1_000_000)
    assert len(str(file.look().notice)) == 200


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    notice = Notice(tmp_path, None)  # a folder: what permissions forbid, they do not forbid root
    (told,) = await_value(lambda: notice.troubles, bool, "the trouble")
    notice.stop()
    assert told == f"the notice file {tmp_path} cannot warn: Is a directory"
    assert notice.given is None


def test_a_file_whose_look_failed_once_warns_later(tmp_path: Path) -> None:
    file = NoticeFile(tmp_path / "leave")
    file.path.mkdir()
    assert file.look().notice is None and file.trouble is not None
    file.path.rmdir()
    assert file.look() == NOTHING and file.trouble is None
    file.path.write_text("leave")
    assert file.look() == Said("leave")


def test_a_file_is_seen_while_an_address_hangs(metadata: Metadata, tmp_path: Path) -> None:
    asked, answered = threading.Event(), threading.Event()

    def hang(*_: object) -> Answer:
        asked.set()
        answered.wait()
        return 404, "", {}

    metadata.answer = hang
    file = tmp_path / "leave"
    notice = Notice(file, metadata.url)
    assert asked.wait(60)
    file.write_text("the power goes")
    await_value(lambda: notice.given, bool, "the notice")
    answered.set()
    notice.stop()
    assert notice.given == "the power goes"


def test_a_watch_sees_what_is_there(
    metadata: Metadata, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metadata.says(200, f'{{"action": "terminate", "time": "{SOON}"}}', Date=formatdate(NOW, usegmt=True))
    notice = Notice(tmp_path / "none", metadata.url)
    await_value(lambda: notice.given, bool, "the notice")
    notice.stop()
    assert notice.given is not None and notice.given.startswith('{"action": "terminate"')
    left = notice.left_seconds
    assert left is not None and left <= 120.0
    monkeypatch.setattr(time, "time", lambda: NOW + 1e6)
    assert notice.left_seconds is not None and left - 1e5 < notice.left_seconds <= left, "clocks may be set"


def test_a_watch_tells_what_keeps_its_address_from_warning(metadata: Metadata) -> None:
    metadata.says(403, "")
    notice = Notice(None, metadata.url)
    (told,) = await_value(lambda: notice.troubles, bool, "the trouble")
    notice.stop()
    assert "it answers 403" in told and notice.given is None and notice.left_seconds is None
