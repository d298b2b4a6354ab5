"""Demonstrations by the scripted expert, with the arrays of a CALVIN episode."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmark.actions import relative_action
from benchmark.observations import ACTION_GRIPPER, POSE
from simulators.base import Observation, PixelBox
from simulators.expert import Expert
from simulators.playtable.env import PlayTable
from simulators.starts import begin, random_start

Info = dict[str, Any]
Solved = Callable[[Info, Info], bool]

#: Frames kept after the first one in which the task counts as solved.
_FRAMES_AFTER_SUCCESS = 3


@dataclass(frozen=True)
class Recording:
    """One solved task, T frames; every array's first axis is the frame.

    rgb_static (T, 200, 200, 3) and rgb_gripper (T, 84, 84, 3) uint8; robot_obs (T, 15), scene_obs (T, 24),
    actions (T, 7) and rel_actions (T, 7) float64; `boxes` one dict of true boxes a frame,
    `pixels` one of how many pixels show each thing.

    `actions[t]` is the tcp pose measured at frame t + 1 and the gripper command that led there;
    `rel_actions[t]` is its difference to the pose measured at frame t, in CALVIN's units
    (calvin_env/utils/utils.py, to_relative_action).
    """

    scene: str
    task: str
    seed: int
    rgb_static: np.ndarray
    rgb_gripper: np.ndarray
    robot_obs: np.ndarray
    scene_obs: np.ndarray
    actions: np.ndarray
    rel_actions: np.ndarray
    boxes: tuple[dict[str, PixelBox | None], ...]
    pixels: tuple[dict[str, int], ...]


@dataclass(frozen=True)
class Failed:
    """No demonstration came of (scene, task, seed). `reason`: `nothing held` (the block to place could not
    be lifted first), `not solved`, or `undone` (solved, and no longer so a few frames later)."""

    scene: str
    task: str
    seed: int
    reason: str


@dataclass(frozen=True)
class Performance:
    """The expert solved the task: `commands` are the gripper commands of all steps, `success_step` is the
    number of steps after which the task first counted as solved."""

    commands: tuple[float, ...]
    success_step: int


def record(
    sim: PlayTable, task: str, seed: int, solved: Solved, max_steps: int = 90, starts: str = "rest"
) -> Recording | Failed:
    """Reset `sim` to a random state in which `task` is possible and record the expert doing it.

    A function of (scene, task, seed, starts). starts: `rest`, the arm near its rest pose, or `varied`, for
    half of the seeds where another task ended (`simulators.starts`). `solved(start_info, end_info)`
    judges; it is asked once a frame. Raises SimulatorError for a task that the expert does not know.
    """
    frames: list[Observation] = []
    outcome = perform(
        sim, task, seed, solved, max_steps, lambda: frames.append(sim.observe(boxes=True)), starts
    )
    if isinstance(outcome, Failed):
        return outcome
    return _recording(sim.scene.name, task, seed, frames, outcome)


def perform(
    sim: PlayTable,
    task: str,
    seed: int,
    solved: Solved,
    max_steps: int = 90,
    on_frame: Callable[[], None] = lambda: None,
    starts: str = "rest",
) -> Performance | Failed:
    """What `record` does, but for the pictures: `on_frame` is called first and after each step."""
    start = random_start(sim, task, seed, starts)
    begin(sim, start)
    if start.prelude is not None and not _holds_block(sim.info()):
        return Failed(sim.scene.name, task, seed, "nothing held")
    start_info = sim.info()
    expert = Expert(sim, task)
    on_frame()
    commands: list[float] = []
    success_step: int | None = None
    while len(commands) < max_steps:
        action = expert.act()
        if action is None:
            action = _rest(commands[-1])
        sim.step(action)
        commands.append(float(action[6]))
        on_frame()
        if success_step is None and solved(start_info, sim.info()):
            success_step = len(commands)
        if success_step is not None and len(commands) > success_step + _FRAMES_AFTER_SUCCESS:
            if solved(start_info, sim.info()):
                return Performance(tuple(commands), success_step)
            return Failed(sim.scene.name, task, seed, "undone")
    return Failed(sim.scene.name, task, seed, "not solved")


def _holds_block(info: Info) -> bool:
    """The robot touches one body, a block, which touches nothing else."""
    touched = {contact[2] for contact in info["robot_info"]["contacts"]}
    for block in info["scene_info"]["movable_objects"].values():
        if touched == {block["uid"]}:
            return {contact[2] for contact in block["contacts"]} == {info["robot_info"]["uid"]}
    return False


def _rest(gripper: float) -> np.ndarray:
    return np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, gripper])


def _recording(
    scene: str, task: str, seed: int, frames: list[Observation], performance: Performance
) -> Recording:
    """The last observation only serves as the target of the last action."""
    robot_obs = np.stack([frame["robot_obs"] for frame in frames])
    actions = np.column_stack([robot_obs[1:, POSE], performance.commands])
    kept = frames[:-1]
    return Recording(
        scene=scene,
        task=task,
        seed=seed,
        rgb_static=np.stack([frame["rgb_static"] for frame in kept]),
        rgb_gripper=np.stack([frame["rgb_gripper"] for frame in kept]),
        robot_obs=robot_obs[:-1],
        scene_obs=np.stack([frame["scene_obs"] for frame in kept]),
        actions=actions,
        rel_actions=relative_action(robot_obs[:-1], actions, actions[:, ACTION_GRIPPER]),
        boxes=tuple(frame["true_boxes"] for frame in kept),
        pixels=tuple(frame["visible_pixels"] for frame in kept),
    )
