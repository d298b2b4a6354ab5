"""A physics world with a scene's bodies in it, loaded as CALVIN's environment loads it."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from errors import InvalidInput
from simulators.playtable.bullet import pybullet
from simulators.playtable.client import Client
from simulators.playtable.robot import Robot
from simulators.playtable.scene import DESIGN_SCALE, Scene, SceneFiles

PHYSICS_HZ = 240
_GRAVITY = -9.8
_PEDESTAL_RADIUS, _PEDESTAL_BEHIND = 0.13, 0.05


@dataclass(frozen=True)
class Bodies:
    """Body uids; `blocks` in the order of scene_obs."""

    pedestal: int
    blocks: dict[str, int]
    table: int
    floor: int


def build(client: Client, scene: Scene, files: SceneFiles, is_bare: bool = False) -> tuple[Robot, Bodies]:
    """Empty the physics server and load the scene; the uids are the same every time.

    The order is calvin_env's (envs/play_table_env.py, robot/robot.py, scene/play_table_scene.py): the order
    in which bodies and constraints are made is the order in which Bullet solves them, and shows in the last
    bits of every contact. calvin_env asks for deterministic pairs before it resets the simulation, which
    forgets the wish. is_bare: without what is only drawn. Raises InvalidInput for a file that PyBullet cannot load.
    """
    client.resetSimulation()
    if scene.deterministic_pairs:
        client.setPhysicsEngineParameter(deterministicOverlappingPairs=1)
    client.setTimeStep(1.0 / PHYSICS_HZ)
    client.setGravity(0, 0, _GRAVITY)
    orientation = pybullet.getQuaternionFromEuler(scene.robot_orientation)
    load = functools.partial(client.loadURDF, flags=pybullet.URDF_IGNORE_VISUAL_SHAPES if is_bare else 0)
    try:
        robot = load(str(files.robot), scene.robot_position, orientation, useFixedBase=True)
        arm = Robot(client, robot)
        arm.reset(None)
        bodies = Bodies(
            pedestal=_pedestal(client, scene),
            blocks={name: _block(load, scene, name, path) for name, path in files.blocks.items()},
            table=load(str(files.table), globalScaling=DESIGN_SCALE),
            floor=load(str(files.floor)),
        )
    except pybullet.error as error:
        raise InvalidInput(f"PyBullet cannot load scene {scene.name}: {error}") from None
    return arm, bodies


def _block(load: Callable[..., int], scene: Scene, name: str, path: Path) -> int:
    position, euler = scene.loading_poses.get(name, ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)))
    orientation = pybullet.getQuaternionFromEuler(euler)
    return load(str(path), position, orientation, globalScaling=DESIGN_SCALE)


def _pedestal(client: Client, scene: Scene) -> int:
    """The column under the robot: drawn only."""
    x, y, height = scene.robot_position
    yaw = scene.robot_orientation[2]
    centre = x - math.cos(yaw) * _PEDESTAL_BEHIND, y - math.sin(yaw) * _PEDESTAL_BEHIND, height / 2
    shape = client.createVisualShape(
        shapeType=pybullet.GEOM_CYLINDER,
        rgbaColor=[1, 1, 1, 1],
        radius=_PEDESTAL_RADIUS,
        length=height,
        visualFramePosition=centre,
    )
    uid: int = client.createMultiBody(baseVisualShapeIndex=shape)
    return uid
