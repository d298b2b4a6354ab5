"""Packages with the interface of calvin_env and what it stands on, for an interpreter started by the tests.

The environment moves one number a step and does on command what real ones do by accident: die, hang, refuse.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.support import REPOSITORY

_ENV = """
import os, time
import numpy as np

class Camera:
    def __init__(self, name, size, env):
        self.name, self.size, self.env = name, size, env
    def render(self):
        self.env.rendered += 1
        shape = (self.size, self.size, 3)
        return np.full(shape, self.env.steps, np.uint8), np.zeros(shape[:2])

class Physics:
    def stepSimulation(self, physicsClientId):
        pass

class Robot:
    def __init__(self, env):
        self.env = env
        self.target_pos, self.target_orn = np.array([1., 2, 3]), np.array([4., 5, 6])
    def reset(self, robot_obs):
        self.env.robot_obs = np.zeros(15) if robot_obs is None else np.array(robot_obs)
    def apply_action(self, action):
        if action[0] == 0.25: os.kill(os.getpid(), 9)
        if action[0] == 0.5: time.sleep(1000)
        if action[0] == 0.75: raise AssertionError("the robot refuses")
        print("noise on standard output")
        self.env.robot_obs[0] += action[0]

class Scene:
    def __init__(self, env):
        self.env = env
    def reset(self, scene_obs):
        self.env.scene_obs = np.zeros(24) if scene_obs is None else np.array(scene_obs)
    def step(self):
        self.env.steps += 1

class Env:
    def __init__(self, scene):
        self.scene_name, self.cid, self.action_repeat = scene, 0, 8
        self.steps = self.rendered = 0
        self.p, self.robot, self.scene = Physics(), Robot(self), Scene(self)
        self.cameras = [Camera("static", 200, self), Camera("gripper", 84, self)]
    def close(self):
        pass
    def get_state_obs(self):
        return {"robot_obs": self.robot_obs, "scene_obs": self.scene_obs}
    def get_info(self):
        return {"robot_info": {"uid": np.int64(0), "contacts": ((1, 0, 2, -1, 3),), "pos": np.zeros(3)},
                "scene_info": {"scene": self.scene_name, "rendered": self.rendered, "pid": os.getpid()}}
"""
_OMEGACONF = """
class Node(dict):
    __getattr__ = dict.__getitem__

class OmegaConf:
    @staticmethod
    def load(path):
        return Node(open(path).read() and {"file": str(path), "defaults": []})
    @staticmethod
    def merge(*parts):
        return Node({k: v for part in parts for k, v in part.items()})
    @staticmethod
    def create(value):
        return Node(value | {"env": Node(value["env"], scene=value["scene"]["file"])})
"""
_FILES = {
    "calvin_env/__init__.py": "",
    "calvin_env/env.py": _ENV,
    "omegaconf.py": _OMEGACONF,
    "hydra/__init__.py": "from hydra import utils",
    "hydra/utils.py": """
from calvin_env.env import Env

def instantiate(config, show_gui, use_vr, use_scene_info, use_egl):
    assert not show_gui and not use_vr and use_scene_info
    return Env(config["scene"].rpartition("_")[2].removesuffix(".yaml"))
""",
    "pybullet.py": "getAPIVersion = lambda: 7",
}
_CONFIGURATION = (
    "robot/panda.yaml", "robot/panda_longer_finger.yaml", "cameras/cameras/static.yaml",
    "cameras/cameras/gripper.yaml", "env/play_table_env.yaml", *(f"scene/calvin_scene_{s}.yaml" for s in "ABCD"),
)  # fmt: skip


def make_interpreter(folder: Path, with_calvin_env: bool = True) -> Path:
    """An executable that is this Python with the stand-ins on its path and nothing of the repository."""
    packages = folder / "clone"
    packages.mkdir(parents=True)
    if with_calvin_env:
        contents = {**_FILES, **{f"conf/{name}": "x: 1" for name in _CONFIGURATION}}
        for name, content in contents.items():
            file = packages / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
    python = folder / "python"
    python.write_text(f'#!/bin/sh\ncd {folder}\nPYTHONPATH={packages} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    assert REPOSITORY not in packages.parents
    return python
