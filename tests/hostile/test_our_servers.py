"""Clients that stop, drip or ask for what there is not, at servers of ours.

Limits are parameters, and lowered; what is asserted is what the client gets.
"""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import pytest
import requests
from prometheus_client import CollectorRegistry, Gauge

from errors import NotFinite
from policies import server as policy_server
from policies.base import Query
from settings.bounded_server import Bounds, host_fault, own_names
from tests.hostile.sentences import Panic
from tests.policies.http_servers import serving
from tests.policies.test_remote import query
from tests.support import REPOSITORY
from views import flower, metrics_server
from views.metrics_server import MetricsServer

#: How often a client says something.
PAUSE = 0.004


def act_nowhere(queries: Any) -> list[np.ndarray]:
    return [np.zeros((5, 7))] * len(queries)


def request_of(**changes: Any) -> dict[str, Any]:
    """Parts of a good request, with some of them changed or (None) left out."""
    asked: Query = query()
    spoken = {"instruction": "go", "robot_obs": [0.0] * 15} | changes.pop("spoken", {})
    parts = {
        "json": (None, json.dumps(spoken)),
        "img_static": ("s", asked.observation["rgb_static"].tobytes()),
        "img_gripper": ("g", asked.observation["rgb_gripper"].tobytes()),
    }
    return {name: part for name, part in (parts | changes).items() if part is not None}


ZEROS = [0.0] * 14
BAD_REQUESTS = {
    "no json": (request_of(json=None), "no part 'json'"),
    "no picture": (request_of(img_static=None), "no part 'img_static'"),
    "a short picture": (request_of(img_gripper=("g", b"x")), "img_gripper must be 21168 bytes"),
    "an empty picture": (request_of(img_gripper=("g", b"")), "img_gripper must be 21168 bytes"),
    "no JSON": (request_of(json=(None, "{")), "part json must be an object"),
    "a list": (request_of(json=(None, "[]")), "part json must be an object"),
    "a text": (request_of(json=(None, '"instruction"')), "part json must be an object"),
    "levels": (request_of(json=(None, "[" * 9000)), "part json must be an object"),
    "digits": (request_of(json=(None, "9" * 9000)), "part json must be an object"),
    "a key twice": (request_of(json=(None, '{"instruction": "a", "instruction": "b"}')), "part json must be"),
    "long": (request_of(json=(None, " " * 20_000)), "part json has 20000 bytes; at most 16384 are read"),
    "no UTF-8": (request_of(json=(None, b"\xff\xfe\xff")), "part json must be an object"),
    "no instruction": (request_of(spoken={"instruction": None}), "instruction must be a text"),
    "a number as instruction": (request_of(spoken={"instruction": 7}), "instruction must be a text"),
    "a long instruction": (
        request_of(spoken={"instruction": "x" * 1001}),
        "has 1001 characters; at most 1000",
    ),
    "half a character": (request_of(spoken={"instruction": "\ud800"}), r"holds half a character: \ud800"),
    "no state": (request_of(spoken={"robot_obs": None}), "15 finite numbers"),
    "a short state": (request_of(spoken={"robot_obs": ZEROS}), "15 finite numbers"),
    "texts": (request_of(spoken={"robot_obs": ["0"] * 15}), "15 finite numbers"),
    "booleans": (request_of(spoken={"robot_obs": [True] * 15}), "15 finite numbers"),
    "nested": (request_of(spoken={"robot_obs": [[0.0] * 15]}), "15 finite numbers"),
    "not finite": (request_of(spoken={"robot_obs": [*ZEROS, float("nan")]}), "15 finite numbers"),
    "infinite": (request_of(spoken={"robot_obs": [*ZEROS, float("inf")]}), "15 finite numbers"),
    "1e300": (request_of(spoken={"robot_obs": [*ZEROS, 1e300]}), "beyond 1000, which no robot has"),
    "400 digits": (request_of(spoken={"robot_obs": [*ZEROS, 10**400]}), "part json must be an object"),
}


@pytest.fixture(scope="module")
def served() -> Iterator[str]:
    with serving(act_nowhere) as url:
        yield url


@pytest.mark.parametrize("name", BAD_REQUESTS)
def test_serve_answers_400_with_a_sentence(served: str, name: str) -> None:
    parts, why = BAD_REQUESTS[name]
    answer = requests.post(served + "/predict", files=parts, timeout=60)
    assert (answer.status_code, list(answer.json())) == (400, ["error"])
    said = answer.json()["error"]
    assert why in said and said.isprintable() and len(said) < 200


def test_serve_answers_a_part_given_twice_with_a_sentence(served: str) -> None:
    parts = [*request_of().items(), ("json", (None, "{}"))]
    answer = requests.post(served + "/predict", files=parts, timeout=60)
    assert answer.status_code == 400
    assert answer.json() == {"error": "the request has 2 parts 'json'; it needs one"}


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "multipart/form-data"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "multipart/form-data; boundary=" + "x" * 300},
        {"Content-Type": "application/json"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {},
    ],
)
def test_serve_answers_a_body_of_another_kind_with_400(served: str, headers: dict[str, str]) -> None:
    answer = requests.post(
        served + "/predict", data=b"--x\r\nA: b\r\n\r\nnothing", headers=headers, timeout=60
    )
    assert answer.status_code == 400
    assert answer.json()["error"].isprintable()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/predict", 405), ("PUT", "/predict", 405), ("GET", "/", 404), ("POST", "/x%1b[2J", 404),
     ("DELETE", "/" + "x" * 500, 404), ("BREW", "/predict", 405)],
)  # fmt: skip
def test_serve_names_what_it_does_not_answer(served: str, method: str, path: str, status: int) -> None:
    answer = requests.request(method, served + path, timeout=60)
    assert answer.status_code == status
    assert answer.json()["error"].isprintable() and len(answer.json()["error"]) < 200


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NotFinite("qwen2 gives numbers that are not finite"), "qwen2 gives numbers that are not finite"),
        (RuntimeError("\x1b[2J a secret"), "the policy failed: RuntimeError; the server's own log says more"),
        (Panic("no entry found"), "the policy failed: RuntimeError; the server's own log says more"),
    ],
)
def test_a_policy_that_fails_is_answered_with_500_and_a_sentence(error: BaseException, said: str) -> None:
    def fail(_: Any) -> Any:
        raise error

    with serving(fail) as url:
        answer = requests.post(url + "/predict", files=request_of(), timeout=60)
    assert (answer.status_code, answer.json()) == (500, {"error": said})


def bounds(**changes: Any) -> Bounds:
    usual = {"body_bytes": 1 << 20, "connections": 100, "request_seconds": 60.0, "connection_seconds": 60.0}
    return Bounds(**(usual | changes))


@contextmanager
def metrics(limits: Bounds) -> Iterator[str]:
    registry = CollectorRegistry()
    Gauge("made_up", "A figure.", registry=registry).set(7)
    with MetricsServer(registry, "127.0.0.1", 0, limits) as server:
        yield f"http://127.0.0.1:{server.port}"


@contextmanager
def policies(limits: Bounds) -> Iterator[str]:
    with serving(act_nowhere, limits) as url:
        yield url


SERVERS: dict[str, Callable[[Bounds], Any]] = {"serve": policies, "metrics": metrics}
both = pytest.mark.parametrize("server", SERVERS)


def connect(url: str) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=60)


def all_of(connection: socket.socket) -> bytes:
    """Until the other end closes; what it did not read counts as closed too."""
    got = b""
    with suppress(ConnectionResetError):
        while part := connection.recv(65536):
            got += part
    return got


@both
@pytest.mark.parametrize(
    "begun",
    [b"", b"POST", b"POST /predict HTTP/1.1\r\nHost: localhost\r\n",
     b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nx"],
    ids=["nothing", "half a line", "half a head", "half a body"],
)  # fmt: skip
def test_a_client_that_stops_is_left_at_the_limit(server: str, begun: bytes) -> None:
    with SERVERS[server](bounds(request_seconds=0.05)) as url, connect(url) as client:
        client.sendall(begun)
        assert all_of(client) == b""


@both
def test_a_client_that_drips_its_head_is_left_at_the_limit(server: str) -> None:
    with SERVERS[server](bounds(request_seconds=0.05)) as url, connect(url) as client:
        gone = threading.Event()

        def drip() -> None:
            with suppress(OSError):
                client.sendall(b"GET / HTTP/1.1\r\nX: ")
                while not gone.wait(PAUSE):
                    client.sendall(b"x")

        threading.Thread(target=drip, daemon=True).start()
        assert all_of(client) == b""
        gone.set()


@both
def test_a_connection_ends_at_its_limit_whatever_goes_on(server: str) -> None:
    with SERVERS[server](bounds(connection_seconds=0.05)) as url, connect(url) as client:
        assert all_of(client) == b""


@both
def test_a_head_that_never_ends_is_left_at_its_limit_of_bytes(server: str) -> None:
    with SERVERS[server](bounds()) as url, connect(url) as client:
        with suppress(OSError):
            client.sendall(b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 10_000)
        assert b"200" not in all_of(client)


@both
def test_a_body_that_is_too_long_is_refused_before_it_is_read(server: str) -> None:
    with SERVERS[server](bounds(body_bytes=1000)) as url, connect(url) as client:
        client.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1001\r\n\r\n")
        head, _, said = all_of(client).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"the request's body has 1001 bytes; at most 1000 are read" in said


@both
@pytest.mark.parametrize("length", [b"9" * 30, b"-1", b"x", b"5, 6", b"\xb2"])
def test_a_length_that_is_none_is_refused(server: str, length: bytes) -> None:
    with SERVERS[server](bounds(body_bytes=1000)) as url, connect(url) as client:
        client.sendall(
            b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + length + b"\r\n\r\n"
        )
        assert all_of(client).startswith(b"HTTP/1.1 400 ")


@both
def test_a_body_in_chunks_is_read_up_to_its_limit(server: str) -> None:
    with SERVERS[server](bounds(body_bytes=1000)) as url, connect(url) as client:
        head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        with suppress(OSError):
            client.sendall(head + b"400\r\n" + b"x" * 1024 + b"\r\n0\r\n\r\n")
        assert b" 200 " not in all_of(client).partition(b"\r\n")[0]


@both
def test_more_connections_than_the_limit_are_closed_at_once(server: str) -> None:
    with SERVERS[server](bounds(connections=2)) as url, connect(url) as first, connect(url) as second:
        with connect(url) as third:
            assert all_of(third) == b"", "nothing was asked, and nothing waited for"
        first.close()
        second.sendall(b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert all_of(second).startswith(b"HTTP/1.1 404 ")


@both
@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:9464", "127.0.0.1.evil.example", "localhost.evil.example", "[::1", "1.2.3.4.5",
     "evil.example.", "a..b", "user@evil.example"],
)  # fmt: skip
def test_a_name_that_is_not_ours_is_refused(server: str, host: str) -> None:
    with SERVERS[server](bounds()) as url:
        answer = requests.get(url + "/metrics", headers={"Host": host}, timeout=60)
    assert answer.status_code == 421
    assert "this server is not called" in answer.json()["error"] and "made_up" not in answer.text


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:1", "127.0.0.1:9464", "[::1]:9464", "192.0.2.7", "metrics:9464", "LOCALHOST.",
     "a.localhost", "node7.cluster.example:80", "NODE7.cluster.example"],
)  # fmt: skip
def test_a_number_a_name_without_a_dot_and_one_that_was_given_are_answered(host: str) -> None:
    assert host_fault(host, {"node7.cluster.example"}) is None


def test_where_people_reach_a_service_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATON_METRICS_URL", "https://Figures.example.org:443/metrics")
    assert own_names("metrics", "0.0.0.0") == ["0.0.0.0", "figures.example.org"]
    monkeypatch.setenv("BATON_METRICS_URL", "http://[::1")
    assert own_names("metrics", "here.example") == ["here.example"]


def test_metrics_answers_prometheus() -> None:
    with metrics(bounds()) as url:
        answer = requests.get(url + "/metrics", timeout=60)
    assert answer.status_code == 200 and "made_up 7.0" in answer.text
    assert answer.headers["Content-Type"].startswith("text/plain")


def test_flower_listens_as_our_own_servers_do(monkeypatch: pytest.MonkeyPatch) -> None:
    from flower import command
    from flower.app import Flower

    monkeypatch.setattr(command, "Flower", Flower)  # put back afterwards
    flower._bound()
    assert issubclass(command.Flower, Flower)
    assert command.Flower.listen is not Flower.listen


def test_the_limits_are_those_that_are_promised() -> None:
    """In the order of `docs/guarantees.md`."""
    page = re.sub("<!--.*?-->", "", (REPOSITORY / "docs" / "guarantees.md").read_text(encoding="utf-8"))
    of_serve, of_flower, of_metrics = policy_server.BOUNDS, flower.BOUNDS, metrics_server.BOUNDS
    each = (of_serve, of_flower, of_metrics)
    assert of_serve.request_seconds == of_flower.request_seconds
    for promised in (
        f"(`serve` and `flower` {of_serve.request_seconds:.0f}, `metrics` {of_metrics.request_seconds:.0f})",
        f"({', '.join(f'{bounds.connection_seconds:.0f} s' for bounds in each)})",
        f"({', '.join(str(bounds.connections) for bounds in each)})",
        f"({of_serve.body_bytes >> 20} MiB, {of_flower.body_bytes >> 20} MiB, {of_metrics.body_bytes >> 10} KiB)",
    ):
        assert promised in page, promised
