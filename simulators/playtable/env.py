"""Baton's own play table, with CALVIN's observations, actions and task information."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pybullet

from errors import SimulatorError
from simulators.base import CAMERAS, CONTROL_HZ, ROBOT_OBS_SIZE, PixelBox
from simulators.playtable import world
from simulators.playtable.cameras import Picture, box_of, gripper_picture, segment_ids, static_picture
from simulators.playtable.client import Client
from simulators.playtable.random_scene import Ranges, random_scene
from simulators.playtable.robot import Robot
from simulators.playtable.scene import Scene, load_scene
from simulators.playtable.table import Table

_SUBSTEPS = world.PHYSICS_HZ // CONTROL_HZ


class PlayTable:
    """The `playtable` simulator; see `simulators.base.Simulator` for the contract of each method.

    Every reset rebuilds the physics world, because Bullet keeps contact and solver state that no call
    clears: an episode is a function of (robot_obs, scene_obs, seed, actions), whatever ran before it.
    """

    def __init__(self, scene: str | Scene = "D") -> None:
        self.scene = load_scene(scene) if isinstance(scene, str) else scene
        self._folder = tempfile.TemporaryDirectory(prefix="playtable-")
        self._files = self.scene.write_files(Path(self._folder.name))
        self._client = Client()
        self._backdrop = world.Backdrop(self.scene, self._files)
        self._rebuild()

    @property
    def ranges(self) -> Ranges:
        """Travel of the table's joints."""
        table = self.table
        return Ranges(table.slide.upper, table.drawer.upper, table.button.upper, table.switch.upper)

    def reset(
        self, robot_obs: np.ndarray | None = None, scene_obs: np.ndarray | None = None, seed: int = 0
    ) -> None:
        if robot_obs is not None:
            robot_obs = np.asarray(robot_obs, dtype=np.float64)
            if robot_obs.shape != (ROBOT_OBS_SIZE,) or not np.isfinite(robot_obs).all():
                raise SimulatorError(
                    f"robot_obs must be {ROBOT_OBS_SIZE} finite numbers, got {robot_obs.tolist()}"
                )
        if scene_obs is None:
            scene_obs = random_scene(self.scene, self.ranges, np.random.default_rng(seed))
        self._rebuild()
        self.table.reset(np.asarray(scene_obs, dtype=np.float64))
        self.robot.reset(robot_obs)
        self._client.stepSimulation()

    def step(self, action: np.ndarray) -> None:
        self.robot.apply(action)
        for _ in range(_SUBSTEPS):
            self._client.stepSimulation()
        self.table.update()

    def observe(self, cameras: Sequence[str] = CAMERAS, boxes: bool = False) -> dict[str, Any]:
        unknown = set(cameras) - set(CAMERAS)
        if unknown:
            raise SimulatorError(
                f"unknown camera {sorted(unknown)[0]!r}; known cameras: {', '.join(CAMERAS)}"
            )
        robot_obs, scene_obs = self.state()
        observation: dict[str, Any] = {"robot_obs": robot_obs, "scene_obs": scene_obs}
        if "static" in cameras or boxes:
            picture = self._static_picture()
            if "static" in cameras:
                observation["rgb_static"] = picture.rgb
            if boxes:
                observation["true_boxes"] = self._boxes(picture.segments)
        if "gripper" in cameras:
            picture = gripper_picture(self._client, self.robot.uid, self.robot.camera_link)
            observation["rgb_gripper"] = picture.rgb
        return observation

    def state(self) -> tuple[np.ndarray, np.ndarray]:
        return self.robot.observation(), self.table.observation()

    def target_pose(self) -> np.ndarray:
        return self.robot.target_pose.copy()

    def info(self) -> dict[str, Any]:
        return {"robot_info": self.robot.info(), "scene_info": self.table.info()}

    def true_boxes(self) -> dict[str, PixelBox | None]:
        return self._boxes(self._static_picture().segments)

    def landmark(self, name: str) -> np.ndarray:
        """World position (3,) in m of one of the scene's landmarks, as the table stands now."""
        link, offset = self.scene.landmarks[name]
        frame = self._client.getLinkState(self.table.uid, self.table.links[link])[4:6]
        scaled = [value * self.scene.global_scaling for value in offset]
        return np.array(pybullet.multiplyTransforms(*frame, scaled, [0, 0, 0, 1])[0])

    def open_side(self) -> str:
        """The surface of the cabinet that the sliding door leaves free."""
        return "slider_right" if self.table.slide.position > self.ranges.slide / 2 else "slider_left"

    def block_pose(self, name: str) -> tuple[np.ndarray, float]:
        """Centre (3,) in m and yaw in rad of a block such as `block_red`."""
        position, quaternion = self._client.getBasePositionAndOrientation(self.table.blocks[name])
        return np.array(position), float(pybullet.getEulerFromQuaternion(quaternion)[2])

    def close(self) -> None:
        self._client.close()
        self._backdrop.close()
        self._folder.cleanup()

    def _boxes(self, segments: np.ndarray) -> dict[str, PixelBox | None]:
        boxes = {}
        for name, (body, links) in self.scene.boxes.items():
            if body == "table":
                ids = segment_ids(self.table.uid, [self.table.links[link] for link in links])
            else:
                ids = segment_ids(self.table.blocks[body], [-1])
            boxes[name] = box_of(segments, ids)
        return boxes

    def _static_picture(self) -> Picture:
        lamps = (self.table.bulb.fixture, self.table.led.fixture)
        return static_picture(self._client, [*self._fixtures, *lamps], self._backdrop.picture(lamps))

    def _rebuild(self) -> None:
        bodies = world.build(self._client, self.scene, self._files)
        self._fixtures = world.fixtures(self._client, self.scene, bodies)
        self.robot = Robot(self._client, bodies.robot)
        self.table = Table(self._client, self.scene, bodies.table, bodies.blocks)
