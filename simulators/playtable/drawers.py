"""Who draws a play table's pictures: PyBullet, or this module with the bytes of PyBullet's own renderer.

TinyRenderer is a function of a scene's triangles and of where they are. Done for all of them at once it takes a
fraction of the time, and the physics server needs neither meshes nor textures.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from settings.heap import give_back
from simulators.playtable import world
from simulators.playtable.bounds import corners_of
from simulators.playtable.client import Client
from simulators.playtable.pictures import Layer, Picture, layer_of, picture_of, render
from simulators.playtable.renderers import Renderer
from simulators.playtable.scene import Scene, SceneFiles
from simulators.playtable.tiny.arithmetic import is_tiny_renderers
from simulators.playtable.tiny.drawing import Drawing
from simulators.playtable.tiny.matrices import Floats
from simulators.playtable.tiny.models import Models, models_of, told_of
from simulators.playtable.tiny.poses import Poses
from simulators.playtable.visuals import Colour, Part, Visuals, read_colours

#: By name, origin and digest of a scene.
_KNOWN: dict[tuple[str, str, str], Looks] = {}


class Drawer(Protocol):
    """Draws the world of `client`. `visuals`: its colours; `corners`: see `bounds.corners_of`; `casts_shadows`: see
    `renderers.Renderer`."""

    client: Client
    visuals: Visuals
    corners: Mapping[Part, np.ndarray]
    casts_shadows: bool

    def begin(self) -> None:
        """The world was just loaded."""

    def moved(self) -> None:
        """The world is another than at the last picture."""

    def picture(
        self, hidden: Set[Part], side: int, view: tuple[float, ...], projection: tuple[float, ...]
    ) -> Picture:
        """All parts but those hidden, on side * side pixels, by OpenGL's matrices."""

    def layer(
        self, hidden: Set[Part], side: int, view: tuple[float, ...], projection: tuple[float, ...]
    ) -> Layer:
        """The same, where anything is."""

    def close(self) -> None:
        """May be called twice."""


class BulletDrawer:
    """PyBullet draws, with any of its renderers; the world must be loaded with its visual shapes."""

    def __init__(self, client: Client, renderer: Renderer) -> None:
        self.client, self._renderer = client, renderer
        self.visuals = Visuals(client)
        self.corners: Mapping[Part, np.ndarray] = corners_of(client)
        self.casts_shadows = renderer.casts_shadows
        self._colours = read_colours(client)

    def begin(self) -> None:
        self.visuals.begin(self._colours)

    def moved(self) -> None:
        """PyBullet knows."""

    def picture(
        self, hidden: Set[Part], side: int, view: tuple[float, ...], projection: tuple[float, ...]
    ) -> Picture:
        self.visuals.hide(hidden)
        return render(self.client, side, view, projection, self._renderer.flag)

    def layer(
        self, hidden: Set[Part], side: int, view: tuple[float, ...], projection: tuple[float, ...]
    ) -> Layer:
        return layer_of(self.picture(hidden, side, view, projection))

    def close(self) -> None:
        """There is nothing of its own."""


@dataclass(frozen=True)
class Looks:
    """What a scene's visual shapes are: the same for every world of it, and for all simulators of a process."""

    models: Models
    colours: Mapping[Part, tuple[Colour, ...]]
    corners: Mapping[Part, np.ndarray]


class ArrayDrawer:
    """TinyRenderer's bytes from arrays; the world may be loaded without its visual shapes."""

    casts_shadows = False

    def __init__(self, client: Client, looks: Looks, poses: Poses) -> None:
        self.client, self._looks, self._poses = client, looks, poses
        self.visuals = Visuals(None)
        self.corners = looks.corners
        self._drawing = Drawing(looks.models)
        self._places: Floats | None = None

    def moved(self) -> None:
        self._places = None

    def begin(self) -> None:
        self.moved()
        self.visuals.begin(self._looks.colours)
        self._drawing.begin()

    def picture(
        self, hidden: Set[Part], side: int, view: tuple[float, ...], projection: tuple[float, ...]
    ) -> Picture:
        layer = self.layer(hidden, side, view, projection)
        return picture_of(layer, side, self._drawing.nothing(projection))

    def layer(
        self, hidden: Set[Part], side: int, view: tuple[float, ...], projection: tuple[float, ...]
    ) -> Layer:
        self.visuals.hide(hidden)
        if self._places is None:
            self._places = self._poses.matrices()
        return self._drawing.layer(hidden, self.visuals.colours, self._places, side, view, projection)

    def close(self) -> None:
        self._poses.close()


def looks_of(scene: Scene, files: SceneFiles) -> Looks | None:
    """Of a scene; None where its pictures cannot be drawn here to TinyRenderer's last bit: with shapes or textures of
    other kinds than Baton's and CALVIN's scenes have, or on a processor that computes in another way."""
    if not is_tiny_renderers():
        return None
    key = scene.name, scene.origin, scene.digest
    if key not in _KNOWN:
        client = Client()
        try:
            # Meshes are kept in memory by name otherwise, for good.
            client.setPhysicsEngineParameter(enableFileCaching=0)
            world.build(client, scene, files)
            told, colours, corners = told_of(client), read_colours(client), corners_of(client)
        finally:
            client.setPhysicsEngineParameter(enableFileCaching=1)
            client.close()
        give_back()  # PyBullet's meshes and textures, before there are ours
        try:
            _KNOWN[key] = Looks(models_of(told), colours, corners)
        except ValueError:
            return None
        give_back()
    return _KNOWN[key]
