"""The gaze region of a single observation, for policies that are shown it (arm `explicit_grounding`).

The detector is the one that found the regions of the training frames. It sees one frame and the instruction:
neither the task's name nor what came before or after, so of a task with two phases (carry a block, put it
down) the first is looked for while the gripper's last command was to open, the second after that.
"""

from __future__ import annotations

import numpy as np

from benchmark.observations import GRIPPER_COMMAND
from detectors.base import Detection, Detector, FrameContext, NoTarget
from detectors.crops import crop_region
from detectors.registry import check_planned, make_detector
from detectors.spec import DetectorSpec
from detectors.targets.table import phases_for
from models.images import Picture
from simulators.base import Observation, Simulator


class RegionFinder:
    """Finds the picture of the gaze region.

    Raises EnvironmentLacks where this machine's detector is not of that version.
    """

    def __init__(self, spec: DetectorSpec) -> None:
        self._detector: Detector = make_detector(spec.detector, **spec.keywords)
        check_planned(self._detector, spec.version)
        self._needs_boxes = spec.detector == "oracle"

    def crop(
        self, observation: Observation, instruction: str, simulator: Simulator | None
    ) -> Picture | NoTarget:
        """The region's pixels, (h, w, 3), or why there is none, in sight or in the wording.

        simulator: asked for true boxes by the oracle detector, by no other.
        """
        phases = phases_for(None, instruction)
        if isinstance(phases, NoTarget):
            return phases
        state = np.asarray(observation["robot_obs"], dtype=np.float64)
        target = phases[-1 if state[GRIPPER_COMMAND] < 0 else 0]
        boxes = None
        if self._needs_boxes and simulator is not None:
            boxes = [simulator.true_boxes()]
        known = FrameContext(boxes=boxes, gripper_xyz=state[None, :3])
        (found,) = self._detector.detect(observation["rgb_static"][None], [target], known)
        return crop_region(observation["rgb_static"], found.box) if isinstance(found, Detection) else found
