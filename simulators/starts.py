"""Random states from which a task can be done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from errors import SimulatorError
from simulators.playtable.env import PlayTable
from simulators.playtable.random_scene import Choice, random_scene
from simulators.playtable.scene import Scene

#: Tool centre point of CALVIN's initial robot state, and how far from it an episode may start.
_REST_POSE = np.array([0.0259, -0.2313, 0.5713, 3.0905, -0.0291, 1.5001])
_POSE_SPREAD = np.array([0.06, 0.04, 0.04, 0.05, 0.05, 0.2])
_ATTEMPTS = 500

#: Space that a pushed block and the fingers behind it sweep, in m.
_SWEEP_BEFORE, _SWEEP_AFTER, _SWEEP_ASIDE = 0.1, 0.19, 0.1
_DESK_END_X = 0.4
_BUTTON_RADIUS = 0.04
#: The sliding door's handle sticks out over this part of the desk, where the hand finds no room.
_HANDLE_ASIDE, _HANDLE_Y = 0.1, -0.08
#: From the handle's middle: half the door, and open fingers beside it.
_DOOR_ASIDE = 0.14 + 0.075

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


@dataclass(frozen=True)
class Start:
    """A state to reset to; where `prelude` names a task, it has to be done first (to hold a block)."""

    robot_obs: np.ndarray
    scene_obs: np.ndarray
    prelude: str | None = None


def random_start(sim: PlayTable, task: str, seed: int) -> Start:
    """A state of `sim`'s scene in which `task` is possible, a function of the arguments. Resets `sim`.

    Raises SimulatorError when none is found, and for a task that is not CALVIN's.
    """
    rng = np.random.default_rng(seed)
    for _ in range(_ATTEMPTS):
        choice, prelude = _choice(sim.scene, task, rng)
        scene_obs = random_scene(sim.scene, sim.ranges, rng, choice)
        if _is_feasible(sim, task, scene_obs):
            break
    else:
        raise SimulatorError(f"scene {sim.scene.name} offers no start for {task!r} (seed {seed})")
    pose = _REST_POSE + _POSE_SPREAD * rng.uniform(-1.0, 1.0, 6)
    sim.reset(scene_obs=scene_obs)
    return Start(sim.robot.observation_at(pose), scene_obs, prelude)


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
    name = _block_of(task)
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


def _block_of(task: str) -> str:
    for colour in ("red", "blue", "pink"):
        if f"_{colour}_block" in task:
            return f"block_{colour}"
    raise SimulatorError(f"{task!r} is not one of CALVIN's tasks")


def _is_feasible(sim: PlayTable, task: str, scene_obs: np.ndarray) -> bool:
    centres = dict(zip(sim.scene.blocks, scene_obs[6:].reshape(-1, 6)[:, :3]))
    tabled = [centre for centre in centres.values() if centre[1] < 0.0]
    handle_x = sim.landmark("slide_handle")[0] + sim.table.slide.position - scene_obs[0]
    if any(abs(x - handle_x) < _HANDLE_ASIDE and y > _HANDLE_Y for x, y, _ in tabled):
        return False
    if task == "push_into_drawer":
        return all(abs(centre[0] - sim.scene.drawer_x) < 0.12 for centre in tabled)
    if task.startswith("push_"):
        return _is_way_free(sim, task, centres)
    if task.startswith("lift_") and task.endswith("_slider"):
        return bool(abs(centres[_block_of(task)][0] - handle_x) > _DOOR_ASIDE)
    return True


def _is_way_free(sim: PlayTable, task: str, centres: dict[str, np.ndarray]) -> bool:
    """Nothing stands where the block and the fingers behind it will pass."""
    name = _block_of(task)
    x, y, _ = centres[name]
    sign = 1.0 if task.endswith("_right") else -1.0
    low, high = sorted((x - sign * _SWEEP_BEFORE, x + sign * _SWEEP_AFTER))
    if low < -_DESK_END_X or high > _DESK_END_X:
        return False
    button_x, button_y, _ = sim.landmark("button")
    others = [(centre[0], centre[1], 0.0) for other, centre in centres.items() if other != name]
    obstacles = [*others, (button_x, button_y, _BUTTON_RADIUS)]
    return not any(low - r < ox < high + r and abs(oy - y) < _SWEEP_ASIDE for ox, oy, r in obstacles)
