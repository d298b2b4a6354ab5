"""Simulators of the user's own: a class with the methods of `simulators.base.Simulator`, made with a scene's name."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmark.embodiment import CALVIN
from errors import InvalidInput, SimulatorError
from settings.code_source import Reference
from settings.own_code import class_of, need_methods, place_of, told_by_line
from settings.shown import shown
from simulators.base import Simulator

_METHODS = (
    "reset", "step", "observe", "state", "target_pose", "info", "true_boxes", "description", "close",
)  # fmt: skip


def make_own(reference: Reference, scene: str) -> Simulator:
    """Raises ConfigError naming file and line for a class that cannot be made, or lacks a method."""
    with told_by_line(reference, f"making {reference.name}"):
        made: Simulator = class_of(reference)(scene)
        need_methods(made, reference, *_METHODS)
    return made


def try_own(reference: Reference, scene: str) -> None:
    """Begin an episode and look. Raises ConfigError, one sentence with file and line, for whatever the class raises,
    and for what is no answer."""
    simulator = make_own(reference, scene)
    said = f"{place_of(reference)}: {reference.name}"
    with told_by_line(reference, f"trying {reference.name}"):
        try:
            simulator.reset(seed=0)
            simulator.step(np.array([0, 0, 0, 0, 0, 0, 1.0]))
            _check(simulator, said)
        except SimulatorError as error:
            raise InvalidInput(f"{said}: {error}") from error
        finally:
            simulator.close()


def _check(simulator: Simulator, said: str) -> None:
    robot_obs, scene_obs = simulator.state()
    seen = simulator.observe()
    arrays: tuple[tuple[str, Any, tuple[int, ...]], ...] = (
        ("robot_obs of state", robot_obs, (CALVIN.robot_obs_size,)),
        ("scene_obs of state", scene_obs, (CALVIN.scene_obs_size,)),
        ("rgb_static of observe", seen.get("rgb_static"), CALVIN.static_shape),
        ("rgb_gripper of observe", seen.get("rgb_gripper"), CALVIN.gripper_shape),
    )
    for name, found, shape in arrays:
        if np.shape(found) != shape:
            raise InvalidInput(f"{said}: {name} has the shape {np.shape(found)}, and not {shape}")
        if not np.isfinite(found).all():
            raise InvalidInput(f"{said}: {name} holds numbers that are not finite")
    info = simulator.info()
    for name in ("robot_info", "scene_info"):
        if not isinstance(info, dict) or name not in info:
            raise InvalidInput(f"{said}: info has no {name}: {shown(info)}")
