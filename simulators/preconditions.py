"""Whether a task can be done from a state of the table: what CALVIN asks for, and room for the hand."""

from __future__ import annotations

import re

import numpy as np

from benchmark.observations import BLOCKS, BULB, DRAWER, LED, POSE_SIZE, POSITION, SLIDE, SWITCH
from benchmark.tasks import BLOCK_COLOURS
from errors import SimulatorError
from simulators.playtable.random_scene import BLOCK_CLEARANCE_METRES
from simulators.playtable.scene import Scene
from simulators.skills.blocks import DOOR_ASIDE

#: Space that a pushed block and the fingers behind it sweep, in m.
_SWEEP_BEFORE, _SWEEP_AFTER, _SWEEP_ASIDE = 0.1, 0.19, 0.1
_DESK_END_X = 0.4
_BUTTON_RADIUS = 0.04
#: The sliding door's handle sticks out over this part of the desk, where the hand finds no room.
_HANDLE_ASIDE, _HANDLE_Y = 0.1, -0.08
_DRAWER_ASIDE, _PUSHED_FROM_Y = 0.12, -0.085
#: A joint this close to an end of its travel is there.
_AT_END = 0.03
#: Tops of desk and shelf, half a block above them, and how far off a block there may be.
_RESTING_Z, _RESTING_TOLERANCE, _LEVEL_RADIANS = 0.46, 0.01, 0.1
_DRAWER_Z = 0.40
#: Of block centres: the desk ends before the cabinet's front.
_DESK_Y = (-0.18, 0.0)

_LAMPS = {
    "turn_on_lightbulb": (BULB, 0.0),
    "turn_off_lightbulb": (BULB, 1.0),
    "turn_on_led": (LED, 0.0),
    "turn_off_led": (LED, 1.0),
}
_HELD = ("place_in_slider", "place_in_drawer", "stack_block")


def is_possible(scene: Scene, task: str, scene_obs: np.ndarray) -> bool:
    """Whether the hand, empty, finds in `scene_obs` (24,) what `task` needs.

    For tasks that begin with a block in the hand: whether there is a block on the desk to take first. Raises
    SimulatorError for a task that is not CALVIN's.
    """
    tabled = _on_desk(scene, scene_obs)
    if not _is_desk_clear(scene, scene_obs, tabled):
        return False
    if task in _LAMPS:
        lamp, value = _LAMPS[task]
        return bool(scene_obs[lamp] == value) and (lamp == LED or _is_switch_at(scene, scene_obs, value))
    if task in ("open_drawer", "close_drawer"):
        return _is_at(scene_obs[DRAWER], scene.ranges.drawer if task == "close_drawer" else 0.0)
    if task in ("move_slider_left", "move_slider_right"):
        return _is_at(scene_obs[SLIDE], scene.ranges.slide if task == "move_slider_right" else 0.0)
    is_drawer_open = _is_at(scene_obs[DRAWER], scene.ranges.drawer)
    if task in _HELD:
        return len(tabled) >= (2 if task == "stack_block" else 1) and (
            task != "place_in_drawer" or is_drawer_open
        )
    if task == "unstack_block":
        return _has_stack(scene, scene_obs, tabled)
    if task == "push_into_drawer":
        return is_drawer_open and len(tabled) == 1 and _is_before_drawer(scene, *tabled.values())
    name = block_of(task)
    if task.endswith("_drawer"):
        return is_drawer_open and scene.block_pose(scene_obs, name)[0][2] < _DRAWER_Z
    if task.endswith("_slider"):
        return _is_reachable_in_cabinet(scene, scene_obs, name)
    if name not in tabled or _nearest_gap(tabled, name) < BLOCK_CLEARANCE_METRES:
        return False
    return not task.startswith("push_") or _is_way_free(scene, task, tabled)


def _is_at(value: float, end: float) -> bool:
    return abs(float(value) - end) < _AT_END


def _is_switch_at(scene: Scene, scene_obs: np.ndarray, is_on: float) -> bool:
    return _is_at(scene_obs[SWITCH], scene.ranges.switch if is_on else 0.0)


def _on_desk(scene: Scene, scene_obs: np.ndarray) -> dict[str, np.ndarray]:
    """Centres (3,) of the blocks that lie flat on the desk."""
    poses = dict(zip(scene.blocks, scene_obs[BLOCKS].reshape(-1, POSE_SIZE)))
    return {
        name: pose[POSITION]
        for name, pose in poses.items()
        if _DESK_Y[0] < pose[1] < _DESK_Y[1]
        and abs(pose[2] - _RESTING_Z) < _RESTING_TOLERANCE
        and np.abs(pose[3:5]).max() < _LEVEL_RADIANS
    }


def _is_desk_clear(scene: Scene, scene_obs: np.ndarray, tabled: dict[str, np.ndarray]) -> bool:
    """No block lies under the door's handle."""
    handle_x = scene.landmarks["slide_handle"].position(scene_obs)[0]
    return not any(abs(x - handle_x) < _HANDLE_ASIDE and y > _HANDLE_Y for x, y, _ in tabled.values())


def _has_stack(scene: Scene, scene_obs: np.ndarray, tabled: dict[str, np.ndarray]) -> bool:
    centres = (scene.block_pose(scene_obs, name)[0] for name in scene.blocks if name not in tabled)
    return any(
        np.linalg.norm(centre[:2] - lower[:2]) < 0.02 and 0.03 < centre[2] - lower[2] < 0.05
        for centre in centres
        for lower in tabled.values()
    )


def _is_reachable_in_cabinet(scene: Scene, scene_obs: np.ndarray, name: str) -> bool:
    centre, _ = scene.block_pose(scene_obs, name)
    low, high = scene.surfaces[scene.open_side(scene_obs)]
    handle_x = scene.landmarks["slide_handle"].position(scene_obs)[0]
    is_inside = low[0] <= centre[0] <= high[0] and low[1] <= centre[1] <= high[1]
    return bool(is_inside and abs(centre[0] - handle_x) > DOOR_ASIDE)


def _is_before_drawer(scene: Scene, centre: np.ndarray) -> bool:
    """In front of the drawer, with room for the fingers between block and cabinet."""
    return bool(abs(centre[0] - scene.drawer_x) < _DRAWER_ASIDE and centre[1] < _PUSHED_FROM_Y)


def _nearest_gap(tabled: dict[str, np.ndarray], name: str) -> float:
    gaps = [
        np.linalg.norm(tabled[name][:2] - centre[:2]) for other, centre in tabled.items() if other != name
    ]
    return float(min(gaps, default=np.inf))


def block_of(task: str) -> str:
    """The block that a task names. Raises SimulatorError where it names none."""
    found = re.search(rf"_({'|'.join(BLOCK_COLOURS)})_block", task)
    if found is None:
        raise SimulatorError(f"{task!r} is not one of CALVIN's tasks")
    return f"block_{found[1]}"


def _is_way_free(scene: Scene, task: str, tabled: dict[str, np.ndarray]) -> bool:
    """Nothing stands where the block and the fingers behind it will pass."""
    name = block_of(task)
    x, y, _ = tabled[name]
    sign = 1.0 if task.endswith("_right") else -1.0
    low, high = sorted((x - sign * _SWEEP_BEFORE, x + sign * _SWEEP_AFTER))
    if low < -_DESK_END_X or high > _DESK_END_X:
        return False
    button_x, button_y, _ = scene.landmarks["button"].at
    others = [(centre[0], centre[1], 0.0) for other, centre in tabled.items() if other != name]
    obstacles = [*others, (button_x, button_y, _BUTTON_RADIUS)]
    return not any(low - r < ox < high + r and abs(oy - y) < _SWEEP_ASIDE for ox, oy, r in obstacles)
