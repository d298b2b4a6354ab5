"""The picture of the gaze region that a policy is shown while it acts."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from detectors.base import NoTarget, Reason
from detectors.spec import DetectorSpec, NoOptions
from detectors.targets.table import TARGETS_VERSION
from errors import EnvironmentLacks
from models.recipe import recipe_of
from models.reconvla import ReconVLA
from policies.base import Query, told_counts
from policies.reconvla import ReconVLAPolicy
from policies.regions import RegionFinder
from tests.training import model_spec, training_spec

BOXES = {"drawer_handle": (20, 30, 60, 70), "red_block": None, "blue_block": (5, 5, 9, 9), "pink_block": None,
         "drawer": (10, 100, 90, 180)}  # fmt: skip
SIMULATOR: Any = SimpleNamespace(true_boxes=lambda: BOXES)
ORACLE = DetectorSpec(detector="oracle", version="1", options=NoOptions(), targets=TARGETS_VERSION)


def observation(seed: int = 0, gripper: float = 1.0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    state = random.normal(size=15)
    state[14] = gripper
    return {
        "rgb_static": random.integers(0, 256, (200, 200, 3), dtype=np.uint8),
        "rgb_gripper": random.integers(0, 256, (84, 84, 3), dtype=np.uint8),
        "robot_obs": state,
    }


def test_the_region_is_cut_out_of_the_frame() -> None:
    seen = observation()
    crop = RegionFinder(ORACLE).crop(seen, "pull the handle to open the drawer", SIMULATOR)
    np.testing.assert_array_equal(crop, seen["rgb_static"][30:70, 20:60])


@pytest.mark.parametrize(
    ("instruction", "reason"),
    [("lift the red block", Reason.OCCLUDED), ("sing a song", Reason.UNKNOWN_WORDING)],
)
def test_absence_is_no_picture_and_has_a_reason(instruction: str, reason: Reason) -> None:
    absent = RegionFinder(ORACLE).crop(observation(), instruction, SIMULATOR)
    assert isinstance(absent, NoTarget) and absent.reason is reason


def test_what_is_carried_is_no_longer_looked_at() -> None:
    finder, instruction = RegionFinder(ORACLE), "put the blue block in the drawer"
    assert finder.crop(observation(gripper=1.0), instruction, SIMULATOR).shape == (4, 4, 3)
    assert finder.crop(observation(gripper=-1.0), instruction, SIMULATOR).shape == (80, 80, 3)


def test_a_policy_is_shown_it_and_counts_when_there_is_none() -> None:
    recipe = recipe_of(model_spec(training_spec(1, arm="explicit_grounding")))
    model = ReconVLA(recipe.config, seed=3)
    policy = ReconVLAPolicy(model, recipe, batch=2, regions=RegionFinder(ORACLE))
    texts = ("open the drawer", "lift the red block", "open the drawer")
    queries = [Query(observation(n), text, n, 0, simulator=SIMULATOR) for n, text in enumerate(texts)]
    together = policy.predict(queries)
    assert told_counts(policy.counts)["without_region"] == {"occluded": 1}
    alone = [policy.predict([query])[0] for query in queries]
    for first, second in zip(together, alone):
        np.testing.assert_array_equal(first, second)
    question = policy._question(queries[0], policy._region(queries[0]))
    assert question.crop is not None and question.crop.shape == question.image.shape
    assert isinstance(policy.counts, Counter)


def test_counts_by_reason_are_told_as_such_and_those_of_earlier_checkpoints_with_them() -> None:
    counts = Counter({"without_region.not_found": 2, "without_region.occluded": 1, "outside_tokens": 3})
    counts.update({"without_region": 4})
    by_reason = {"not_told": 4, "not_found": 2, "occluded": 1}
    assert told_counts(counts) == {"outside_tokens": 3, "without_region": by_reason}


def test_another_detector_than_planned_is_refused():
    with pytest.raises(EnvironmentLacks, match="planned with 'older'"):
        RegionFinder(replace(ORACLE, detector="colour", version="older"))
