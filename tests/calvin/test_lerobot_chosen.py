"""`data.episodes`: a set of which some episodes are used is read as one that has no others."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calvin.conversion.source import opened_source
from calvin.lerobot_format import look
from calvin.lerobot_format.held_out import parsed_episodes
from calvin.split import TRAINING, VALIDATION, Reading, left_out, open_split, settled, survey_split
from errors import DatasetError
from tests.calvin import lerobot_sets as sets


@pytest.fixture(scope="module", params=[sets.write_v2, sets.write_v3], ids=["v2.1", "v3.0"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight of the training, one a file or two, and two of the validation."""
    shown = [*sets.episodes(8), *sets.episodes(2, 50, sets.HELD_OUT)]
    more = {} if request.param is sets.write_v2 else {"files": 5}
    written: Path = request.param(tmp_path_factory.mktemp("made") / "set", shown, pictures="films", **more)
    return written


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "set"))


def shown_in(root: Path, name: str, **said: Any) -> list[tuple[int, int]]:
    opened = open_split(root, name, Reading(**said))
    return [(demonstration.start, demonstration.end) for demonstration in opened.demonstrations]


def test_episodes_are_named_by_number_and_by_task(root: Path) -> None:
    every, held_out = shown_in(root, TRAINING), shown_in(root, VALIDATION)
    assert shown_in(root, TRAINING, episodes="0-2,8") == every[:3]
    assert shown_in(root, VALIDATION, episodes="0-2,8") == held_out[:1]
    assert shown_in(root, TRAINING, episodes="close_drawer, 0") == [every[0], every[1], every[5]]
    assert shown_in(root, TRAINING, episodes="open_drawer,9") == [every[0], every[4]]


def test_what_is_used_is_read_as_before(root: Path) -> None:
    whole = open_split(root, TRAINING)
    some = open_split(root, TRAINING, Reading(episodes="2,5,9"))
    for demonstration, number in zip(some.demonstrations, (2, 5)):
        there = whole.demonstrations[number]
        assert some.content_of(demonstration.start) == whole.content_of(there.start)
        assert some.fingerprint(demonstration) == whole.fingerprint(there)
        one, other = some.read(demonstration), whole.read(there)
        assert np.array_equal(one.rgb_static, other.rgb_static)
        assert np.array_equal(one.robot_obs, other.robot_obs)
    again = open_split(root, TRAINING, settled(some, Reading()))
    assert again.demonstrations == some.demonstrations
    assert [again.fingerprint(d) for d in again.demonstrations] == [
        some.fingerprint(d) for d in some.demonstrations
    ]


def test_how_many_are_not_used_is_said(root: Path) -> None:
    some = Reading(episodes="0-2,8")
    assert (
        left_out(open_split(root, TRAINING, some))[0]
        == "5 demonstrations are not among data.episodes (0-2,8)"
    )
    assert (
        left_out(open_split(root, VALIDATION, some))[0]
        == "1 demonstration is not among data.episodes (0-2,8)"
    )
    split, _ = survey_split(root, TRAINING, some)
    assert "left out: 5 demonstrations are not among data.episodes (0-2,8)" in split.examine([]).notes
    assert any("not among data.episodes" in one for one in opened_source(root, some, False).left_out)


def test_all_of_them_are_the_set_as_it_is(root: Path) -> None:
    for name in (TRAINING, VALIDATION):
        whole, named = open_split(root, name), open_split(root, name, Reading(episodes="0-9"))
        assert named.demonstrations == whole.demonstrations
        assert left_out(named) == left_out(whole)


def test_a_set_that_holds_nothing_out_is_judged_on_what_is_used(root: Path) -> None:
    said = {"validation_episodes": "none", "episodes": "1-3"}
    every = shown_in(root, TRAINING, validation_episodes="none")
    assert shown_in(root, TRAINING, **said) == shown_in(root, VALIDATION, **said) == every[1:4]


def test_files_of_the_others_need_not_be_there(root: Path) -> None:
    some = Reading(episodes="2-3,8-9")
    before = [open_split(root, name, some).demonstrations for name in (TRAINING, VALIDATION)]
    for file in [*root.glob("data/**/*.parquet"), *root.glob("videos/**/*.mp4")]:
        number = int(file.stem[-3:])
        held = [number] if "episode" in file.stem else [2 * number, 2 * number + 1]
        if not set(held) & {2, 3, 8, 9}:
            file.unlink()
    for name, there in zip((TRAINING, VALIDATION), before):
        opened = open_split(root, name, some)
        assert opened.demonstrations == there
        assert [opened.fingerprint(one) for one in there] and opened.read(there[0])
        findings = opened.examine(range(there[0].start, there[0].end + 1))
        assert not [problem for problem in findings.problems if "missing" in problem]
    with pytest.raises(DatasetError, match="is missing: an episode is listed to be there"):
        open_split(root, TRAINING)


def test_a_large_set_is_looked_at_where_it_is_used(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look, "_ALL_FRAMES", 10)
    monkeypatch.setattr(look, "_SOME_FRAMES", 1)
    opened: Any = open_split(root, TRAINING, Reading(episodes="2-7,8"))
    assert opened.dataset.vectors.entries[0].index == 2
    assert {entry.index for entry in opened.chosen} == {2, 3, 4, 5, 6, 7}
    assert opened.content_of(opened.demonstrations[-1].start)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("0-10", "data.episodes: '0-10' are no episodes of the set, which has 0 to 9"),
        ("none", "data.episodes: 'none' is no number of an episode, no range"),
        ("", "data.episodes: '' is no number of an episode, no range"),
        ("opn_drawer", "data.episodes: 'opn_drawer' is no number of an episode, no range .* and no task"),
        ("push_into_drawer", "data.episodes: no episode shows push_into_drawer"),
        ("3-1", "data.episodes: '3-1' are no episodes"),
    ],
)
def test_what_is_no_episode_is_one_sentence(root: Path, said: str, why: str) -> None:
    with pytest.raises(DatasetError, match=why):
        open_split(root, TRAINING, Reading(episodes=said))


def test_of_what_is_left_nothing_may_be_missing_altogether(root: Path) -> None:
    with pytest.raises(DatasetError, match=r"has no validation demonstration: .*data\.episodes \(0-3\)"):
        open_split(root, VALIDATION, Reading(episodes="0-3"))


def test_calvins_folders_have_no_episodes(tmp_path: Path) -> None:
    from tests.calvin.samples import make_episode
    from tests.calvin.writing import write_split

    write_split(tmp_path, TRAINING, [make_episode(100, 4)])
    with pytest.raises(DatasetError, match=r"data\.episodes: .* is for LeRobot sets"):
        open_split(tmp_path, TRAINING, Reading(episodes="0"))


def test_numbers_are_those_of_the_whole_set(root: Path) -> None:
    lines = root / "meta" / "episodes.jsonl"
    if not lines.exists():
        pytest.skip("of version 2.1")
    assert len([json.loads(line) for line in lines.read_text().splitlines()]) == 10
    said = {"episodes": "4-9", "validation_episodes": "9", "scenes": "A=0-5;B=6-9"}
    opened = open_split(root, TRAINING, Reading(**said))  # type: ignore[arg-type]
    assert [d.scene for d in opened.demonstrations] == ["A", "A", "B", "B", "B"]
    assert parsed_episodes("4-8", frozenset(range(10))) == {4, 5, 6, 7, 8}
