"""The client's behaviour towards servers that answer well, badly, slowly, or not at all."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest

from errors import InvalidInput, NotFinite, PolicyServerError
from policies.base import Query
from policies.remote import RemotePolicy
from tests.policies.http_servers import body, raw_server, serving


def query(number: int = 0) -> Query:
    random = np.random.default_rng(number)
    observation = {
        "rgb_static": random.integers(0, 256, (200, 200, 3), dtype=np.uint8),
        "rgb_gripper": random.integers(0, 256, (84, 84, 3), dtype=np.uint8),
        "robot_obs": random.normal(size=15),
    }
    return Query(observation, f"instruction {number}", sequence=number, number=0)


def policy(
    url: str, tries: int = 2, timeout_seconds: float = 60.0, chunk_steps: int = 5, actions: str = "relative"
) -> RemotePolicy:
    return RemotePolicy(
        url,
        tries=tries,
        pause_seconds=0.01,
        timeout_seconds=timeout_seconds,
        chunk_steps=chunk_steps,
        actions=actions,
    )


def test_what_the_server_sees_is_what_the_query_holds() -> None:
    seen: list[Query] = []

    def predict(queries):
        seen.extend(queries)
        return [np.full((5, 7), float(q.instruction.split()[1]) / 10) for q in queries]

    queries = [query(number) for number in range(6)]
    with serving(predict) as url:
        chunks = policy(url).act(queries)
    assert [chunk[0, 0] for chunk in chunks] == [number / 10 for number in range(6)]  # each its own answer
    for asked in queries:
        (got,) = [q for q in seen if q.instruction == asked.instruction]
        for key, value in asked.observation.items():
            np.testing.assert_array_equal(got.observation[key], value)


def test_requests_that_wait_together_are_one_batch() -> None:
    sizes: list[int] = []
    first_is_busy, others_are_here = threading.Event(), threading.Event()

    def predict(queries):
        sizes.append(len(queries))
        if len(sizes) == 1:
            first_is_busy.set()
            others_are_here.wait(60)
        return [np.zeros((5, 7))] * len(queries)

    with serving(predict) as url:
        thread = threading.Thread(target=lambda: policy(url).act([query()]))
        thread.start()
        first_is_busy.wait(60)
        rest = threading.Thread(target=lambda: policy(url).act([query(1), query(2), query(3)]))
        rest.start()
        time.sleep(0.5)  # for the requests to arrive; if they come late the batches are only smaller
        others_are_here.set()
        thread.join()
        rest.join()
    assert sum(sizes) == 4
    assert sizes[0] <= 1


def test_long_answers_are_cut_and_short_ones_filled_up() -> None:
    numbers = list(np.linspace(-1, 1, 127))
    with raw_server(body(json.dumps(numbers).encode())) as url:
        cutting = policy(url)
        (chunk,) = cutting.act([query()])
        cutting.act([query()])
        (step,) = policy(url, chunk_steps=1).act([query()])
    assert cutting.counts == {"cut_answers": 2}
    np.testing.assert_array_equal(chunk[:, :6], np.reshape(numbers[:35], (5, 7))[:, :6])
    np.testing.assert_array_equal(step[0, :6], numbers[:6])
    with raw_server(body(b"[0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]")) as url:
        client = policy(url)
        (chunk,) = client.act([query()])
    np.testing.assert_array_equal(chunk[:, 6], [1, -1, -1, -1, -1])
    np.testing.assert_array_equal(chunk[1:, :6], 0)
    assert client.counts["short_answers"] == 1


def test_answers_of_eight_actions_are_carried_out_whole_where_that_is_declared(caplog) -> None:
    numbers = list(np.linspace(-1, 1, 56))
    with raw_server(body(json.dumps(numbers).encode())) as url:
        client, undeclared = policy(url, chunk_steps=8), policy(url)
        (chunk,) = client.act([query()])
        assert caplog.messages == []
        undeclared.act([query(), query(1)])
    np.testing.assert_array_equal(chunk[:, :6], np.reshape(numbers, (8, 7))[:, :6])
    assert not client.counts and undeclared.counts == {"cut_answers": 2}
    (told,) = caplog.messages  # once
    assert "answers with 56 numbers, of which the first 35 are carried out" in told


class _Arm:
    def target_pose(self) -> np.ndarray:
        return np.array([0.1, 0.0, 0.5, 3.1, 0.0, 0.0])


def test_absolute_poses_lead_from_the_target_to_each_in_turn() -> None:
    poses = [[0.12, 0.0, 0.5, -3.1, 0.0, 0.0, 1.0], [0.12, -0.1, 0.5, -3.1, 0.0, 0.025, 0.0]]
    with raw_server(body(json.dumps([one for pose in poses for one in pose]).encode())) as url:
        client = policy(url, actions="absolute")
        (chunk,) = client.act([replace(query(), simulator=_Arm())])  # type: ignore[arg-type]
    turned = (2 * np.pi - 6.2) / 0.05  # the short way round
    expected = [[1, 0, 0, turned, 0, 0, 1], [0, -5, 0, 0, 0, 0.5, -1], *[[0, 0, 0, 0, 0, 0, -1]] * 3]
    np.testing.assert_allclose(chunk, expected, atol=1e-9)
    assert client.counts == {"short_answers": 1}


def _hang_up(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_RDWR)


def _say_nothing(connection: socket.socket) -> None:
    connection.settimeout(None)
    connection.recv(1)  # until the client has left


def _drip(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while True:  # until the client has left
        connection.sendall(b"1")
        time.sleep(0.1)


def _flood(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + b"1" * (1 << 20))


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (body(b"<html>"), "'<html>', which is no list of numbers"),
        (body(b"\xff\xfe\x00"), "no list of numbers"),
        (body(b"{}"), "no list of numbers"),
        (body(b"7"), "no list of numbers"),
        (body(b"[]"), "no list of numbers"),
        (body(b'["a", "b"]'), "no list of numbers"),
        (body(b'["0.1", "0.2"]'), "no list of numbers"),
        (body(b"[true, false]"), "no list of numbers"),
        (body(b"[1, NaN, 2]"), "not finite"),
        (body(b"[1, 1e400, 2]"), "not finite"),
        (body(b"[1, -Infinity, 2]"), "not finite"),
        (body(b"[1, 1" + b"0" * 400 + b", 2]"), "no list of numbers"),
        (body(b"[1, null, 2]"), "not finite|no list"),
        (body(b"out of memory", "500 Internal Server Error"), "status 500: 'out of memory'"),
        (_hang_up, "no connection"),
        (_say_nothing, r"within 0\.5 s"),
        (_drip, r"within 0\.5 s"),
        (_flood, "longer than 16384 bytes"),
    ],
)
def test_every_fault_is_named_after_the_last_try(answer: Callable[[socket.socket], None], fault: str) -> None:
    with raw_server(answer) as url:
        client = policy(url, timeout_seconds=0.5 if "within" in fault else 60.0)
        with pytest.raises(PolicyServerError, match=fault) as error:
            client.act([query(4)])
    assert f"{url}/predict gave no action in 2 tries (sequence 4, query 0)" in str(error.value)
    assert client.counts["retries"] == 1


def test_nobody_there() -> None:
    with pytest.raises(PolicyServerError, match="no connection"):
        policy("http://127.0.0.1:9").act([query()])


def test_https_where_the_server_speaks_http() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with listener.accept()[0] as connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        server = threading.Thread(target=answer, daemon=True)
        server.start()
        client = policy(f"https://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(PolicyServerError, match=r"refuses .*: it speaks http://, and not https://"):
            client.act([query()])
        assert client.counts["retries"] == 0, "it will not the next time either"
        server.join()


def test_a_server_that_comes_back_is_counted() -> None:
    calls: list[int] = []

    def sometimes(connection: socket.socket) -> None:
        calls.append(1)
        body(b"[0, 0, 0, 0, 0, 0, 1]" if len(calls) > 2 else b"starting", "200 OK")(connection)

    with raw_server(sometimes) as url:
        client = policy(url, tries=5)
        assert len(client.act([query()])) == 1
    assert client.counts["retries"] == 2


def test_a_served_model_whose_numbers_are_not_finite_is_answered_with_a_sentence() -> None:
    def predict(queries):
        raise NotFinite("qwen2 gives numbers that are not finite in fp16")

    with serving(predict) as url, pytest.raises(PolicyServerError, match=r"status 500: .*not finite in fp16"):
        policy(url).act([query()])


@pytest.mark.parametrize("printed", ["", "/", "/predict", "/predict/"])
def test_the_address_that_serve_prints_is_one(printed: str) -> None:
    with serving(lambda queries: [np.zeros((5, 7))] * len(queries)) as url:
        (chunk,) = policy(url + printed).act([query()])
    assert chunk.shape == (5, 7)


@pytest.mark.parametrize(
    "url", ["http://", "http://here:port", "http://[::1", "http://here/?a=b", "http://here/#a"]
)
def test_what_is_no_address_is_said(url: str) -> None:
    with pytest.raises(InvalidInput, match="is no address of a policy server"):
        policy(url)


@pytest.mark.parametrize("user", ["somebody:secret", "secret", ":secret", ""])
def test_no_password_is_in_an_address(user: str) -> None:
    """It would be in the state, in reports and in bundles."""
    for rest in ("127.0.0.1:8000/predict", "here:8000/?x=1", "here:99999", "here:port#a", "[::1"):
        with pytest.raises(InvalidInput, match=r"names a user.*\.netrc") as refused:
            policy(f"http://{user}@{rest}")
        assert "secret" not in str(refused.value)


def test_a_password_of_the_users_file_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    sent: list[str | None] = []

    class Asked(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            sent.append(self.headers["Authorization"])
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps([0.0] * 35).encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Asked) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        policy(f"http://127.0.0.1:{server.server_port}", tries=1).act([query()])
    assert sent == [f"Basic {base64.b64encode(b'somebody:secret').decode()}"]


@pytest.mark.parametrize(
    ("status", "asked"), [(301, 1), (401, 1), (404, 1), (422, 1), (408, 3), (429, 3), (500, 3), (503, 3)]
)
def test_what_is_refused_for_good_is_asked_once(status: int, asked: int) -> None:
    seen: list[bytes] = []

    def answer(connection: socket.socket) -> None:
        seen.append(b"")
        body(b"what", f"{status} no")(connection)

    with raw_server(answer) as url, pytest.raises(PolicyServerError, match=f"status {status}: 'what'"):
        policy(url, tries=3).act([query()])
    assert len(seen) == asked


@pytest.mark.parametrize("answer", [b"[[0, 0, 0, 0, 0, 0, 1]]", b'{"action": [0, 0, 0, 0, 0, 0, 1]}'])
def test_rows_are_no_passing_fault(answer: bytes) -> None:
    seen: list[bytes] = []

    def rows(connection: socket.socket) -> None:
        seen.append(b"")
        body(answer, "200 OK")(connection)

    with (
        raw_server(rows) as url,
        pytest.raises(PolicyServerError, match="an action is one flat list of 7 numbers"),
    ):
        policy(url, tries=3).act([query()])
    assert len(seen) == 1


@pytest.mark.parametrize(("status", "code"), [(301, 2), (308, 2), (404, 2), (405, 2), (401, 1), (422, 1)])
def test_an_address_without_a_policy_is_wrong_use(status: int, code: int) -> None:
    with raw_server(body(b"what", f"{status} no")) as url, pytest.raises(PolicyServerError) as refused:
        policy(f"{url}/wrong").act([query()])
    assert refused.value.exit_code == code
    is_elsewhere = "there is no policy at" in str(refused.value)
    assert is_elsewhere == (code == 2)
    if is_elsewhere:
        assert f"{url}/wrong/predict" in str(refused.value)
        assert "the address of one is http://HOST:PORT" in str(refused.value)


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_server_of_this_machine_is_asked_without_a_proxy(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    with serving(lambda queries: [np.zeros((5, 7))] * len(queries)) as url:
        (chunk,) = policy(url, tries=1).act([query()])
    assert chunk.shape == (5, 7)
