"""When gaze moves on, against where the block really is (`scene_obs`): half of its way lies behind it."""

from __future__ import annotations

import numpy as np
import pytest

from calvin.dataset import open_dataset
from calvin.episode import Episode
from calvin.split import TRAINING
from detectors.registry import make_detector
from detectors.targets.camera import project_static
from detectors.targets.table import CARRIED_BLOCK, TASK_PHASES
from experiments.reconvla.demonstrations import generated
from experiments.reconvla.sections import Data
from tasks.data.generate import generate
from tasks.gaze.run import find_regions
from tasks.gaze.truth import true_targets
from tests.detectors.calvin_mini import CALVIN_MINI, needs_calvin_mini


def share_at_switch(episode: Episode, detector: str = "colour") -> float:
    """How much of its way the block that goes farthest has gone in the first frame of the second phase."""
    phases = TASK_PHASES[episode.task]
    targets = find_regions(episode, make_detector(detector)).targets
    assert targets[0] == phases[0] and targets[-1] == phases[1]
    assert sorted(targets, key=phases.index) == targets
    way = np.linalg.norm(np.diff(places_of_the_block(episode), axis=0), axis=1)
    return float(way[: targets.index(phases[1])].sum() / way.sum())


def places_of_the_block(episode: Episode) -> np.ndarray:
    """Those (N, 3) of the block that goes farthest."""
    places = np.asarray(episode.scene_obs)[:, 6:].reshape(-1, 3, 6)[:, :, :3]
    return places[:, np.linalg.norm(places[-1] - places[0], axis=1).argmax()]


def is_the_block_handled(episode: Episode) -> bool:
    """Whether true boxes and the hand tell the block that goes farthest: the one where it is at the end."""
    (told,) = set(true_targets(episode, [CARRIED_BLOCK] * len(episode)))
    x0, y0, x1, y1 = episode.boxes[-1][told.object]
    ((x, y),) = project_static(places_of_the_block(episode)[-1:])
    return bool(x0 < x < x1 and y0 < y < y1)


@needs_calvin_mini
@pytest.mark.parametrize("split", ["training", "validation"])
def test_half_of_the_way_in_recorded_demonstrations(split):
    opened = open_dataset(CALVIN_MINI, split)
    carrying = [one for one in opened.demonstrations if len(TASK_PHASES[one.task]) == 2]
    shares = {f"{one.task} {one.start}": share_at_switch(opened.read(one)) for one in carrying}
    assert shares
    assert all(0.3 <= share <= 0.7 for share in shares.values()), shares


@pytest.mark.parametrize(
    ("tasks", "scenes"),
    [
        (("push_into_drawer",), ("A", "B", "C", "D")),
        (("place_in_drawer", "place_in_slider", "stack_block"), ("B",)),
    ],
    ids=["pushed", "carried"],
)
def test_half_of_the_way_in_the_experts_demonstrations(tasks, scenes):
    made = generated(Data(tasks=tasks, training_scenes=scenes, demonstrations_per_task=1, seed=3), TRAINING)
    shares = []
    for episode in generate(made.entries, TRAINING):
        shares += [share_at_switch(episode, detector) for detector in ("colour", "oracle")]
        assert is_the_block_handled(episode)
    assert len(shares) == 2 * len(made.entries)
    assert all(0.3 <= share <= 0.7 for share in shares), shares
