"""Detectors of the user's own: a class with `detect`, held to what `detectors.base.Detector` promises."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmark.embodiment import CALVIN
from benchmark.tasks import BLOCK_COLOURS
from detectors.base import Box, Detection, FrameContext, NoTarget, Reason, Source, Target, check_frames
from detectors.pipeline import RESOLVING_FRAMES
from detectors.targets.carried import UNNAMED, resolve_blocks
from detectors.targets.table import block
from errors import InvalidInput
from settings.code_source import Reference
from settings.own_code import class_of, need_methods, place_of, told_by_line
from settings.shown import cut, shown

_TRIAL_FRAMES = 2


class OwnDetector:
    """A `Detector` of a class whose source was admitted; made without arguments.

    The class may have `version` (of what its source does not tell, such as weights), `precision`, `check` and
    `on_accelerator`, whether it uses a GPU where there is one.
    """

    def __init__(self, reference: Reference) -> None:
        """Raises ConfigError naming file and line for a class that cannot be made, or has no `detect`."""
        self._reference = reference
        with told_by_line(reference, f"making {reference.name}"):
            self._detector = class_of(reference)()
            need_methods(self._detector, reference, "detect")
            self._own_version = str(getattr(self._detector, "version", ""))

    @property
    def name(self) -> str:
        return self._reference.label

    @property
    def version(self) -> str:
        """Its source's digest, and what the class says besides."""
        return f"{(self._reference.digest or '')[:12]} {cut(self._own_version)}".strip()

    @property
    def precision(self) -> str | None:
        precision = getattr(self._detector, "precision", None)
        return None if precision is None else str(precision)

    @property
    def on_accelerator(self) -> bool:
        return bool(getattr(self._detector, "on_accelerator", False))

    def check(self) -> None:
        """See `Detector.check`; and try it once. Raises ConfigError, one sentence with file and line, for whatever it
        raises, and for what is no answer."""
        frames = np.full((_TRIAL_FRAMES, CALVIN.static_pixels, CALVIN.static_pixels, 3), 90, np.uint8)
        frames[:, 80:110, 90:120] = (200, 20, 20)
        known = FrameContext(gripper_xyz=np.zeros((_TRIAL_FRAMES, 3)), gripper_action=np.ones(_TRIAL_FRAMES))
        with told_by_line(self._reference, f"trying {self._reference.name}"):
            if callable(check := getattr(self._detector, "check", None)):
                check()
            self.detect(frames, [block("red")] * _TRIAL_FRAMES, known)

    def detect(
        self, images: NDArray[np.uint8], targets: Sequence[Target], context: FrameContext | None = None
    ) -> list[Detection | NoTarget]:
        """See `Detector.detect`. The class is asked for coloured blocks where targets do not say which one is meant.

        Raises InvalidInput for what is no answer, and whatever the class raises.
        """
        check_frames(images, targets, context)
        resolved = self._resolved(images, targets, context)
        results: dict[int, Detection | NoTarget] = {
            frame: target for frame, target in enumerate(resolved) if isinstance(target, NoTarget)
        }
        asked = {frame: target for frame, target in enumerate(resolved) if isinstance(target, Target)}
        if asked:
            results |= self._asked(images, asked, context)
        return [results[frame] for frame in range(len(images))]

    def _resolved(
        self, images: NDArray[np.uint8], targets: Sequence[Target], context: FrameContext | None
    ) -> Sequence[Target | NoTarget]:
        """As `GazePipeline.resolve`: named by where all three blocks are in some frames."""
        if all(target.object not in UNNAMED for target in targets):
            return targets
        tracks: dict[str, list[Box | None]] = {}
        sample = np.unique(np.linspace(0, len(images) - 1, RESOLVING_FRAMES).round().astype(int)).tolist()
        for colour in BLOCK_COLOURS:
            found = self._asked(images, dict.fromkeys(sample, block(colour)), context)
            tracks[f"{colour}_block"] = [
                one.box if isinstance(one := found.get(frame), Detection) else None
                for frame in range(len(images))
            ]
        return resolve_blocks(targets, tracks, context, images.shape[2])

    def _asked(
        self, images: NDArray[np.uint8], targets: Mapping[int, Target], context: FrameContext | None
    ) -> dict[int, Detection | NoTarget]:
        """Of some frames, by their numbers."""
        frames = list(targets)
        results = list(self._detector.detect(images[frames], list(targets.values()), _of(context, frames)))
        if len(results) != len(frames):
            raise InvalidInput(f"{self._said()} {len(results)} results for {len(frames)} frames")
        height, width = images.shape[1:3]
        return {
            frame: self._checked(result, frame, width, height)
            for frame, result in zip(frames, results, strict=True)
        }

    def _checked(self, result: object, frame: int, width: int, height: int) -> Detection | NoTarget:
        """In Python's own numbers, as they go into JSON."""
        if isinstance(result, NoTarget) and isinstance(result.reason, Reason):
            return result
        if not isinstance(result, Detection) or not isinstance(result.source, Source):
            raise InvalidInput(
                f"{self._said()} {shown(result)} for frame {frame}: it is a Detection or a NoTarget with a Reason"
            )
        x0, y0, x1, y1 = (float(edge) for edge in result.box)
        score, uncertainty = float(result.score), float(result.uncertainty_pixels)
        box: Box = (x0, y0, x1, y1)
        if not all(map(math.isfinite, (*box, score, uncertainty))):
            raise InvalidInput(f"{self._said()} the box {box} for frame {frame}: its numbers must be finite")
        if x0 < 0 or y0 < 0 or x1 > width or y1 > height:
            raise InvalidInput(
                f"{self._said()} the box {box} for frame {frame}: it must lie within the {width} x {height} pixels"
            )
        return Detection(box, score, str(result.phrase), result.source, uncertainty)

    def _said(self) -> str:
        return f"{place_of(self._reference)}: {self._reference.name}.detect gave"


def _of(context: FrameContext | None, frames: list[int]) -> FrameContext | None:
    """What is known of some frames."""
    if context is None:
        return None
    return FrameContext(
        None if context.boxes is None else [context.boxes[frame] for frame in frames],
        None if context.gripper_xyz is None else context.gripper_xyz[frames],
        None if context.gripper_action is None else context.gripper_action[frames],
    )
