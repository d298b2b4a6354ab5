"""GroundingDINO with weights that mean something: the small model of the benchmarks, on frames that it has not seen.

Bounds lie well below what is measured (docs/gaze.md): they tell a broken path from a working one.
"""

import numpy as np
import pytest

from benchmarks.gaze_scenes import SMALL_MODEL, TARGETS, episodes
from detectors.base import FrameContext, NoTarget, Target
from detectors.registry import make_detector
from detectors.scoring import object_truths, score_frame, summarise_objects
from detectors.targets.phases import frame_targets
from detectors.targets.table import phases_for
from tests.detectors.calvin_mini import demonstrations, frames_of, needs_calvin_mini

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def detector():
    return make_detector("grounding_dino", weights=str(SMALL_MODEL))


def test_finds_what_is_to_be_seen_in_hard_scenes(detector):
    scored = []
    for scenery in episodes(4, seed=31):
        images = scenery.images[::6]
        for target in TARGETS:
            found = detector.detect(images, [target] * len(images))
            truths = scenery.truths(target.object)[::6]
            area = images.shape[1] * images.shape[2]
            scored += [score_frame(a, b, area, target.object) for a, b in zip(found, truths, strict=True)]
    whole = summarise_objects(scored)["all"]
    assert whole["rate"] > 0.8
    assert whole["false_rate"] < 0.05


@needs_calvin_mini
def test_finds_the_targets_of_real_calvin_frames(detector):
    scored = []
    for one in demonstrations("validation"):
        images, gripper, truth = frames_of("validation", one)
        phases = phases_for(one["task"], one["ann"])
        assert not isinstance(phases, NoTarget)
        known = FrameContext(gripper_xyz=gripper)
        targets = frame_targets(phases, known, len(images))
        found = detector.detect(images, targets, known)
        for frame, target in enumerate(detector.resolve(images, targets, known)):
            assert isinstance(target, Target), target
            [seen] = object_truths([truth[frame]], target.object)
            scored.append(score_frame(found[frame], seen, images[0, ..., 0].size, target.object))
    whole = summarise_objects(scored)["all"]
    assert whole["rate"] > 0.85
    assert whole["false_rate"] < 0.05


def test_nothing_is_found_where_there_is_no_play_table(detector):
    noise = np.random.default_rng(0).integers(0, 256, (3, 200, 200, 3), dtype=np.uint8)
    assert all(isinstance(one, NoTarget) for one in detector.detect(noise, [TARGETS[0]] * 3))
