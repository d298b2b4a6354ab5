"""The cameras of a loaded world: which of its parts each has to draw, and what shows where."""

from __future__ import annotations

import numpy as np

from simulators.base import PixelBox
from simulators.playtable.bounds import Bounds
from simulators.playtable.boxes import box_around, parts_of, visible_mask
from simulators.playtable.drawers import Drawer
from simulators.playtable.pictures import Picture
from simulators.playtable.robot import Robot
from simulators.playtable.scene import Scene
from simulators.playtable.views import HandView, StaticView
from simulators.playtable.world import Bodies


class Cameras:
    """Serves as long as the same files are loaded: uids and links are the same after every reset."""

    def __init__(self, drawer: Drawer, scene: Scene, robot: Robot, bodies: Bodies) -> None:
        self._client = client = drawer.client
        links = client.links(bodies.table)
        lamps = {(bodies.table, links[light.link]) for light in (scene.bulb, scene.led)}
        fixtures = {(bodies.pedestal, -1), (bodies.floor, -1), *lamps}
        fixtures |= {(bodies.table, links[name]) for name in scene.fixed_links}
        parts = drawer.visuals.parts
        doors = {part for part in parts if part[0] == bodies.table} - fixtures
        self._doors = sorted(doors)
        self._static = StaticView(drawer, scene.static_camera, frozenset(fixtures), frozenset(doors))
        self._hand = HandView(drawer, scene.hand_lens, robot.uid, robot.camera_link)
        self._static_bounds: Bounds | None = None
        self._hand_bounds: Bounds | None = None
        if not drawer.casts_shadows:
            moving = {part for part in parts if part[0] == robot.uid and part[1] >= 0}
            moving |= {(uid, -1) for uid in bodies.blocks.values()}
            table = {part for part in parts if part[0] == bodies.table and part[1] >= 0}
            self._static_bounds = Bounds(drawer.corners, sorted(moving))
            self._hand_bounds = Bounds(drawer.corners, sorted(moving | table))
        self._shown = {
            name: (parts_of(shown, bodies.table, links, bodies.blocks), shown.part)
            for name, shown in scene.boxes.items()
        }

    def static_picture(self, lamps: tuple[bool, bool], colours_only: bool = False) -> Picture:
        """From beside the table. lamps: whether bulb and LED are on. colours_only: nothing else is asked for."""
        uid, links = self._doors[0][0], [link for _, link in self._doors]
        places = tuple(state[4] for state in self._client.getLinkStates(uid, links))
        return self._static.picture(self._static_bounds, lamps, places, colours_only)

    def hand_picture(self) -> Picture:
        """From the hand."""
        return self._hand.picture(self._hand_bounds)

    def visible(
        self, picture: Picture, scene_obs: np.ndarray
    ) -> tuple[dict[str, PixelBox | None], dict[str, int]]:
        """Boxes by name in a static picture of the state `scene_obs` (24,), and how many pixels show each."""
        view, lens = self._static.matrix, self._static.depth_lens
        boxes: dict[str, PixelBox | None] = {}
        pixels: dict[str, int] = {}
        for name, (parts, part) in self._shown.items():
            mask = visible_mask(picture, parts, part, scene_obs, view, lens)
            boxes[name], pixels[name] = box_around(mask), int(mask.sum())
        return boxes, pixels
