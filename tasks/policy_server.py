"""The HTTP protocol of ReconVLA's released policy server (reconvla/serve/flask_server.py), answered by us.

`POST /predict`, multipart/form-data: `json` (the text of {"instruction", "robot_obs"}), `img_static` and
`img_gripper` (raw RGB bytes, row by row). The answer is a flat JSON list: the numbers of five actions, one
after the other, the gripper's as decoded. What cannot be used is answered with the official server's status,
500, and, unlike there, with a sentence that says why.
"""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from errors import EnvironmentLacks, InvalidInput
from tasks.policies import Query

STATIC_SHAPE, GRIPPER_SHAPE = (200, 200, 3), (84, 84, 3)
ROBOT_OBS_SIZE = 15
PATH = "/predict"

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
            chunks = await asyncio.get_running_loop().run_in_executor(None, self._predict, queries)
        except Exception as error:  # each waiting request is answered with it
            for _, future in batch:
                future.set_exception(error)
        else:
            for (_, future), chunk in zip(batch, chunks):
                future.set_result(chunk)


class PredictHandler(RequestHandler):
    def initialize(self, predictor: Predictor) -> None:
        self._predictor = predictor

    async def post(self) -> None:
        try:
            chunk = await self._predictor.answer(self._query())
        except InvalidInput as error:
            self.set_status(500)
            self.finish({"error": str(error)})
            return
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(np.asarray(chunk, dtype=np.float64).reshape(-1).tolist()))

    def _query(self) -> Query:
        try:
            content = json.loads(self._part("json"))
            instruction, state = content["instruction"], np.asarray(content["robot_obs"], dtype=np.float64)
        except (ValueError, TypeError, KeyError):
            raise InvalidInput("part json must be an object with instruction and robot_obs") from None
        if not isinstance(instruction, str):
            raise InvalidInput("instruction must be a text")
        if state.shape != (ROBOT_OBS_SIZE,) or not np.isfinite(state).all():
            raise InvalidInput(f"robot_obs must be {ROBOT_OBS_SIZE} finite numbers")
        observation = {
            "rgb_static": self._picture("img_static", STATIC_SHAPE),
            "rgb_gripper": self._picture("img_gripper", GRIPPER_SHAPE),
            "robot_obs": state,
        }
        return Query(observation, instruction, sequence=0, number=0)

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
        files = self.request.files.get(name)
        if files:
            return bytes(files[0]["body"])
        arguments = self.request.body_arguments.get(name)
        if not arguments:
            raise InvalidInput(f"the request has no part {name!r}; it needs json, img_static and img_gripper")
        return bytes(arguments[0])


def application(predict: Predict) -> Application:
    return Application([(PATH, PredictHandler, {"predictor": Predictor(predict)})])


def serve(predict: Predict, host: str, port: int, ready: Callable[[int], Any]) -> None:
    """Answer until SIGINT or SIGTERM. `ready` is told the port (of use where `port` is 0, any free one).

    Raises EnvironmentLacks when the address cannot be had.
    """

    async def main() -> None:
        try:
            sockets = bind_sockets(port, host)
        except OSError as error:
            raise EnvironmentLacks(
                f"cannot listen on {host}:{port}: {error.strerror}; choose another --port"
            ) from None
        server = HTTPServer(application(predict))
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
