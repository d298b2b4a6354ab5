"""Recorded demonstrations played open loop: does the oracle accept what was recorded, in this simulator?

The first thing to look at when success rates are low: where recorded actions fail, no policy that imitates
them can do better. Pictures of the first frame are compared too; another renderer shows there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmark.cameras import CAMERAS
from benchmark.observations import POSITION
from calvin.episode import Episode
from calvin.oracle import TaskOracle
from errors import DatasetError, SimulatorError, SimulatorLost
from simulators.base import MAX_REPLAYS, Simulator


@dataclass(frozen=True)
class Replayed:
    """One demonstration. accepted_at: the frame at which the oracle accepted its task, None if it never did.

    drift_metres: distance between the tool's positions at the last frame, recorded and played.
    static_difference, gripper_difference: mean absolute difference of the first frame's pictures, in grey
    levels 0 to 255. replays: how often the simulator was lost on the way and the demonstration begun again.
    """

    task: str
    scene: str
    start: int
    end: int
    accepted_at: int | None
    drift_metres: float
    static_difference: float
    gripper_difference: float
    replays: int = 0


def replay(episodes: Iterable[Episode], simulator_for: Callable[[str], Simulator]) -> Iterator[Replayed]:
    """Reset to each episode's first frame and carry out its relative actions. `simulator_for`: by scene.

    Raises SimulatorError when a demonstration loses its simulator again and again, DatasetError for a first frame that
    no simulator can be reset to.
    """
    oracle = TaskOracle()
    for episode in episodes:
        simulator = simulator_for(episode.scene)
        for replays in range(MAX_REPLAYS + 1):
            try:
                played = _play(episode, simulator, oracle)
            except SimulatorLost as error:
                fault = error
                continue
            yield replace(played, replays=replays)
            break
        else:
            raise SimulatorError(
                f"the demonstration of frames {episode.start} to {episode.end} lost its simulator {MAX_REPLAYS + 1} "
                f"times; the last time: {fault}"
            )


def _play(episode: Episode, simulator: Simulator, oracle: TaskOracle) -> Replayed:
    if episode.scene_obs is None:
        raise DatasetError(
            f"frame {episode.start} of the {episode.split} split has no scene_obs, without which no simulator can be "
            "reset to it: the dataset cannot be replayed"
        )
    try:
        simulator.reset(episode.robot_obs[0], episode.scene_obs[0])
    except SimulatorLost:
        raise
    except SimulatorError as error:
        raise DatasetError(f"frame {episode.start} of the {episode.split} split: {error}") from None
    seen = simulator.observe(CAMERAS)
    start = simulator.info()
    accepted_at = None
    for step, action in enumerate(episode.rel_actions):
        if step == len(episode) - 1:
            drift = np.linalg.norm(simulator.state()[0][POSITION] - episode.robot_obs[-1, POSITION])
        simulator.step(action)
        if accepted_at is None and oracle.solved(start, simulator.info(), (episode.task,)):
            accepted_at = step + 1
    return Replayed(
        task=episode.task,
        scene=episode.scene,
        start=episode.start,
        end=episode.end,
        accepted_at=accepted_at,
        drift_metres=float(drift),
        static_difference=_difference(seen["rgb_static"], episode.rgb_static[0]),
        gripper_difference=_difference(seen["rgb_gripper"], episode.rgb_gripper[0]),
    )


def _difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    return float(np.abs(one.astype(np.int16) - other.astype(np.int16)).mean())
