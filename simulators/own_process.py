"""Any simulator of the registry in a process of its own, so that several work at the same time.

It is run as a module there.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from typing import IO, Any

import errors
from benchmark.cameras import EGL
from errors import BatonError, ConfigError
from settings.code_source import Source, reference_of
from settings.heap import give_back
from settings.own_code import admit, admitted_in
from settings.own_module import command_of
from settings.suggestions import did_you_mean
from simulators import registry
from simulators.base import Simulator
from simulators.egl_devices import egl_environment
from simulators.external.calvin_env_script import answer_requests
from simulators.forks import STOCKS, Fork, serve_forks
from simulators.piped import PipedSimulator

#: The argument of a process that forks.
FORKS = "forks"


class OwnProcess(PipedSimulator):
    """Simulator `name` with `scene`, as `simulators.registry.create` makes it, in another process."""

    def __init__(self, name: str, scene: str, **options: Any) -> None:
        own = reference_of(name)
        if own is None and name not in registry.names():
            known = registry.names()
            raise ConfigError(
                f"simulator {name!r} is unknown; known simulators: {', '.join(known)}{did_you_mean(name, known)}"
            )
        opening = {"name": name, "scene": scene, **options}
        if own is not None:
            (source,) = admitted_in(name)
            opening["source"] = dict(source.files)
        # Asked here, where it is kept: each of the processes would ask nvidia-smi and EGL anew.
        environment = egl_environment() if options.get("renderer") == EGL else None
        super().__init__(command_of("simulators.own_process"), opening, environment=environment)

    def _launch(self, printed: IO[bytes]) -> subprocess.Popen[bytes] | Fork:
        fork = None
        if self._opening["name"] == "playtable" and self._opening.get("renderer") != EGL:
            fork = STOCKS.fork(self, [*self._command, FORKS], self._opening, printed.fileno())
        return super()._launch(printed) if fork is None else fork

    def close(self) -> None:
        super().close()
        STOCKS.leave(self)

    def _refusal(self, error: str) -> BatonError:
        """The same error that this process would have raised."""
        kind, _, words = error.partition(": ")
        raised = getattr(errors, kind, None)
        if isinstance(raised, type) and issubclass(raised, BatonError):
            return raised(words)
        return super()._refusal(error)


class Served:
    """Answers requests with a simulator of this process."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._was_reset = False

    def do_reset(self, seed: int, robot_obs: Any = None, scene_obs: Any = None) -> dict[str, Any]:
        self._simulator.reset(robot_obs, scene_obs, seed)
        give_back()  # the world that was before
        self._was_reset = True
        return {}

    def do_step(self, action: Any) -> dict[str, Any]:
        self._simulator.step(action)
        return {}

    def do_observe(self, cameras: list[str], boxes: bool) -> dict[str, Any]:
        seen = self._simulator.observe(cameras, boxes)
        if self._was_reset:
            give_back()  # the first picture needs more than others
            self._was_reset = False
        return {**seen}

    def do_state(self) -> dict[str, Any]:
        robot_obs, scene_obs = self._simulator.state()
        return {"robot_obs": robot_obs, "scene_obs": scene_obs}

    def do_target_pose(self) -> dict[str, Any]:
        return {"pose": self._simulator.target_pose()}

    def do_info(self) -> dict[str, Any]:
        return {"info": self._simulator.info()}

    def do_true_boxes(self) -> dict[str, Any]:
        return {"true_boxes": self._simulator.true_boxes()}

    def do_description(self) -> dict[str, Any]:
        return {"description": self._simulator.description()}


def _open(name: str, scene: str, source: Mapping[str, str] | None = None, **options: Any) -> Served:
    """source: of a class of the user's own, which the process that asks may run."""
    if source is not None:
        admit(Source(source))
    return Served(registry.create(name, scene, **options))


if __name__ == "__main__":
    if sys.argv[1:2] == [FORKS]:
        serve_forks(_open, int(sys.argv[2]))
    else:
        answer_requests(_open)
