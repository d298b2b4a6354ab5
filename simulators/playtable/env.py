"""The play table in this process: Baton's own scenes or CALVIN's, with CALVIN's observations and actions."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.cameras import CAMERAS
from benchmark.embodiment import CALVIN
from errors import SimulatorError
from settings.machine import pybullet_build
from simulators.base import Observation, PixelBox
from simulators.playtable import world
from simulators.playtable.cameras import Cameras
from simulators.playtable.drawers import ArrayDrawer, BulletDrawer, Drawer, looks_of
from simulators.playtable.pictures import Picture
from simulators.playtable.random_scene import random_scene
from simulators.playtable.renderers import TINY, close_client, open_client, renderer_named
from simulators.playtable.robot import Robot
from simulators.playtable.scene import DESIGN_SCALE
from simulators.playtable.scenes import load_scene
from simulators.playtable.table import Table
from simulators.playtable.tiny.poses import Poses

_SUBSTEPS = world.PHYSICS_HZ // CALVIN.control_hz


class PlayTable:
    """The `playtable` simulator; see `simulators.base.Simulator` for the contract of each method.

    Every reset rebuilds the physics world, because Bullet keeps contact and solver state that no call
    clears: an episode is a function of (robot_obs, scene_obs, seed, actions), whatever ran before it.
    """

    def __init__(
        self,
        scene: str = "D",
        assets: str | Path | None = None,
        renderer: str = TINY.name,
        *,
        bullet_draws: bool = False,
    ) -> None:
        """scene, assets: see `simulators.playtable.scenes.load_scene`, also for what it raises. renderer: `tiny`
        or `egl`; raises SimulatorMissing where EGL does not work. bullet_draws: leave `tiny` to PyBullet too, which
        gives the same bytes later.
        """
        self._renderer = renderer_named(renderer)
        self._thread = threading.get_ident()
        self.scene = load_scene(scene, assets)
        self._folder = tempfile.TemporaryDirectory(prefix="playtable-")
        self._files = self.scene.write_files(Path(self._folder.name))
        # What a class of the user's own does to shapes of the world, it wants to see.
        bullet_draws = bullet_draws or self._renderer is not TINY or type(self) is not PlayTable
        looks = None if bullet_draws else looks_of(self.scene, self._files)
        self._is_bare = looks is not None
        self._client = open_client(self._renderer, self.scene.static_camera.lens.pixels)
        self.robot, bodies = self._load()
        self._drawer: Drawer
        if looks is None:
            self._drawer = BulletDrawer(self._client, self._renderer)
        else:
            jointed = {
                self.robot.uid: (self._files.robot, 1.0),
                bodies.table: (self._files.table, DESIGN_SCALE),
            }
            self._drawer = ArrayDrawer(self._client, looks, Poses(self._client, looks.models.parts, jointed))
        self.table = self._begin(bodies)
        self._cameras = Cameras(self._drawer, self.scene, self.robot, bodies)

    def reset(
        self, robot_obs: np.ndarray | None = None, scene_obs: np.ndarray | None = None, seed: int = 0
    ) -> None:
        if robot_obs is not None:
            robot_obs = np.asarray(robot_obs, dtype=np.float64)
            if robot_obs.shape != (CALVIN.robot_obs_size,) or not np.isfinite(robot_obs).all():
                raise SimulatorError(
                    f"robot_obs must be {CALVIN.robot_obs_size} finite numbers, got {robot_obs.tolist()}"
                )
        if scene_obs is None:
            scene_obs = random_scene(self.scene, np.random.default_rng(seed))
        self.robot, bodies = self._load()
        self.table = self._begin(bodies)
        self.table.reset(np.asarray(scene_obs, dtype=np.float64))
        self.robot.reset(robot_obs)
        self._client.stepSimulation()
        self._drawer.moved()

    def step(self, action: np.ndarray) -> None:
        self.robot.apply(action)
        for _ in range(_SUBSTEPS):
            self._client.stepSimulation()
        self.table.update()
        self._drawer.moved()

    def observe(self, cameras: Sequence[str] = CAMERAS, boxes: bool = False) -> Observation:
        unknown = set(cameras) - set(CAMERAS)
        if unknown:
            raise SimulatorError(
                f"unknown camera {sorted(unknown)[0]!r}; known cameras: {', '.join(CAMERAS)}"
            )
        self._check_thread()
        robot_obs, scene_obs = self.state()
        observation: Observation = {"robot_obs": robot_obs, "scene_obs": scene_obs}
        if "static" in cameras or boxes:
            picture = self._static_picture(colours_only=not boxes)
            if "static" in cameras:
                observation["rgb_static"] = picture.rgb
            if boxes:
                boxes_by_name, pixels = self._cameras.visible(picture, scene_obs)
                observation |= {"true_boxes": boxes_by_name, "visible_pixels": pixels}
        if "gripper" in cameras:
            observation["rgb_gripper"] = self._cameras.hand_picture().rgb
        return observation

    def state(self) -> tuple[np.ndarray, np.ndarray]:
        return self.robot.observation(), self.table.observation()

    def target_pose(self) -> np.ndarray:
        return self.robot.target_pose.copy()

    def info(self) -> dict[str, Any]:
        return {"robot_info": self.robot.info(), "scene_info": self.table.info()}

    def true_boxes(self) -> dict[str, PixelBox | None]:
        self._check_thread()
        return self._cameras.visible(self._static_picture(), self.table.observation())[0]

    def robot_obs_at(self, pose: np.ndarray) -> np.ndarray:
        """robot_obs (15,) of the arm at rest with the tcp at `pose` (6,) and open fingers. Moves the arm."""
        self._drawer.moved()
        return self.robot.observation_at(pose)

    def description(self) -> dict[str, str]:
        """What decides the pixels beside the state: stored with results, compared with training frames."""
        return {
            "simulator": "playtable",
            "scene": self.scene.name,
            "assets": self.scene.origin,
            "assets_digest": self.scene.digest,
            "renderer": self._renderer.name,
            "pybullet": pybullet_build(),
        }

    def close(self) -> None:
        self._drawer.close()
        close_client(self._renderer, self._client)
        self._folder.cleanup()

    def _load(self) -> tuple[Robot, world.Bodies]:
        return world.build(self._client, self.scene, self._files, self._is_bare)

    def _begin(self, bodies: world.Bodies) -> Table:
        self._drawer.begin()
        return Table(self._client, self._drawer.visuals, self.scene, bodies.table, bodies.blocks)

    def _check_thread(self) -> None:
        if self._renderer.one_thread and threading.get_ident() != self._thread:
            raise SimulatorError(
                f"the renderer {self._renderer.name!r} draws only in the thread that opened it; "
                "give the simulator a process of its own"
            )

    def _static_picture(self, colours_only: bool = False) -> Picture:
        return self._cameras.static_picture((self.table.bulb.is_on, self.table.led.is_on), colours_only)
