"""What must have changed between two moments for a CALVIN task to count as done.

Conditions and thresholds are those of the official oracle: calvin_env/envs/tasks.py with
calvin_models/conf/callbacks/rollout/tasks/new_playtable_tasks.yaml. All inequalities are strict.

A condition's `met(start, end)` takes two infos of the structure of the official `env.get_info()`: nested
mappings `robot_info` (uid, contacts) and `scene_info` (`movable_objects`, `fixed_objects`, `doors`,
`lights`), where `contacts` are PyBullet contact points: item 2 is the other body's uid, item 4 its link.
Positions are in metres, orientations quaternions x, y, z, w, velocities in m/s and rad/s, drawer and slider
states in metres.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Info = Mapping[str, Any]

ROTATION_LIMIT_DEGREES = 180.0
TILT_LIMIT_DEGREES = 30.0
ROTATION_MOVE_LIMIT_M = 0.1
SETTLED_SPEED = 1.0  # m/s and rad/s, per component


class Condition(Protocol):
    """One way of comparing the start and the end of a subtask."""

    def met(self, start: Info, end: Info) -> bool: ...


@dataclass(frozen=True)
class Rotated:
    """The block turned about z by more than `degrees` (left positive, right negative), nearly in place."""

    block: str
    degrees: float

    def met(self, start: Info, end: Info) -> bool:
        before, after = _block(start, self.block), _block(end, self.block)
        if math.dist(before["current_pos"], after["current_pos"]) > ROTATION_MOVE_LIMIT_M:
            return False
        if not _bodies(after) - {start["robot_info"]["uid"]}:
            return False
        x, y, z = relative_euler_degrees(before["current_orn"], after["current_orn"])
        turned = z if self.degrees > 0 else -z
        upright = abs(x) < TILT_LIMIT_DEGREES and abs(y) < TILT_LIMIT_DEGREES
        return abs(self.degrees) < turned < ROTATION_LIMIT_DEGREES and upright


@dataclass(frozen=True)
class Pushed:
    """The block moved along x by more than `metres` (right positive) and still rests on what it rested on."""

    block: str
    metres: float

    def met(self, start: Info, end: Info) -> bool:
        before, after = _block(start, self.block), _block(end, self.block)
        robot = start["robot_info"]["uid"]
        rested_on = {link for link in _links(before) if link[0] != robot}
        rests_on = {link for link in _links(after) if link[0] != robot}
        if not rested_on or not rested_on <= rests_on:
            return False
        moved = after["current_pos"][0] - before["current_pos"][0]
        return moved > self.metres if self.metres > 0 else moved < self.metres


@dataclass(frozen=True)
class Lifted:
    """The block rose by more than `metres` off `link` of the table and only the robot touches it."""

    block: str
    metres: float
    link: str

    def met(self, start: Info, end: Info) -> bool:
        before, after = _block(start, self.block), _block(end, self.block)
        return (
            after["current_pos"][2] - before["current_pos"][2] > self.metres
            and _bodies(after) == {start["robot_info"]["uid"]}
            and _table_link(start, self.link) in _links(before)
        )


@dataclass(frozen=True)
class Placed:
    """The one block that the robot held, and nothing else touched, now touches `link` and not the robot."""

    link: str

    def met(self, start: Info, end: Info) -> bool:
        touched = _bodies(start["robot_info"])
        if len(touched) != 1 or touched & _bodies(end["robot_info"]):
            return False
        blocks = start["scene_info"]["movable_objects"]
        held = [name for name, block in blocks.items() if block["uid"] in touched]
        return (
            len(held) == 1
            and _bodies(blocks[held[0]]) == {start["robot_info"]["uid"]}
            and _table_link(end, self.link) in _links(_block(end, held[0]))
        )


@dataclass(frozen=True)
class PushedInto:
    """Any block that touched `source` of the table alone now touches `target`.

    The official code also means to forbid contact with the robot, but compares a uid with (uid, link) pairs,
    so that test never fires; at the start it is implied, at the end the robot may touch.
    """

    blocks: tuple[str, ...]
    source: str
    target: str

    def met(self, start: Info, end: Info) -> bool:
        source, target = _table_link(start, self.source), _table_link(end, self.target)
        return any(
            _links(_block(start, block)) == {source} and target in _links(_block(end, block))
            for block in self.blocks
        )


@dataclass(frozen=True)
class DoorMoved:
    """The slider or the drawer moved by more than `metres`, in the direction of its sign."""

    door: str
    metres: float

    def met(self, start: Info, end: Info) -> bool:
        moved = (
            end["scene_info"]["doors"][self.door]["current_state"]
            - start["scene_info"]["doors"][self.door]["current_state"]
        )
        return moved > self.metres if self.metres > 0 else moved < self.metres


@dataclass(frozen=True)
class LightToggled:
    """The light was in the opposite state and is now in state `to` (1 on, 0 off)."""

    light: str
    to: int

    def met(self, start: Info, end: Info) -> bool:
        before = start["scene_info"]["lights"][self.light]["logical_state"]
        after = end["scene_info"]["lights"][self.light]["logical_state"]
        return before == 1 - self.to and after == self.to


@dataclass(frozen=True)
class Stacked:
    """Some block touched no block and now, at rest, touches blocks and nothing else."""

    def met(self, start: Info, end: Info) -> bool:
        uids = _block_uids(start)
        return any(
            not uids & _bodies(before) and _only_on_blocks(after, uids) and _settled(after)
            for before, after in _block_pairs(start, end)
        )


@dataclass(frozen=True)
class Unstacked:
    """Some block touched, at rest, blocks and nothing else and now touches no block."""

    def met(self, start: Info, end: Info) -> bool:
        uids = _block_uids(start)
        return any(
            _only_on_blocks(before, uids) and not uids & _bodies(after) and _settled(before)
            for before, after in _block_pairs(start, end)
        )


def relative_euler_degrees(start: Sequence[float], end: Sequence[float]) -> tuple[float, float, float]:
    """Rotation from quaternion `start` to `end` (x, y, z, w), in the world frame, as fixed-axis x, y, z
    angles.

    Equal to scipy's `(R(end) * R(start).inv()).as_euler("xyz", degrees=True)` away from y = +-90 degrees.
    """
    ax, ay, az, aw = end
    bx, by, bz, bw = start[0], start[1], start[2], -start[3]  # the inverse, up to a sign that cancels
    w = aw * bw - ax * bx - ay * by - az * bz
    x = aw * bx + ax * bw + ay * bz - az * by
    y = aw * by - ax * bz + ay * bw + az * bx
    z = aw * bz + ax * by - ay * bx + az * bw
    norm_squared = w * w + x * x + y * y + z * z
    sine = max(-1.0, min(1.0, 2 * (w * y - z * x) / norm_squared))
    return (
        math.degrees(math.atan2(2 * (w * x + y * z), w * w - x * x - y * y + z * z)),
        math.degrees(math.asin(sine)),
        math.degrees(math.atan2(2 * (w * z + x * y), w * w + x * x - y * y - z * z)),
    )


def _block(info: Info, name: str) -> Info:
    return info["scene_info"]["movable_objects"][name]


def _block_uids(info: Info) -> set[int]:
    return {block["uid"] for block in info["scene_info"]["movable_objects"].values()}


def _block_pairs(start: Info, end: Info) -> list[tuple[Info, Info]]:
    blocks_now = end["scene_info"]["movable_objects"]
    return [(block, blocks_now[name]) for name, block in start["scene_info"]["movable_objects"].items()]


def _bodies(thing: Info) -> set[int]:
    return {contact[2] for contact in thing["contacts"]}


def _links(thing: Info) -> set[tuple[int, int]]:
    return {(contact[2], contact[4]) for contact in thing["contacts"]}


def _table_link(info: Info, link: str) -> tuple[int, int]:
    table = info["scene_info"]["fixed_objects"]["table"]
    return table["uid"], table["links"][link]


def _only_on_blocks(block: Info, block_uids: set[int]) -> bool:
    bodies = _bodies(block)
    return bool(bodies) and bodies <= block_uids


def _settled(block: Info) -> bool:
    return all(abs(v) < SETTLED_SPEED for v in (*block["current_lin_vel"], *block["current_ang_vel"]))
