"""A physics world with a scene's bodies in it, and the picture of what never moves there."""

from __future__ import annotations

from dataclasses import dataclass

from simulators.playtable.cameras import Fixture, Picture, whole_static_picture
from simulators.playtable.client import Client
from simulators.playtable.scene import Scene, SceneFiles

PHYSICS_HZ = 240
_GRAVITY = -9.8


@dataclass(frozen=True)
class Bodies:
    """Body uids; `blocks` in the order of scene_obs."""

    robot: int
    pedestal: int
    blocks: dict[str, int]
    table: int
    floor: int


def build(client: Client, scene: Scene, files: SceneFiles) -> Bodies:
    """Empty the physics server and load the scene; the uids are the same every time."""
    client.resetSimulation()
    client.setPhysicsEngineParameter(deterministicOverlappingPairs=1)
    client.setTimeStep(1.0 / PHYSICS_HZ)
    client.setGravity(0, 0, _GRAVITY)
    scaling = scene.global_scaling
    return Bodies(
        robot=client.loadURDF(str(files.robot), scene.robot_position, useFixedBase=True),
        pedestal=client.loadURDF(str(files.pedestal), scene.robot_position, useFixedBase=True),
        blocks={n: client.loadURDF(str(path), globalScaling=scaling) for n, path in files.blocks.items()},
        table=client.loadURDF(str(files.table), useFixedBase=True, globalScaling=scaling),
        floor=client.loadURDF(str(files.floor), useFixedBase=True),
    )


def fixtures(client: Client, scene: Scene, bodies: Bodies) -> list[Fixture]:
    """Everything that never moves, lamps excepted, because their colour changes."""
    lamps = {scene.bulb.link, scene.led.link}
    links = client.links(bodies.table)
    table = [links[name] for name in scene.fixed_links if name not in lamps]
    wanted = [(bodies.pedestal, -1), (bodies.floor, -1), *((bodies.table, link) for link in table)]
    colours = {
        (shape[0], shape[1]): tuple(shape[7])
        for uid in (bodies.pedestal, bodies.floor, bodies.table)
        for shape in client.getVisualShapeData(uid)
    }
    return [Fixture(uid, link, colours[uid, link]) for uid, link in wanted]


class Backdrop:
    """Draws the fixtures alone, once per combination of lamp colours, in a world of its own."""

    def __init__(self, scene: Scene, files: SceneFiles) -> None:
        self._client = Client()
        bodies = build(self._client, scene, files)
        kept = {self._client.links(bodies.table)[name] for name in scene.fixed_links}
        moving = [
            (bodies.table, link)
            for link in range(self._client.getNumJoints(bodies.table))
            if link not in kept
        ]
        moving += [(bodies.robot, link) for link in range(-1, self._client.getNumJoints(bodies.robot))]
        moving += [(uid, -1) for uid in bodies.blocks.values()]
        for uid, link in moving:
            self._client.changeVisualShape(uid, link, rgbaColor=(1.0, 1.0, 1.0, 0.0))
        self._pictures: dict[tuple[Fixture, ...], Picture] = {}

    def picture(self, lamps: tuple[Fixture, ...]) -> Picture:
        """The static camera's view of the fixtures with the lamps in these colours."""
        if lamps not in self._pictures:
            for lamp in lamps:
                self._client.changeVisualShape(lamp.uid, lamp.link, rgbaColor=lamp.rgba)
            self._pictures[lamps] = whole_static_picture(self._client)
        return self._pictures[lamps]

    def close(self) -> None:
        self._client.close()
