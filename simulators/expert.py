"""The scripted expert: solves CALVIN's tasks on the play table from what the simulator knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import chain

import numpy as np

from benchmark.observations import GRIPPER_COMMAND, POSE
from errors import SimulatorError
from simulators.base import Simulator
from simulators.playtable.scene import Scene
from simulators.skills import blocks, doors, lights
from simulators.skills.motion import SETTLE_STEPS, Waypoint, action_towards, difference, withdrawal
from simulators.skills.workspace import TableSimulator, Workspace

Skill = Callable[[Workspace], Iterator[Waypoint]]

#: Commanded and goal pose count as equal below this, in m and rad.
_REACHED = 1e-6
#: How far the arm may lag behind at a waypoint that is only passed: 0.02 m is its lag at cruising speed.
_LAG_METRES = 0.015


def _skills() -> dict[str, Skill]:
    table: dict[str, Skill] = {
        "open_drawer": doors.open_drawer,
        "close_drawer": doors.close_drawer,
        "move_slider_left": doors.move_slider_left,
        "move_slider_right": doors.move_slider_right,
        "turn_on_led": lights.press_button,
        "turn_off_led": lights.press_button,
        "turn_on_lightbulb": lights.switch_on,
        "turn_off_lightbulb": lights.switch_off,
    }
    return table | blocks.skills()


SKILLS: Mapping[str, Skill] = _skills()


class Expert:
    """Drives `sim` through one task, beginning in its present state.

    Actions are a function of the simulator's state and of the waypoint under way; nothing is random.
    """

    def __init__(self, sim: Simulator, task: str, scene: Scene | None = None) -> None:
        """scene: what stands in `sim`, where it does not say so itself.

        Raises SimulatorError when the expert has no skill for `task`, or nobody tells the scene.
        """
        if task not in SKILLS:
            raise SimulatorError(f"the expert cannot do {task!r}; it can do: {', '.join(sorted(SKILLS))}")
        scene = scene or getattr(sim, "scene", None)
        if scene is None:
            raise SimulatorError("the expert must be told the scene: this simulator does not know it")
        self._sim = sim
        robot_obs = sim.state()[0]
        gripper = 1 if robot_obs[GRIPPER_COMMAND] > 0 else -1
        self._plan = chain(withdrawal(sim.target_pose(), gripper), SKILLS[task](Workspace(sim, scene)))
        self._waypoint = next(self._plan, None)
        self._held_steps = 0

    def act(self) -> np.ndarray | None:
        """The next relative action (7,), or None when the skill is through."""
        pose = self._sim.target_pose()
        while self._waypoint is not None and self._is_done(self._waypoint, pose):
            self._waypoint = next(self._plan, None)
            self._held_steps = 0
        if self._waypoint is None:
            return None
        if _distance(self._waypoint, pose) <= _REACHED:
            self._held_steps += 1
        return action_towards(self._waypoint, pose)

    def _is_done(self, waypoint: Waypoint, pose: np.ndarray) -> bool:
        if waypoint.hold_steps:
            return self._held_steps >= waypoint.hold_steps
        if _distance(waypoint, pose) > max(waypoint.blend_metres, _REACHED):
            return False
        measured = self._sim.state()[0][POSE]
        caught_up = _distance(waypoint, measured) <= waypoint.blend_metres + _LAG_METRES
        return caught_up or self._held_steps >= SETTLE_STEPS


def do(sim: TableSimulator, task: str, max_steps: int = 120) -> None:
    """Let the expert do `task` in `sim`, to the end of its plan; nobody judges."""
    expert = Expert(sim, task)
    for _ in range(max_steps):
        action = expert.act()
        if action is None:
            return
        sim.step(action)


def _distance(waypoint: Waypoint, pose: np.ndarray) -> float:
    delta = difference(waypoint.pose, pose)
    # A radian of rotation still to go counts as much as 0.4 m: both take 20 steps at full speed.
    return max(float(np.linalg.norm(delta[:3])), 0.4 * float(np.abs(delta[3:]).max()))
