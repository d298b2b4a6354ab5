"""Large sets: opening looks at some episodes, and whoever works on all of them at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calvin.lerobot_format import look
from calvin.split import TRAINING, Reading, annotated_frames, open_split
from errors import DatasetError
from tests.calvin import lerobot_sets as sets
from tests.support import REPOSITORY

NONE = Reading(validation_episodes="none")


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sets of more than ten frames are large, and two of their files are looked at."""
    monkeypatch.setattr(look, "_ALL_FRAMES", 10)
    monkeypatch.setattr(look, "_SOME_FRAMES", 10)


@pytest.mark.parametrize("write", [sets.write_v2, lambda root, shown: sets.write_v3(root, shown, files=3)])
def test_a_sample_gives_the_same_split(tmp_path: Path, write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    root, other = write(tmp_path / "set", sets.episodes(9)), write(tmp_path / "other", sets.episodes(9))
    everything = open_split(root, TRAINING, NONE)
    monkeypatch.setattr(look, "_ALL_FRAMES", 10)
    monkeypatch.setattr(look, "_SOME_FRAMES", 10)
    some = open_split(other, TRAINING, NONE)
    assert 0 < len(some.dataset.look.vectors.entries) < len(some.dataset.entries)
    assert some.dataset.columns == everything.dataset.columns
    for one in some.demonstrations:
        read, same = some.read(one), everything.read(one)
        np.testing.assert_array_equal(read.rel_actions, same.rel_actions)
        np.testing.assert_array_equal(read.rgb_static, same.rgb_static)
    assert "whole" not in vars(some.dataset), "nobody has asked for it"
    prints = [some.fingerprint(one) for one in some.demonstrations]
    assert prints == [everything.fingerprint(one) for one in everything.demonstrations]
    assert [some.content_of(frame) for frame in (0, 30)] == [
        everything.content_of(frame) for frame in (0, 30)
    ]
    frames = annotated_frames(some)
    assert some.examine(frames).notes == everything.examine(frames).notes


def test_files_are_taken_evenly_from_all_of_a_set(few: None, tmp_path: Path) -> None:
    opened = open_split(sets.write_v2(tmp_path / "set", sets.episodes(9)), TRAINING, NONE)
    assert [entry.index for entry in opened.dataset.look.vectors.entries] == [0, 8]


def absolute(shown: list[Any], number: int) -> dict[str, Any]:
    values = [one.rel_actions for one in shown]
    values[number] = shown[number].actions
    return {"action": values}


def test_episodes_of_another_kind_are_met_before_work_begins(few: None, tmp_path: Path) -> None:
    shown = [sets.recorded(number, 8) for number in range(4)]
    mixed = [one.rel_actions if number in (0, 3) else one.actions for number, one in enumerate(shown)]
    opened = open_split(sets.write_v2(tmp_path / "set", shown, columns={"action": mixed}), TRAINING, NONE)
    with pytest.raises(DatasetError, match="action is neither CALVIN's relative nor absolute action"):
        opened.fingerprint(opened.demonstrations[0])
    (problem, *_) = opened.examine(annotated_frames(opened)).problems
    assert "action is neither CALVIN's relative nor absolute action" in problem


def test_columns_that_only_some_episodes_make_relative_are_refused(few: None, tmp_path: Path) -> None:
    shown = [sets.recorded(number, 8) for number in range(4)]
    pairs = [(one.rel_actions, one.actions) for one in shown]
    turned = [pairs[n] if n in (0, 3) else pairs[n][::-1] for n in range(4)]
    columns = {"action": [a for a, _ in turned], "action.absolute": [b for _, b in turned]}
    opened = open_split(sets.write_v2(tmp_path / "set", shown, columns=columns), TRAINING, NONE)
    with pytest.raises(DatasetError, match=r"neither|not of one kind"):
        opened.fingerprint(opened.demonstrations[0])


def test_states_that_are_not_finite_are_met_before_work_begins(few: None, tmp_path: Path) -> None:
    root = sets.write_v2(tmp_path / "set", sets.episodes(9))
    states = sets.episodes(9)[4].robot_obs.astype(np.float32)
    states[1, 2] = np.nan
    sets.change_table(root / "data/chunk-000/episode_000004.parquet", observation__state=states)
    opened = open_split(root, TRAINING, NONE)
    with pytest.raises(DatasetError, match="of frame 1 of episode 4 is not finite"):
        opened.fingerprint(opened.demonstrations[0])
    problems = opened.examine(annotated_frames(opened)).problems
    assert "of frame 1 of episode 4 is not finite" in problems[0]


def test_reading_numbers_does_not_import_pandas(tmp_path: Path) -> None:
    """It takes half a second and 60 MB."""
    root = sets.write_v2(tmp_path / "set", sets.episodes(2))
    program = (
        "import sys; from pathlib import Path; from calvin.split import *;"
        f"open_split(Path({str(root)!r}), 'training', Reading(validation_episodes='none'));"
        "raise SystemExit('pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, check=False).returncode == 0
