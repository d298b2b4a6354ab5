"""One demonstration as arrays: what every part of Baton that looks at CALVIN data works on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from benchmark.embodiment import CALVIN
from benchmark.tasks import SCENES, UNKNOWN_SCENE
from calvin.instruction_text import fault_of_instruction
from errors import DatasetError
from settings.shown import shown

#: Shape of one frame. Units: metres, radians, gripper width in metres (dataset/README.md of mees/calvin).
FRAME_SHAPES = CALVIN.frame_shapes
IMAGE_FIELDS = ("rgb_static", "rgb_gripper")
VECTOR_FIELDS = ("robot_obs", "scene_obs", "actions", "rel_actions")
#: What a dataset may lack, and what is absent then: None, never zeros.
OPTIONAL_FIELDS = ("scene_obs", "actions")
#: Of the file that is made of a demonstration: pictures as bytes, numbers of eight.
FRAME_BYTES = sum(
    math.prod(shape) * (1 if name in IMAGE_FIELDS else 8) for name, shape in FRAME_SHAPES.items()
)


@dataclass(frozen=True)
class Extra:
    """An array that CALVIN's files have of each frame and nothing here uses: type and shape of one frame."""

    dtype: str
    shape: tuple[int, ...]


#: Depth in metres and tactile pictures, by name (dataset/README.md of mees/calvin).
EXTRAS: Mapping[str, Extra] = {
    "depth_static": Extra("float32", (200, 200)),
    "depth_gripper": Extra("float32", (84, 84)),
    "rgb_tactile": Extra("uint8", (160, 120, 6)),
    "depth_tactile": Extra("float32", (160, 120, 2)),
}

#: True boxes (x0, y0, x1, y1; pixels of `rgb_static`; x1 and y1 exclusive) by name of the thing; None: not
#: visible.
FrameBoxes = Mapping[str, tuple[float, float, float, float] | None]

#: How many pixels of `rgb_static` show each thing.
FramePixels = Mapping[str, int]


@dataclass(frozen=True, eq=False)
class Episode:
    """The T frames of one demonstration, with CALVIN's keys, and its annotation.

    rgb_static uint8 (T, 200, 200, 3) and rgb_gripper uint8 (T, 84, 84, 3); robot_obs (T, 15), scene_obs (T,
    24), actions (T, 7) and rel_actions (T, 7) of any float type, kept as read-only float64 copies; scene_obs and
    actions are None where a dataset lacks them. `start` and `end` are frame ids, both inclusive. `scene` is "A".."D"
    or "unknown". `boxes` has one mapping per frame, or is None where the true boxes are not known; `pixels` likewise.

    Raises DatasetError naming the field that has a wrong shape or type, or is not finite.
    """

    rgb_static: np.ndarray
    rgb_gripper: np.ndarray
    robot_obs: np.ndarray
    scene_obs: np.ndarray | None
    actions: np.ndarray | None
    rel_actions: np.ndarray
    task: str
    instruction: str
    scene: str
    split: str
    start: int
    end: int
    boxes: tuple[FrameBoxes, ...] | None = None
    pixels: tuple[FramePixels, ...] | None = None

    def __post_init__(self) -> None:
        if self.start < 0 or self.end < self.start:
            raise DatasetError(f"The episode spans frames {self.start} to {self.end}; it has no frame.")
        if (wrong := fault_of_instruction(self.instruction)) is not None:
            raise DatasetError(f"{self.name}: instruction {wrong}.")
        for field in IMAGE_FIELDS:
            self._check_shape(field)
            if getattr(self, field).dtype != np.uint8:
                raise DatasetError(f"{self.name}: {field} is {getattr(self, field).dtype}, not uint8.")
        for field in VECTOR_FIELDS:
            if field in OPTIONAL_FIELDS and getattr(self, field) is None:
                continue
            self._check_shape(field)
            if getattr(self, field).dtype.kind != "f":
                raise DatasetError(
                    f"{self.name}: {field} is {getattr(self, field).dtype}, not floating point."
                )
            values = np.array(getattr(self, field), dtype=np.float64)
            if not np.isfinite(values).all():
                frame = self.start + int(np.argwhere(~np.isfinite(values))[0, 0])
                raise DatasetError(f"{self.name}: {field} of frame {frame} is not finite.")
            values.setflags(write=False)
            object.__setattr__(self, field, values)
        if self.scene not in (known_scenes := (*SCENES, UNKNOWN_SCENE)):
            raise DatasetError(
                f"{self.name}: scene {shown(self.scene)} is not one of {', '.join(known_scenes)}."
            )
        for field in ("boxes", "pixels"):
            known = getattr(self, field)
            if known is not None and len(known) != len(self):
                raise DatasetError(f"{self.name}: {field} are given for {len(known)} of {len(self)} frames.")

    def __len__(self) -> int:
        """Number of frames, T."""
        return self.end - self.start + 1

    @property
    def name(self) -> str:
        """How messages call the episode."""
        return f"Episode {self.split} {self.start}-{self.end} ({self.task})"

    def _check_shape(self, field: str) -> None:
        shape, expected = np.shape(getattr(self, field)), (len(self), *FRAME_SHAPES[field])
        if shape != expected:
            raise DatasetError(f"{self.name}: {field} has shape {shape}, not {expected}.")
