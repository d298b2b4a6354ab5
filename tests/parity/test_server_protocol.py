"""Both ends of the policy server's protocol against a recorded exchange with the official ones."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from PIL import Image

from models.action_tokenizer import ActionTokenizer
from policies.base import Query
from policies.remote import RemotePolicy
from tests.policies.http_servers import body, raw_server, serving

PARITY = Path(os.environ.get("BATON_PARITY", Path(__file__).parents[3] / "shared" / "parity"))
FOLDER = PARITY / "server_protocol"
#: Qwen2's vocabulary without its special tokens, as the official action tokenizer counts it.
VOCABULARY = 151_643


def exchanges() -> list[dict[str, Any]]:
    path = FOLDER / "protocol.json"
    return json.loads(path.read_text())["exchanges"] if path.is_file() else []


pytestmark = pytest.mark.skipif(not exchanges(), reason=f"recorded official exchanges are absent: {FOLDER}")


@pytest.fixture(params=range(len(exchanges())))
def exchange(request: pytest.FixtureRequest) -> dict[str, Any]:
    return exchanges()[request.param]


def picture(name: str) -> np.ndarray:
    return np.asarray(Image.open(FOLDER / name).convert("RGB"))


def query_of(exchange: dict[str, Any]) -> Query:
    request = exchange["request"]
    observation = {
        "rgb_static": picture(request["static_png"]),
        "rgb_gripper": picture(request["gripper_png"]),
        "robot_obs": np.array(request["json_field"]["robot_obs"]),
    }
    return Query(observation, request["json_field"]["instruction"], sequence=0, number=0)


def test_our_server_answers_the_recorded_request(exchange: dict[str, Any]) -> None:
    wanted, seen = query_of(exchange), []
    ids = np.array(exchange["model_generated_token_ids"][:-1])

    def predict(queries):
        seen.extend(queries)
        return [ActionTokenizer(VOCABULARY).decode(ids)] * len(queries)

    request, response = exchange["request"], exchange["response"]
    with serving(predict) as url:
        answer = requests.request(
            request["method"],
            url + request["path"],
            headers={"Content-Type": request["headers"]["Content-Type"]},
            data=(FOLDER / request["body_file"]).read_bytes(),
            timeout=30,
        )
    assert answer.status_code == response["status"]
    assert answer.headers["Content-Type"].startswith(response["content_type"])
    np.testing.assert_allclose(answer.json(), response["values"], rtol=0, atol=1e-12)
    (got,) = seen
    assert got.instruction == wanted.instruction
    for key, value in wanted.observation.items():
        np.testing.assert_array_equal(got.observation[key], value)


def test_our_client_makes_the_same_chunk_of_the_recorded_answer(exchange: dict[str, Any]) -> None:
    with raw_server(body((FOLDER / exchange["response"]["body_file"]).read_bytes())) as url:
        (chunk,) = RemotePolicy(url, tries=1).act([query_of(exchange)])
        (single,) = RemotePolicy(url, tries=1, chunk_steps=1).act([query_of(exchange)])
    np.testing.assert_allclose(chunk, exchange["client_action_chunk"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(single, exchange["client_first_action_only"], rtol=0, atol=1e-12)


def test_our_client_sends_what_the_official_one_sent(exchange: dict[str, Any]) -> None:
    """Byte for byte, but for the multipart boundary, which is random."""
    sent: list[bytes] = []

    def remember(connection: Any) -> None:
        body(b"[0, 0, 0, 0, 0, 0, 0]")(connection)

    original = requests.Session.send

    def spy(
        session: requests.Session, request: requests.PreparedRequest, **options: Any
    ) -> requests.Response:
        content = request.body
        assert isinstance(content, bytes)
        boundary = request.headers["Content-Type"].partition("boundary=")[2].encode()
        sent.append(content.replace(boundary, b"BOUNDARY"))
        return original(session, request, **options)

    with pytest.MonkeyPatch.context() as patch, raw_server(remember) as url:
        patch.setattr(requests.Session, "send", spy)
        RemotePolicy(url, tries=1).act([query_of(exchange)])
    request = exchange["request"]
    boundary = request["headers"]["Content-Type"].partition("boundary=")[2].encode()
    official = (FOLDER / request["body_file"]).read_bytes().replace(boundary, b"BOUNDARY")
    assert sent == [official]


def test_errors_have_the_recorded_status_but_for_faults_of_the_request(exchange: dict[str, Any]) -> None:
    errors = json.loads((FOLDER / "protocol.json").read_text())["errors"]
    query = query_of(exchange)
    files = {
        "json": json.dumps(
            {"instruction": query.instruction, "robot_obs": query.observation["robot_obs"].tolist()}
        ),
        "img_static": ("s", query.observation["rgb_static"][1:].tobytes()),
        "img_gripper": ("g", query.observation["rgb_gripper"].tobytes()),
    }
    with serving(lambda queries: [np.zeros((5, 7))] * len(queries)) as url:
        answer = requests.post(url + "/predict", files=files, timeout=30)
        assert errors["wrong_image_size_status"] == 500
        assert answer.status_code == 400, "asked again it would be refused again; 5xx says that it may help"
        assert (
            answer.json()["error"] == "part img_static must be 120000 bytes (200 x 200 x 3 RGB), got 119400"
        )
        assert requests.get(url + "/predict", timeout=30).status_code == errors["GET_status"]
