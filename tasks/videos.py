"""Failed subtasks as mp4: what the policy saw, under the instruction it was given."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from errors import BatonError
from tasks.rollout import Failure

#: A policy with chunks of five looks six times a second of simulated time.
FRAMES_PER_SECOND = 6.0
#: VP9 in mp4: opencv's wheels carry its encoder, and browsers play it (they do not play MPEG-4 part 2).
_CODEC = "vp09"
_SIDE_PX, _BAR_PX = 336, 48
_FONT, _FONT_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.5
_INK, _PAPER = (32, 32, 32), 244


def write_failure(failure: Failure, file: Path) -> None:
    """Both cameras side by side, 672 x 384 px. Raises BatonError where opencv cannot encode."""
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
            picture = np.full((size[1], size[0], 3), _PAPER, dtype=np.uint8)
            picture[_BAR_PX:] = np.hstack(views)[..., ::-1]  # opencv writes BGR
            caption = f"{number + 1}/{len(failure.observations)}  {failure.task}: {failure.instruction}"
            cv2.putText(picture, caption, (8, 30), _FONT, _FONT_SCALE, _INK, 1, cv2.LINE_AA)
            writer.write(picture)
    finally:
        writer.release()
