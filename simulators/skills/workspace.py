"""What a skill may know: the state of any simulator of the table, and the geometry of its scene."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from benchmark.observations import POSITION
from simulators.base import Simulator
from simulators.playtable.scene import Scene


class TableSimulator(Simulator, Protocol):
    """A simulator that says which table it shows."""

    @property
    def scene(self) -> Scene:
        """Geometry and names, as data."""


class Workspace:
    """Reads `sim` anew at every call. Positions (3,) in world m."""

    def __init__(self, sim: Simulator, scene: Scene) -> None:
        self._sim = sim
        self.scene = scene

    def landmark(self, name: str) -> np.ndarray:
        """One of the scene's landmarks, as the table stands now."""
        return self.scene.landmarks[name].position(self._sim.state()[1])

    def block_pose(self, name: str) -> tuple[np.ndarray, float]:
        """Centre and yaw in rad of a block such as `block_red`."""
        return self.scene.block_pose(self._sim.state()[1], name)

    def open_side(self) -> str:
        """The surface of the cabinet that the sliding door leaves free."""
        return self.scene.open_side(self._sim.state()[1])

    def tcp_position(self) -> np.ndarray:
        """Measured tool centre point."""
        return self._sim.state()[0][POSITION]

    def target_pose(self) -> np.ndarray:
        """The pose (6,) that the controller tracks."""
        return self._sim.target_pose()
