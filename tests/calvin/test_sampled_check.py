"""Wrong actions are refused before work begins, also where only some of many frames are read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from calvin.dataset import open_dataset
from calvin.episode import Episode
from calvin.sampled_check import check_sample
from errors import DatasetError
from tests.calvin.samples import make_episode
from tests.calvin.writing import write_split


def written(root: Path, change: Callable[[Episode], np.ndarray], episodes: int = 3, changed: int = 3) -> Path:
    made = [make_episode(100 + 40 * number, 40, seed=number) for number in range(episodes)]
    fields = [
        {"rel_actions": change(episode)} if number < changed else {} for number, episode in enumerate(made)
    ]
    made = [make_episode(100 + 40 * n, 40, seed=n, **field) for n, field in enumerate(fields)]
    write_split(root, "training", made)
    return root


CHANGES: list[tuple[Callable[[Episode], np.ndarray], str]] = [
    (lambda e: e.rel_actions * [0.02, 0.02, 0.02, 1, 1, 1, 1], "positions are off by a factor of 1/50"),
    (lambda e: np.r_[e.rel_actions[1:], e.rel_actions[-1:]], "positions are those of 1 frame later"),
    (lambda e: e.rel_actions[:, [1, 0, 2, 3, 4, 5, 6]], "they hold y, x, z"),
    (lambda e: np.c_[e.actions[:, :6], e.rel_actions[:, 6]], "are the absolute pose of actions"),
    (lambda e: np.c_[e.rel_actions[:, :6], e.rel_actions[:, 6] > 0], "is not 1 or -1: values are 0 and 1"),
]


@pytest.mark.parametrize("read", [200, 30])
@pytest.mark.parametrize(("change", "says"), CHANGES)
def test_wrong_actions_are_refused_by_folder_field_and_first_frame(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Episode], np.ndarray],
    says: str,
    read: int,
) -> None:
    monkeypatch.setattr("calvin.sampled_check._FRAMES_READ", read)
    with pytest.raises(DatasetError, match=says) as refused:
        check_sample(open_dataset(written(tmp_path, change), "training"))
    sentence = str(refused.value)
    assert sentence.startswith(f"{tmp_path / 'training'}: ") and "rel_actions" in sentence
    assert "(first: 1" in sentence and "of 120 frames; data check reads all" in sentence


def test_sound_actions_pass(tmp_path: Path) -> None:
    check_sample(open_dataset(written(tmp_path, lambda e: e.rel_actions), "training"))


def test_one_odd_frame_passes(tmp_path: Path) -> None:
    def odd(episode: Episode) -> np.ndarray:
        actions = episode.rel_actions.copy()
        actions[3, :3] = 0.5
        return actions

    check_sample(open_dataset(written(tmp_path, odd, changed=1), "training"))


def test_real_frames_pass(calvin_mini: Path) -> None:
    for split in ("training", "validation"):
        check_sample(open_dataset(calvin_mini, split))
