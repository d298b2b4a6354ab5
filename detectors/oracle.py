"""The simulator's own answer: true boxes from the segmentation mask."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from detectors.base import Box, Detection, FrameContext, NoTarget, Reason, Target, check_frames
from detectors.targets.carried import resolve_blocks
from errors import InvalidInput
from settings.shown import shown


class OracleDetector:
    """Gives the true box with score 1, or NoTarget(occluded) where no pixel of the object is visible."""

    name = "oracle"
    version = "1"
    precision = None

    def check(self) -> None:
        """See `Detector.check`: nothing is needed but true boxes, which the data have or have not."""

    def detect(
        self, images: NDArray[np.uint8], targets: Sequence[Target], context: FrameContext | None = None
    ) -> list[Detection | NoTarget]:
        """See `Detector.detect`. Also raises InvalidInput when `context.boxes` is missing or lacks a name."""
        check_frames(images, targets, context)
        if context is None or context.boxes is None:
            raise InvalidInput(
                "the oracle detector needs the true boxes (boxes.json or a simulator), none were given"
            )
        block_names = {name for frame in context.boxes for name in frame if name.endswith("_block")}
        tracks = {name: [frame.get(name) for frame in context.boxes] for name in sorted(block_names)}
        resolved = resolve_blocks(targets, tracks, context, images.shape[2])
        results: list[Detection | NoTarget] = []
        for frame, target in zip(context.boxes, resolved, strict=True):
            if isinstance(target, NoTarget):
                results.append(target)
                continue
            if target.object not in frame:
                raise InvalidInput(
                    f"true boxes have no entry {shown(target.object)}, they name {sorted(frame)}"
                )
            box: Box | None = frame[target.object]
            if box is None:
                results.append(NoTarget(Reason.OCCLUDED, target.object))
            else:
                results.append(Detection(box, 1.0, target.phrase))
        return results
