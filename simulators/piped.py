"""A simulator in a process of its own, spoken to over a pipe in the messages of `simulators.external`."""

from __future__ import annotations

import os
import select
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import IO, Any

import numpy as np

from benchmark.cameras import CAMERAS
from benchmark.embodiment import CALVIN
from errors import BatonError, SimulatorError, SimulatorLost, SimulatorMissing
from settings.faults import need_fact
from simulators.base import Observation, PixelBox
from simulators.external.calvin_env_script import read_message, write_message
from simulators.forks import Fork

#: The slowest call is a reset, which may load a scene anew (a second or two, on a busy machine many more).
ANSWER_SECONDS = 120.0
_END_SECONDS = 5.0


class PipedSimulator:
    """See `simulators.base.Simulator` for the contract of each method.

    Pictures are drawn when `observe` asks, not at every step. A process that dies or gives no answer within
    `answer_seconds` is ended, the call raises SimulatorLost, and the next reset starts another.
    """

    #: Calls wait for the process without holding Python's lock: several simulators work at the same time.
    in_own_process = True

    def __init__(
        self,
        command: Sequence[str],
        opening: Mapping[str, Any],
        answer_seconds: float = ANSWER_SECONDS,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """command: what to start. opening: the fields of the first request, which makes the simulator. environment:
        variables that the process has beside those of this one.

        Raises SimulatorMissing when there is no such program or it cannot make the simulator.
        """
        self._command = list(command)
        self._opening = {"call": "open", **opening}
        self._environment = environment
        self._answer_seconds = answer_seconds
        self._process: subprocess.Popen[bytes] | Fork | None = None
        #: What the process prints, which is much; the last line is shown when it is lost.
        self._printed = tempfile.TemporaryFile()  # noqa: SIM115 (closed in close)
        #: Processes that were lost so far.
        self.losses = 0
        try:
            self._start()
        except BatonError:
            self._printed.close()
            raise

    def reset(
        self, robot_obs: np.ndarray | None = None, scene_obs: np.ndarray | None = None, seed: int = 0
    ) -> None:
        request: dict[str, Any] = {"call": "reset", "seed": seed}
        if robot_obs is not None:
            request["robot_obs"] = _vector(robot_obs, "robot_obs", CALVIN.robot_obs_size)
        if scene_obs is not None:
            request["scene_obs"] = _vector(scene_obs, "scene_obs", CALVIN.scene_obs_size)
        if self._process is None:
            try:
                self._start()
            except BatonError as error:
                raise SimulatorLost(f"the simulator is gone and no other could be started: {error}") from None
        self._call(request)

    def step(self, action: np.ndarray) -> None:
        values = _vector(action, "action", 7)
        if values[6] not in (-1.0, 1.0):
            raise SimulatorError(f"the gripper's command must be 1 or -1, got {values[6]}")
        self._call({"call": "step", "action": values})

    def observe(self, cameras: Sequence[str] = CAMERAS, boxes: bool = False) -> Observation:
        unknown = set(cameras) - set(CAMERAS)
        if unknown:
            raise SimulatorError(
                f"unknown camera {sorted(unknown)[0]!r}; known cameras: {', '.join(CAMERAS)}"
            )
        answer = self._call({"call": "observe", "cameras": list(cameras), "boxes": boxes})
        if boxes:
            answer["true_boxes"] = _boxes(answer["true_boxes"])
        seen: Any = answer  # with the arrays that were asked for
        observation: Observation = seen
        return observation

    def state(self) -> tuple[np.ndarray, np.ndarray]:
        answer = self._call({"call": "state"})
        return answer["robot_obs"], answer["scene_obs"]

    def target_pose(self) -> np.ndarray:
        pose: np.ndarray = self._call({"call": "target_pose"})["pose"]
        return pose

    def info(self) -> dict[str, Any]:
        info: dict[str, Any] = self._call({"call": "info"})["info"]
        return info

    def true_boxes(self) -> dict[str, PixelBox | None]:
        return _boxes(self._call({"call": "true_boxes"})["true_boxes"])

    def description(self) -> dict[str, str]:
        return dict(self._description)

    def describe_again(self) -> dict[str, str]:
        """What the process says of itself now; `description` is from its start."""
        return dict(self._call({"call": "description"})["description"])

    def close(self) -> None:
        self._end()
        self._printed.close()

    def _end(self) -> None:
        """End the process, if there is one, in peace."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.close()  # the script ends at the end of its input
        except BrokenPipeError:
            process.kill()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()

    def _refusal(self, error: str) -> BatonError:
        """What to raise when the process could not make its simulator. error: its exception's name and words."""
        return SimulatorMissing(f"{self._command[0]} makes no simulator: {error}")

    def _start(self) -> None:
        self._process = self._launch(self._printed)
        try:
            answer = self._exchange(self._opening)
            if answer["error"] is None:
                answer = self._exchange({"call": "description"})
        except SimulatorLost as error:
            raise SimulatorMissing(f"{self._command[0]} makes no simulator: {error}") from None
        if answer["error"] is not None:
            self._end()
            raise self._refusal(answer["error"])
        self._description = answer["description"]

    def _launch(self, printed: IO[bytes]) -> subprocess.Popen[bytes] | Fork:
        """A new process with pipes; `printed` is for what it prints. Raises SimulatorMissing."""
        try:
            return subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=printed,
                env=None if self._environment is None else {**os.environ, **self._environment},
                bufsize=0,
            )
        except OSError as error:
            need_fact(error)
            raise SimulatorMissing(f"{self._command[0]} cannot be started: {error.strerror}") from None

    def _call(self, request: dict[str, Any]) -> dict[str, Any]:
        """Raises SimulatorError for what the simulator refuses, SimulatorLost when its process is gone."""
        if self._process is None:
            raise SimulatorLost("the simulator's process is gone; reset starts another")
        answer = self._exchange(request)
        error = answer.pop("error")
        if error is not None:
            raise SimulatorError(error)
        return answer

    def _exchange(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        stream = _Deadline(self._process.stdout.fileno(), time.monotonic() + self._answer_seconds)
        try:
            write_message(self._process.stdin, request)
            answer = read_message(stream)
        except (BrokenPipeError, ConnectionResetError, TypeError, ValueError):
            answer = None  # died, before its answer or in the middle of it
        except TimeoutError:
            raise self._lost(
                f"gave no answer to {request['call']} within {self._answer_seconds:g} s"
            ) from None
        if answer is None:
            raise self._lost(f"died during {request['call']}")
        return dict(answer)

    def _lost(self, how: str) -> SimulatorLost:
        process, self._process = self._process, None
        assert process is not None
        self.losses += 1
        died = None if isinstance(process, Fork) else process.poll()  # a fork's is its parent's to know
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
        code = f" (exit code {died})" if died is not None else ""
        return SimulatorLost(f"the simulator {how}{code}; the last it printed: {self._last_line()!r}")

    def _last_line(self) -> str:
        self._printed.seek(0)
        lines = self._printed.read().decode("utf-8", "replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")


class _Deadline:
    """Reads a pipe until a moment of the monotonic clock."""

    def __init__(self, descriptor: int, at: float) -> None:
        self._descriptor = descriptor
        self._at = at

    def read(self, size: int) -> bytes:
        """Raises TimeoutError when nothing arrives in time."""
        ready, _, _ = select.select([self._descriptor], [], [], max(0.0, self._at - time.monotonic()))
        if not ready:
            raise TimeoutError
        return os.read(self._descriptor, size)


def _boxes(listed: Mapping[str, Sequence[int] | None]) -> dict[str, PixelBox | None]:
    return {name: None if box is None else (box[0], box[1], box[2], box[3]) for name, box in listed.items()}


def _vector(value: np.ndarray, name: str, size: int) -> np.ndarray:
    values = np.asarray(value, dtype=np.float64)
    if values.shape != (size,) or not np.isfinite(values).all():
        raise SimulatorError(f"{name} must be {size} finite numbers, got {values.tolist()}")
    return values
