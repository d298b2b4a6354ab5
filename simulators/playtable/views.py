"""CALVIN's two cameras. Both draw only what has to be drawn, and give the pixels of a whole rendering.

TinyRenderer's cost is the triangles it transforms and the pixels it shades. So the hand camera skips links
outside its frustum, and the fixed camera draws in layers: things that never move once, doors when they have
moved, the arm and the blocks every time. With a renderer that casts shadows everything is drawn every time.
"""

from __future__ import annotations

from collections.abc import Hashable, Set
from dataclasses import replace

import numpy as np

from benchmark.cameras import Lens, StaticCamera
from simulators.playtable.bounds import Bounds
from simulators.playtable.bullet import pybullet
from simulators.playtable.drawers import Drawer
from simulators.playtable.pictures import Layer, Picture, in_front, projection
from simulators.playtable.visuals import Part


class StaticView:
    """The camera beside the table.

    `fixtures` never move and change with the lamps only, `doors` move seldom; all other parts are drawn for
    every picture.
    """

    def __init__(
        self, drawer: Drawer, camera: StaticCamera, fixtures: frozenset[Part], doors: frozenset[Part]
    ) -> None:
        self._drawer = drawer
        self._fixtures, self._doors = fixtures, doors
        self.camera = camera
        self.matrix: tuple[float, ...] = pybullet.computeViewMatrix(camera.eye, camera.target, camera.up)
        self._projection = projection(camera.lens)
        # The depth buffer spends most of its precision near the camera, where there is nothing; with the near
        # plane moved to half the way two layers can be told apart to a micrometre.
        distance = float(np.linalg.norm(np.subtract(camera.eye, camera.target)))
        #: Whose depth buffer the pictures have.
        self.depth_lens = camera.lens if drawer.casts_shadows else replace(camera.lens, near=distance / 2)
        self._layer_projection = projection(self.depth_lens)
        self._fixture_pictures: dict[Hashable, Picture] = {}
        self._still: tuple[Hashable, Picture] | None = None

    def picture(
        self, bounds: Bounds | None, lamps: Hashable, door_places: Hashable, colours_only: bool = False
    ) -> Picture:
        """What the camera sees, with the depth of `depth_lens`; colours_only: segments and depth may be wrong.

        lamps, door_places: values that differ whenever the lamps' colours or the doors' places do. bounds: of
        parts outside `fixtures` and `doors` that may be out of sight; None draws everything, which a renderer
        that casts shadows needs.
        """
        if bounds is None:
            return self._draw(frozenset(), self._projection)
        still = self._still_picture(lamps, door_places)
        unseen = bounds.unseen(self._drawer.client, self.matrix, self._layer_projection)
        front = self._draw_layer(self._fixtures | self._doors | unseen)
        return in_front(front, still, colours_only) or self._draw_exactly(frozenset())

    def _still_picture(self, lamps: Hashable, door_places: Hashable) -> Picture:
        """Fixtures and doors, drawn anew where a door has moved."""
        if self._still is None or self._still[0] != (lamps, door_places):
            parts = self._drawer.visuals.parts
            if lamps not in self._fixture_pictures:
                self._fixture_pictures[lamps] = self._draw_exactly(parts - self._fixtures)
            picture = in_front(self._draw_layer(parts - self._doors), self._fixture_pictures[lamps])
            if picture is None:
                picture = self._draw_exactly(parts - self._doors - self._fixtures)
            self._still = ((lamps, door_places), picture)
        return self._still[1]

    def _draw_exactly(self, hidden: Set[Part]) -> Picture:
        """Colours under the camera's own lens: where two triangles of CALVIN's table share a depth, the near
        plane decides which one wins."""
        return replace(
            self._draw(hidden, self._projection), depth=self._draw(hidden, self._layer_projection).depth
        )

    def _draw_layer(self, hidden: Set[Part]) -> Layer:
        return self._drawer.layer(hidden, self.camera.lens.pixels, self.matrix, self._layer_projection)

    def _draw(self, hidden: Set[Part], lens: tuple[float, ...]) -> Picture:
        return self._drawer.picture(hidden, self.camera.lens.pixels, self.matrix, lens)


class HandView:
    """The camera in the hand: link `link` of body `robot`; where it looks is
    calvin_env/camera/gripper_camera.py."""

    def __init__(self, drawer: Drawer, lens: Lens, robot: int, link: int) -> None:
        self._drawer = drawer
        self._lens, self._projection = lens, projection(lens)
        self._robot, self._link = robot, link

    def picture(self, bounds: Bounds | None) -> Picture:
        """What the camera sees. bounds: of parts that may be out of sight; None draws everything."""
        view = self._view()
        unseen = bounds.unseen(self._drawer.client, view, self._projection) if bounds is not None else set()
        return self._drawer.picture(unseen, self._lens.pixels, view, self._projection)

    def _view(self) -> tuple[float, ...]:
        eye, quaternion = self._drawer.client.getLinkState(self._robot, self._link)[:2]
        rotation = np.array(pybullet.getMatrixFromQuaternion(quaternion)).reshape(3, 3)
        matrix: tuple[float, ...] = pybullet.computeViewMatrix(
            eye, (np.array(eye) + rotation[:, 1]).tolist(), (-rotation[:, 2]).tolist()
        )
        return matrix
