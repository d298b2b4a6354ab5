from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmark.actions import relative_action
from calvin.actions import padded_chunk
from calvin.dataset import open_dataset


def test_rel_actions_on_disk_are_these(calvin_mini: Path) -> None:
    split = open_dataset(calvin_mini, "validation")
    for demonstration in split.demonstrations[:3]:
        episode = split.read(demonstration)
        ours = relative_action(episode.robot_obs, episode.actions, episode.actions[:, 6])
        np.testing.assert_allclose(ours, episode.rel_actions, atol=1e-12)


@pytest.mark.parametrize(("start", "padding"), [(0, 0), (5, 0), (7, 2), (9, 4)])
def test_chunk_past_the_end_stands_still_and_holds_the_gripper(start: int, padding: int) -> None:
    actions = np.random.RandomState(0).randn(10, 7)
    actions[:, 6] = -1
    actions[9, 6] = 1
    chunk = padded_chunk(actions, start, 5)
    assert chunk.shape == (5, 7)
    np.testing.assert_array_equal(chunk[: 5 - padding], actions[start : start + 5])
    np.testing.assert_array_equal(chunk[5 - padding :], np.tile([0, 0, 0, 0, 0, 0, 1], (padding, 1)))
    repeated = padded_chunk(actions, start, 5, repeat_motion=True)
    np.testing.assert_array_equal(repeated, actions[np.minimum(np.arange(start, start + 5), 9)])
