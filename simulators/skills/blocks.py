"""Everything done to blocks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from benchmark.tasks import BLOCK_COLOURS
from simulators.skills.motion import CLOSED, FORWARD_YAW, OPEN, SETTLE_STEPS, Waypoint, leaning, pointing_down
from simulators.skills.workspace import Workspace

_UP = np.array([0.0, 0.0, 1.0])

#: Control steps until the fingers have closed around a block, or let go of it.
_GRASP_STEPS = 4
_RELEASE_STEPS = 3
_LIFT_METRES = 0.12
_CUBE_METRES = 0.045
#: The block slips in the fingers by up to 17 of these degrees, and stays on the table if it is pressed down.
_ROTATION = math.radians(82.0)
_PRESS_METRES = 0.003
_PUSH_METRES = 0.12
#: Half the thickness of the closed fingers, and the free space left before they touch a block.
_HALF_FINGERS, _SPACE = 0.01, 0.03
#: Half the fingers' width across the direction in which they open.
_FINGER_WIDTH = 0.01
_DESK_EDGE_Y = -0.18
#: How far the fingers lean forward at the cabinet and in it, in rad.
_CABINET_LEAN = 0.5
#: How far the hand turns there to suit a block, in rad; closing fingers turn the block the rest of the way.
_CABINET_TURN = 0.2
#: From the middle of the sliding door's handle to a hand beside the door, in m: half the door, half the hand.
DOOR_ASIDE = 0.14 + 0.105


def skills() -> dict[str, Callable[[Workspace], Iterator[Waypoint]]]:
    """Skill by task name."""
    table: dict[str, Callable[[Workspace], Iterator[Waypoint]]] = {}
    for colour in BLOCK_COLOURS:
        name = f"block_{colour}"
        table[f"lift_{colour}_block_table"] = _of(_lift, name)
        table[f"lift_{colour}_block_drawer"] = _of(_lift, name)
        table[f"lift_{colour}_block_slider"] = _of(_lift_from_cabinet, name)
        for side, x_sign in (("left", -1.0), ("right", 1.0)):
            table[f"push_{colour}_block_{side}"] = _of(_push, name, x_sign)
            table[f"rotate_{colour}_block_{side}"] = _of(_rotate, name, -x_sign)
    return table | {
        "place_in_slider": _place_in_cabinet,
        "place_in_drawer": _place_in_drawer,
        "stack_block": _stack,
        "unstack_block": _unstack,
        "push_into_drawer": _push_into_drawer,
    }


def _of(
    skill: Callable[..., Iterator[Waypoint]], *arguments: object
) -> Callable[[Workspace], Iterator[Waypoint]]:
    return lambda space: skill(space, *arguments)


def _grasp_yaw(space: Workspace, name: str) -> float:
    """The yaw near FORWARD_YAW at which the fingers close across the block's narrow side."""
    _, yaw = space.block_pose(name)
    period = math.pi / 2 if space.scene.blocks[name] < _CUBE_METRES else math.pi
    return FORWARD_YAW + (yaw - FORWARD_YAW + period / 2) % period - period / 2


def _lean(position: np.ndarray) -> float:
    """How far the fingers lean forward there, in rad: the hand stays clear of the cabinet's front."""
    return _CABINET_LEAN * float(np.clip((position[1] + 0.11) / 0.1, 0.0, 1.0))


def _grasp(space: Workspace, name: str) -> Iterator[Waypoint]:
    """From above, ending with the fingers closed around the block."""
    centre, _ = space.block_pose(name)
    yaw = _grasp_yaw(space, name)
    lean = _lean(centre)
    yield Waypoint(leaning(centre + 0.1 * _UP, lean, yaw), OPEN, blend_metres=0.02)
    yield Waypoint(leaning(centre, lean, yaw), OPEN, hold_steps=2)
    yield Waypoint(leaning(centre, lean, yaw), CLOSED, hold_steps=_GRASP_STEPS)


def _lift(space: Workspace, name: str) -> Iterator[Waypoint]:
    yield from _grasp(space, name)
    pose = space.target_pose()
    yield Waypoint(np.array([*(pose[:3] + _LIFT_METRES * _UP), *pose[3:]]), CLOSED, hold_steps=SETTLE_STEPS)


def _lift_from_cabinet(space: Workspace, name: str) -> Iterator[Waypoint]:
    """Fingers lean forward, to stay clear of the cabinet's front, and come straight in: between wall and door
    there is hardly more room than the hand is wide."""
    centre, _ = space.block_pose(name)
    yaw = FORWARD_YAW + float(np.clip(_grasp_yaw(space, name) - FORWARD_YAW, -_CABINET_TURN, _CABINET_TURN))
    outside = centre + np.array([0.0, -0.15, 0.1])
    yield Waypoint(leaning(outside, _CABINET_LEAN, yaw), OPEN, blend_metres=0.01)
    yield Waypoint(leaning(centre, _CABINET_LEAN, yaw), OPEN, hold_steps=2)
    yield Waypoint(leaning(centre, _CABINET_LEAN, yaw), CLOSED, hold_steps=_GRASP_STEPS)
    yield Waypoint(
        leaning(centre + np.array([0.0, -0.03, 0.06]), _CABINET_LEAN, yaw), CLOSED, hold_steps=SETTLE_STEPS
    )


def _push(space: Workspace, name: str, x_sign: float) -> Iterator[Waypoint]:
    """Closed fingers beside the block, then sideways."""
    centre, yaw = space.block_pose(name)
    half = abs(math.cos(yaw)) * space.scene.blocks[name] / 2 + abs(math.sin(yaw)) * 0.02
    side = np.array([x_sign, 0.0, 0.0])
    start = centre - (half + _HALF_FINGERS + _SPACE) * side
    end = centre + (_PUSH_METRES - half - _HALF_FINGERS) * side
    lean = _lean(start)
    yield Waypoint(leaning(start + 0.09 * _UP, lean), CLOSED, blend_metres=0.02)
    yield Waypoint(leaning(start, lean), CLOSED)
    yield Waypoint(leaning(end, lean), CLOSED, hold_steps=SETTLE_STEPS)


def _rotate(space: Workspace, name: str, sign: float) -> Iterator[Waypoint]:
    """Grasp, turn on the spot, let go."""
    yield from _grasp(space, name)
    pose = space.target_pose()
    turned = pose + np.array([0.0, 0.0, -_PRESS_METRES, 0.0, 0.0, sign * _ROTATION])
    yield Waypoint(turned, CLOSED, speed=1.0)
    yield Waypoint(turned, OPEN, hold_steps=_RELEASE_STEPS)


def _place_in_drawer(space: Workspace) -> Iterator[Waypoint]:
    """Carry the held block over the open drawer and let it go near its floor."""
    pose = space.target_pose()
    inside = space.landmark("drawer") + 0.035 * _UP
    yield Waypoint(pointing_down(inside + 0.14 * _UP, pose[5]), CLOSED, blend_metres=0.02)
    yield from _release(pointing_down(inside, pose[5]), pointing_down(inside + 0.1 * _UP, pose[5]))


def _place_in_cabinet(space: Workspace) -> Iterator[Waypoint]:
    """Carry the held block through the opening and set it down."""
    pose = space.target_pose()
    low, high = space.scene.surfaces[space.open_side()]
    middle, handle = (low[0] + high[0]) / 2, float(space.landmark("slide_handle")[0])
    aside = math.copysign(max(abs(middle - handle), DOOR_ASIDE), middle - handle)
    spot = np.array([handle + aside, 0.075, low[2] + 0.012])
    yield Waypoint(
        leaning(spot + np.array([0.0, -0.16, 0.11]), _CABINET_LEAN, pose[5]), CLOSED, blend_metres=0.02
    )
    yield from _release(
        leaning(spot, _CABINET_LEAN, pose[5]),
        leaning(spot + np.array([0.0, -0.08, 0.05]), _CABINET_LEAN, pose[5]),
    )


def _stack(space: Workspace) -> Iterator[Waypoint]:
    """Set the held block down on the nearest block of the table, turned like it."""
    pose = space.target_pose()
    held = min(
        space.scene.blocks, key=lambda name: float(np.linalg.norm(space.block_pose(name)[0] - pose[:3]))
    )
    others = [name for name in space.scene.blocks if name != held and space.block_pose(name)[0][1] < 0.0]
    below = min(others, key=lambda name: float(np.linalg.norm(space.block_pose(name)[0] - pose[:3])))
    centre, _ = space.block_pose(below)
    offset = space.block_pose(held)[0] - space.tcp_position()
    on_top = centre + 0.043 * _UP - offset
    yaw = _grasp_yaw(space, below)
    yield Waypoint(pointing_down(on_top + 0.06 * _UP, yaw), CLOSED, hold_steps=1)
    yield from _release(pointing_down(on_top, yaw), pointing_down(on_top + 0.08 * _UP, yaw))


def _unstack(space: Workspace) -> Iterator[Waypoint]:
    """Take the topmost block away and hold it."""
    top = max(space.scene.blocks, key=lambda name: float(space.block_pose(name)[0][2]))
    yield from _lift(space, top)


def _push_into_drawer(space: Workspace) -> Iterator[Waypoint]:
    """Closed fingers behind the block on the table, then towards the robot until it falls."""
    name = min(space.scene.blocks, key=lambda block: float(space.block_pose(block)[0][1]))
    centre, yaw = space.block_pose(name)
    half = abs(math.sin(yaw)) * space.scene.blocks[name] / 2 + abs(math.cos(yaw)) * 0.02
    start = centre + np.array([0.0, half + _FINGER_WIDTH + _SPACE, 0.0])
    end = np.array([centre[0], _DESK_EDGE_Y - 0.04, centre[2]])
    lean = _lean(start)
    yield Waypoint(leaning(start + 0.09 * _UP, lean), CLOSED, blend_metres=0.02)
    yield Waypoint(leaning(start, lean), CLOSED)
    yield Waypoint(leaning(end, lean), CLOSED, hold_steps=SETTLE_STEPS)


def _release(pose: np.ndarray, retreat: np.ndarray) -> Iterator[Waypoint]:
    yield Waypoint(pose, CLOSED, hold_steps=2)
    yield Waypoint(pose, OPEN, hold_steps=_RELEASE_STEPS)
    yield Waypoint(retreat, OPEN, hold_steps=SETTLE_STEPS)
