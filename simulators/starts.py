"""States from which a task can be done, drawn at random; also those that another task leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from benchmark.tasks import BLOCK_COLOURS
from errors import SimulatorError
from simulators.expert import do
from simulators.playtable.random_scene import Choice, random_scene
from simulators.playtable.scene import Scene
from simulators.preconditions import block_of, is_possible
from simulators.skills.workspace import TableSimulator

#: Tool centre point of CALVIN's initial robot state, and how far from it an episode may start.
_REST_POSE = np.array([0.0259, -0.2313, 0.5713, 3.0905, -0.0291, 1.5001])
_POSE_SPREAD = np.array([0.06, 0.04, 0.04, 0.05, 0.05, 0.2])
_ATTEMPTS = 500


_FIXED: dict[str, Choice] = {
    "open_drawer": Choice(drawer_open=False),
    "close_drawer": Choice(drawer_open=True),
    "move_slider_left": Choice(slide_left=False),
    "move_slider_right": Choice(slide_left=True),
    "turn_on_lightbulb": Choice(bulb_on=False),
    "turn_off_lightbulb": Choice(bulb_on=True),
    "turn_on_led": Choice(led_on=False),
    "turn_off_led": Choice(led_on=True),
}


def _pushes_and_rotations() -> tuple[str, ...]:
    sides = ("left", "right")
    return tuple(
        f"{verb}_{c}_block_{side}" for verb in ("push", "rotate") for c in BLOCK_COLOURS for side in sides
    )


#: How demonstrations begin: with the arm near its rest pose, or half of them where the arm is while it does
#: another task, or after it. In CALVIN's chains a subtask ends the moment it counts as solved, hand on the handle.
STARTS = ("rest", "varied")
_SHARE_AFTER_ANOTHER = 0.5
#: Control steps of the other task; most take 25 to 50.
_EARLIER_STEPS = (10, 60)
_EARLIER_TRIES = 4
#: Tasks that leave the hand empty in the end.
_EARLIER_TASKS = (*_FIXED, "push_into_drawer", *_pushes_and_rotations())


class StartingSimulator(TableSimulator, Protocol):
    def robot_obs_at(self, pose: np.ndarray) -> np.ndarray:
        """robot_obs (15,) with the tcp at `pose` (6,) and open fingers. May move the arm."""


@dataclass(frozen=True)
class Start:
    """A state to reset to, and the tasks to do from there before the one in question begins.

    `earlier` is broken off after `earlier_steps`; `prelude` takes the block that is to be held.
    """

    robot_obs: np.ndarray
    scene_obs: np.ndarray
    prelude: str | None = None
    earlier: str | None = None
    earlier_steps: int = 0


def random_start(sim: StartingSimulator, task: str, seed: int, starts: str = "rest") -> Start:
    """A state of `sim`'s scene in which `task` is possible, a function of the arguments. Resets `sim`.

    starts: one of STARTS. Where `earlier` is given, doing it has been tried and `task` is possible
    afterwards. Raises SimulatorError when no state is found, and for a task that is not CALVIN's.
    """
    if starts not in STARTS:
        raise SimulatorError(f"starts must be one of {', '.join(STARTS)}, got {starts!r}")
    rng = np.random.default_rng(seed)
    for _ in range(_ATTEMPTS):
        choice, prelude = _choice(sim.scene, task, rng)
        scene_obs = random_scene(sim.scene, rng, choice)
        if is_possible(sim.scene, task, scene_obs):
            break
    else:
        raise SimulatorError(f"scene {sim.scene.name} offers no start for {task!r} (seed {seed})")
    pose = _REST_POSE + _POSE_SPREAD * rng.uniform(-1.0, 1.0, 6)
    sim.reset(scene_obs=scene_obs)
    start = Start(sim.robot_obs_at(pose), scene_obs, prelude)
    if starts == "varied" and rng.random() < _SHARE_AFTER_ANOTHER:
        return _after_another(sim, task, start, rng)
    return start


def begin(sim: TableSimulator, start: Start) -> None:
    """Put `sim` into the state in which the task in question begins."""
    sim.reset(start.robot_obs, start.scene_obs)
    if start.earlier is not None:
        do(sim, start.earlier, start.earlier_steps)
    if start.prelude is not None:
        do(sim, start.prelude)


def _after_another(sim: TableSimulator, task: str, start: Start, rng: np.random.Generator) -> Start:
    """`start` with another task before `task`, which is still possible; as it was where a few tries find none."""
    possible = [
        name for name in _EARLIER_TASKS if name != task and is_possible(sim.scene, name, start.scene_obs)
    ]
    for name in rng.permutation(possible)[:_EARLIER_TRIES].tolist():
        steps = int(rng.integers(*_EARLIER_STEPS))
        later = replace(start, earlier=str(name), earlier_steps=steps)
        begin(sim, replace(later, prelude=None))
        if is_possible(sim.scene, task, sim.state()[1]):
            return later
    return start


def _choice(scene: Scene, task: str, rng: np.random.Generator) -> tuple[Choice, str | None]:
    """What the scene must have for `task`, and the task to do before it."""
    if task in _FIXED:
        return _FIXED[task], None
    names = list(rng.permutation(list(scene.blocks)))
    slide_left = bool(rng.integers(2))
    open_side, covered_side = (
        ("slider_right", "slider_left") if slide_left else ("slider_left", "slider_right")
    )
    build = _HELD.get(task)
    if build is not None:
        held = names[0]
        return build(names, slide_left, covered_side), f"lift_{held.removeprefix('block_')}_block_table"
    if task == "unstack_block":
        blocks = ((names[0], "table"), (names[1], "table"), (names[2], covered_side))
        return Choice(slide_left=slide_left, blocks=blocks, stacked=(names[0], names[1])), None
    if task == "push_into_drawer":
        blocks = ((names[0], "table"), (names[1], open_side), (names[2], covered_side))
        return Choice(slide_left=slide_left, drawer_open=True, blocks=blocks), None
    name = block_of(task)
    if task.startswith("lift_") and task.endswith("_slider"):
        return Choice(slide_left=slide_left, blocks=((name, open_side),)), None
    if task.startswith("lift_") and task.endswith("_drawer"):
        return Choice(drawer_open=True, blocks=((name, "drawer"),)), None
    return Choice(blocks=((name, "table"),)), None


def _holding_for_slider(names: list[str], slide_left: bool, covered_side: str) -> Choice:
    blocks = ((names[0], "table"), (names[1], "table"), (names[2], covered_side))
    return Choice(slide_left=slide_left, blocks=blocks)


def _holding_for_drawer(names: list[str], slide_left: bool, covered_side: str) -> Choice:
    return Choice(slide_left=slide_left, drawer_open=True, blocks=((names[0], "table"),))


def _holding_for_stack(names: list[str], slide_left: bool, covered_side: str) -> Choice:
    blocks = ((names[0], "table"), (names[1], "table"), (names[2], covered_side))
    return Choice(slide_left=slide_left, blocks=blocks)


_HELD: dict[str, Callable[[list[str], bool, str], Choice]] = {
    "place_in_slider": _holding_for_slider,
    "place_in_drawer": _holding_for_drawer,
    "stack_block": _holding_for_stack,
}
