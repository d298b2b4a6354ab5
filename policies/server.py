"""The HTTP protocol of ReconVLA's released policy server (reconvla/serve/flask_server.py), answered by us.

`POST /predict`, multipart/form-data: `json` (the text of {"instruction", "robot_obs"}), `img_static` and
`img_gripper` (raw RGB bytes, row by row). The answer is a flat JSON list: the numbers of five actions, one
after the other, the gripper's as decoded. What cannot be used is answered with the official server's status,
500, and, unlike there, with a sentence that says why.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import signal
from collections.abc import Callable, Sequence
from socket import socket
from typing import Any

import numpy as np
from tornado.netutil import bind_sockets
from tornado.web import Application

from benchmark.embodiment import CALVIN
from calvin.instruction_text import fault_of_instruction
from errors import BatonError, EnvironmentLacks, InvalidInput
from policies.base import Query
from settings import bounded_server
from settings.bounded_server import BoundedServer, Bounds, SentenceHandler, own_names
from settings.document_limits import Limits
from settings.documents import parse_json
from settings.panics import panics_told
from settings.shown import shown
from simulators.base import Observation

logger = logging.getLogger("baton.serve")

PATH = "/predict"

#: A request has 141,168 bytes of pictures, and clients send it at once. An answer waits for those before it.
BOUNDS = Bounds(body_bytes=1 << 20, connections=256, request_seconds=30.0, connection_seconds=600.0)

#: Metres and radians.
_LARGEST_STATE = 1000.0
_LIMITS = Limits(characters=1 << 14, values=100, levels=5, digits=100)

Predict = Callable[[Sequence[Query]], Sequence[np.ndarray]]


class Predictor:
    """Answers requests in batches: those that arrive while the model is busy wait and go together."""

    def __init__(self, predict: Predict) -> None:
        self._predict = predict
        self._waiting: list[tuple[Query, asyncio.Future[np.ndarray]]] = []
        self._busy = False

    async def answer(self, query: Query) -> np.ndarray:
        """The chunk (steps, 7) for `query`. Raises what the model raises."""
        future: asyncio.Future[np.ndarray] = asyncio.get_running_loop().create_future()
        self._waiting.append((query, future))
        if not self._busy:
            await self._work()
        return await future

    async def _work(self) -> None:
        self._busy = True
        try:
            await asyncio.sleep(0)  # requests that arrived together join the first batch
            while self._waiting:
                batch, self._waiting = self._waiting, []
                await self._answer_batch(batch)
        finally:
            self._busy = False

    async def _answer_batch(self, batch: list[tuple[Query, asyncio.Future[np.ndarray]]]) -> None:
        queries = [query for query, _ in batch]
        try:
            chunks = await asyncio.get_running_loop().run_in_executor(None, self._predict_told, queries)
        except Exception as error:  # each waiting request is answered with it
            for _, future in batch:
                future.set_exception(error)
        else:
            for (_, future), chunk in zip(batch, chunks):
                future.set_result(chunk)

    def _predict_told(self, queries: Sequence[Query]) -> Sequence[np.ndarray]:
        with panics_told():
            return self._predict(queries)


class PredictHandler(SentenceHandler):
    def initialize(self, predictor: Predictor) -> None:
        self._predictor = predictor

    async def post(self) -> None:
        try:
            query = self._query()
        except InvalidInput as error:
            self._refuse(400, str(error))
            return
        try:
            chunk = await self._predictor.answer(query)
        except BatonError as error:
            self._refuse(500, str(error))
        except Exception as error:
            logger.exception("the policy failed")
            self._refuse(500, f"the policy failed: {type(error).__name__}; the server's own log says more")
        else:
            self.set_header("Content-Type", "application/json")
            self.finish(json.dumps(np.asarray(chunk, dtype=np.float64).reshape(-1).tolist()))

    def _refuse(self, status: int, sentence: str) -> None:
        self.set_status(status)
        self.finish({"error": sentence})

    def _query(self) -> Query:
        text = self._part("json")
        if len(text) > _LIMITS.characters:
            raise InvalidInput(f"part json has {len(text)} bytes; at most {_LIMITS.characters} are read")
        try:
            content = parse_json(text, _LIMITS)
            instruction, state = content["instruction"], content["robot_obs"]
        except (ValueError, TypeError, KeyError):
            raise InvalidInput("part json must be an object with instruction and robot_obs") from None
        observation: Observation = {
            "rgb_static": self._picture("img_static", CALVIN.static_shape),
            "rgb_gripper": self._picture("img_gripper", CALVIN.gripper_shape),
            "robot_obs": _state(state),
        }
        return Query(observation, _instruction(instruction), sequence=0, number=0)

    def _picture(self, name: str, shape: tuple[int, int, int]) -> np.ndarray:
        content = self._part(name)
        size = int(np.prod(shape))
        if len(content) != size:
            raise InvalidInput(
                f"part {name} must be {size} bytes ({' x '.join(map(str, shape))} RGB), got {len(content)}"
            )
        return np.frombuffer(content, dtype=np.uint8).reshape(shape)

    def _part(self, name: str) -> bytes:
        """With or without a file name: clients differ."""
        parts = [bytes(file["body"]) for file in self.request.files.get(name, ())]
        parts += self.request.body_arguments.get(name, ())
        if not parts:
            raise InvalidInput(
                f"the request has no part {shown(name)}; it needs json, img_static and img_gripper"
            )
        if len(parts) > 1:
            raise InvalidInput(f"the request has {len(parts)} parts {shown(name)}; it needs one")
        return parts[0]


def _instruction(given: Any) -> str:
    if not isinstance(given, str):
        raise InvalidInput("instruction must be a text")
    if (wrong := fault_of_instruction(given)) is not None:
        raise InvalidInput(f"instruction {wrong}")
    return given


def _state(given: Any) -> np.ndarray:
    numbers = given if isinstance(given, list) else []
    # Texts and booleans would pass for numbers.
    if len(numbers) != CALVIN.robot_obs_size or not all(type(number) in (int, float) for number in numbers):
        raise InvalidInput(f"robot_obs must be {CALVIN.robot_obs_size} finite numbers")
    if not all(math.isfinite(number) for number in numbers):
        raise InvalidInput(f"robot_obs must be {CALVIN.robot_obs_size} finite numbers")
    if max(map(abs, numbers)) > _LARGEST_STATE:
        raise InvalidInput(f"robot_obs holds numbers beyond {_LARGEST_STATE:g}, which no robot has")
    return np.asarray(numbers, dtype=np.float64)


def application(predict: Predict) -> Application:
    return bounded_server.application((PATH, PredictHandler, {"predictor": Predictor(predict)}))


def need_address(host: str, port: int) -> None:
    """Raises EnvironmentLacks when the address cannot be had: before a model is loaded for minutes."""
    for one in _bound(host, port):
        one.close()


def _bound(host: str, port: int) -> list[socket]:
    try:
        return bind_sockets(port, host)
    except OSError as error:
        raise EnvironmentLacks(
            f"cannot listen on {host}:{port}: {error.strerror}; choose another --port"
        ) from None


def serve(predict: Predict, host: str, port: int, ready: Callable[[int], Any]) -> None:
    """Answer until SIGINT or SIGTERM. `ready` is told the port (of use where `port` is 0, any free one).

    Raises EnvironmentLacks when the address cannot be had.
    """

    async def main() -> None:
        sockets = _bound(host, port)
        server = BoundedServer(application(predict), BOUNDS, own_names("serve", host))
        server.add_sockets(sockets)
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        ready(sockets[0].getsockname()[1])
        await stop.wait()
        server.stop()
        await server.close_all_connections()

    asyncio.run(main())
