"""Failed subtasks as mp4: what the policy saw, under the instruction it was given, and where it looked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from errors import BatonError
from models.images import CANVAS
from policies.base import Policy, Query
from policies.reconvla import ReconVLAPolicy
from settings import files
from tasks.evaluate.rollout import Failure

#: A policy with chunks of five looks six times a second of simulated time.
FRAMES_PER_SECOND = 6.0
#: VP9 in mp4: opencv's wheels carry its encoder, and browsers play it (they do not play MPEG-4 part 2).
_CODEC = "vp09"
_SIDE_PX, _BAR_PX = 336, 48
_FONT, _FONT_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.5
_INK, _PAPER = (32, 32, 32), 244
#: Attention: orange (RGB), and how much of it hides the most attended pixel.
_HEAT, _MOST_HEAT = (255.0, 120.0, 0.0), 0.7

#: Attention over the static and the gripper view, (336, 336) each, 0 to 1.
Look = tuple[NDArray[np.float32], NDArray[np.float32]]


def write_failure(failure: Failure, file: Path, looks: Sequence[Look] = ()) -> None:
    """Both cameras side by side, 672 x 384 px; `looks`, one a frame, are shown over them.

    Raises BatonError where opencv cannot encode.
    """
    with files.written_at(file) as aside:
        _encode(failure, aside, looks)


def _encode(failure: Failure, file: Path, looks: Sequence[Look]) -> None:
    size = (2 * _SIDE_PX, _SIDE_PX + _BAR_PX)
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*_CODEC), FRAMES_PER_SECOND, size)
    try:
        if not writer.isOpened():
            raise BatonError(f"opencv {cv2.__version__} cannot write VP9 video; set evaluation.videos to 0")
        for number, observation in enumerate(failure.observations):
            views = [
                cv2.resize(observation[camera], (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_CUBIC)
                for camera in ("rgb_static", "rgb_gripper")
            ]
            if looks:
                views = [_under(np.asarray(view, np.uint8), heat) for view, heat in zip(views, looks[number])]
            picture = np.full((size[1], size[0], 3), _PAPER, dtype=np.uint8)
            picture[_BAR_PX:] = np.hstack(views)[..., ::-1]  # opencv writes BGR
            caption = f"{number + 1}/{len(failure.observations)}  {failure.task}: {failure.instruction}"
            cv2.putText(picture, caption, (8, 30), _FONT, _FONT_SCALE, _INK, 1, cv2.LINE_AA)
            writer.write(picture)
    finally:
        writer.release()


def looks_of(failure: Failure, policy: Policy) -> list[Look]:
    """Where `policy` looked in each frame; empty where it does not tell. It is asked again, without a simulator."""
    if not isinstance(policy, ReconVLAPolicy):
        return []
    queries = [
        Query(observation, failure.instruction, sequence=0, number=number)
        for number, observation in enumerate(failure.observations)
    ]
    vision = policy.config.vision
    covered = vision.grid * vision.patch_size / vision.image_size
    return [split_look(found, covered, policy.static_rows) for found in policy.attention(queries)]


def split_look(attention: NDArray[np.float32], covered: float, static_rows: int) -> Look:
    """A map (grid, grid) over the composed picture, as shares of its peak over each camera's view.

    covered: share of the picture's side that the patches cover; the last pixels may belong to none.
    """
    side = round(CANVAS * covered)
    canvas = np.zeros((CANVAS, CANVAS), dtype=np.float32)
    canvas[:side, :side] = cv2.resize(attention.astype(np.float32), (side, side))
    parts = (canvas[:static_rows], canvas[static_rows:])
    static, gripper = (cv2.resize(part / canvas.max(), (_SIDE_PX, _SIDE_PX)) for part in parts)
    return static, gripper


def _under(view: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    weight = _MOST_HEAT * heat[..., None]
    return (view * (1 - weight) + np.array(_HEAT) * weight).round().astype(np.uint8)
