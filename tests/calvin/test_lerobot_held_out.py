"""Which episodes of a LeRobot set are the validation's: nothing is trained on what it is judged on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmark.actions import relative_action
from calvin.episode import Episode
from calvin.lerobot_format import held_out
from calvin.official_phrases import known_phrase, validation_phrases
from calvin.split import TRAINING, VALIDATION, Reading, open_split, survey_split
from errors import DatasetError
from tests.calvin import lerobot_sets as sets
from tests.calvin.writing import write_split


@pytest.fixture
def shown() -> list[Episode]:
    return [*sets.episodes(5), *sets.episodes(2, 50, sets.HELD_OUT)]


def starts(root: Path, name: str, **said: object) -> list[int]:
    """Numbers of the episodes that a split has, by their first frames."""
    opened = open_split(root, name, Reading(**said))  # type: ignore[arg-type]
    lengths = [
        json.loads(line)["length"] for line in (root / "meta" / "episodes.jsonl").read_text().splitlines()
    ]
    firsts = [0, *np.cumsum(lengths).tolist()]
    return [firsts.index(demonstration.start) for demonstration in opened.demonstrations]


def test_calvins_phrases_are_in_one_list_each() -> None:
    assert len(validation_phrases()) == 34
    found = known_phrase("Pull the handle to open the drawer.")
    assert found == ("validation", "open_drawer")
    assert known_phrase("pull the drawer") == ("training", "open_drawer")
    assert known_phrase("water the plants") is None


@pytest.mark.parametrize("named", [True, False])
def test_phrases_of_the_validation_tell(tmp_path: Path, shown: list[Episode], named: bool) -> None:
    root = sets.write_v2(tmp_path / "set", shown, named=named)
    assert starts(root, TRAINING) == [0, 1, 2, 3, 4]
    assert starts(root, VALIDATION) == [5, 6]
    opened = open_split(root, TRAINING)
    assert opened.left_out == (  # type: ignore[attr-defined]
        "2 demonstrations are of the validation, as the instructions of 2 are of CALVIN's validation",
    )


def other_words(shown: list[Episode], which: list[int]) -> list[Episode]:
    return [
        Episode(**{**vars(e), "instruction": "do it"}) if number in which else e
        for number, e in enumerate(shown)
    ]


@pytest.mark.parametrize(
    "changed",
    [[5, 6], [5], [0], [0, 1, 2, 3, 4, 5, 6]],
    ids=["all marks", "one mark", "a training one", "everything"],
)
def test_where_nothing_tells_it_is_asked(tmp_path: Path, shown: list[Episode], changed: list[int]) -> None:
    root = sets.write_v2(tmp_path / "set", other_words(shown, changed))
    for name in (TRAINING, VALIDATION):
        with pytest.raises(DatasetError, match=r"nothing tells which of its 7 .*data\.validation_episodes"):
            open_split(root, name)
    split, faults = survey_split(root, TRAINING)
    assert not faults and any(note.startswith("nothing tells") for note in split.examine([]).notes)
    assert starts(root, TRAINING, validation_episodes="5-6") == [0, 1, 2, 3, 4]
    assert starts(root, VALIDATION, validation_episodes="5:7") == [5, 6]
    assert starts(root, TRAINING, validation_episodes="none") == list(range(7))
    assert starts(root, VALIDATION, validation_episodes="none") == list(range(7))


def test_phrases_of_the_validation_among_others_do_not_tell(tmp_path: Path, shown: list[Episode]) -> None:
    root = sets.write_v2(tmp_path / "set", [shown[0], shown[5], shown[1], shown[6], shown[2]])
    with pytest.raises(DatasetError, match="stand among others"):
        open_split(root, TRAINING)


def test_the_sets_own_parts_tell(tmp_path: Path, shown: list[Episode]) -> None:
    words = other_words(shown, list(range(7)))
    root = sets.write_v2(tmp_path / "set", words, info={"splits": {"train": "0:4", "val": "4:6"}})
    assert starts(root, TRAINING) == [0, 1, 2, 3]
    assert starts(root, VALIDATION) == [4, 5]
    path = root / "meta" / "episodes.jsonl"
    listed = [json.loads(line) for line in path.read_text().splitlines()]
    sets.lines(
        path, [{**line, "split": "validation" if n == 2 else "train"} for n, line in enumerate(listed)]
    )
    assert starts(root, TRAINING) == [0, 1, 3, 4, 5, 6]


def test_a_part_of_several_ranges_is_all_of_them(tmp_path: Path, shown: list[Episode]) -> None:
    words = other_words(shown, list(range(7)))
    root = sets.write_v2(tmp_path / "set", words, info={"splits": {"train": "0:2, 3:5", "val": "2:3,5"}})
    assert starts(root, TRAINING) == [0, 1, 3, 4]
    assert starts(root, VALIDATION) == [2, 5]


def test_parts_are_counted_as_the_episodes_are(tmp_path: Path, shown: list[Episode]) -> None:
    """Of a set whose first episode is number 10."""
    root = sets.write_v2(
        tmp_path / "set", other_words(shown, list(range(7))), info={"splits": {"val": "15:17"}}
    )
    sets.number_from(root, 10)
    assert starts(root, VALIDATION) == [5, 6]


@pytest.mark.parametrize("said", ["0:90%", "most", "0-3", "0:" + "9" * 40, [0, 3], None, {"from": 0}])
def test_a_part_that_is_told_in_another_way_is_asked(
    tmp_path: Path, shown: list[Episode], said: object
) -> None:
    words = other_words(shown, list(range(7)))
    root = sets.write_v2(tmp_path / "set", words, info={"splits": {"train": said, "val": "5:7"}})
    with pytest.raises(
        DatasetError, match=r"nothing tells .*splits\.train .* name them in data\.validation_episodes"
    ):
        open_split(root, TRAINING)
    assert starts(root, TRAINING, validation_episodes="6") == [0, 1, 2, 3, 4, 5]


def test_what_contradicts_is_asked(tmp_path: Path, shown: list[Episode]) -> None:
    root = sets.write_v2(tmp_path / "set", shown, info={"splits": {"train": "2:7", "test": "0:2"}})
    with pytest.raises(DatasetError, match="episode 5 has an instruction of CALVIN's validation"):
        open_split(root, TRAINING)


def test_a_known_number_of_episodes_tells(
    tmp_path: Path, shown: list[Episode], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_out, "KNOWN", {7: ("D_D", 5)})
    monkeypatch.setattr("calvin.lerobot_format.split.KNOWN", {7: ("D_D", 5)})
    root = sets.write_v2(tmp_path / "set", other_words(shown, list(range(7))))
    assert starts(root, TRAINING) == [0, 1, 2, 3, 4]
    recording = open_split(root, TRAINING).recording()
    assert recording.renderer == "egl" and "D_D download" in recording.basis
    trained = [*shown[:5], *sets.episodes(2, 90)]
    with pytest.raises(DatasetError, match="nothing tells"):
        open_split(sets.write_v2(tmp_path / "other", trained), TRAINING)


@pytest.mark.parametrize("form", ["LeRobot", "CALVIN"])
def test_equal_states_in_a_validation_set_tell(tmp_path: Path, shown: list[Episode], form: str) -> None:
    root = sets.write_v2(tmp_path / "set", other_words(shown, list(range(7))))
    judged = [shown[2], sets.recorded(70), shown[6]]
    if form == "LeRobot":
        validation = sets.write_v2(tmp_path / "validation", other_words(judged, [0, 1, 2]))
    else:
        numbered = [
            Episode(**{**vars(e), "start": 100 * n, "end": 100 * n + len(e) - 1, "split": VALIDATION})
            for n, e in enumerate(judged)
        ]
        validation = tmp_path / "validation"
        write_split(validation, VALIDATION, numbered)
    assert starts(root, TRAINING, validation_root=str(validation)) == [0, 1, 3, 4, 5]
    if form == "LeRobot":
        assert starts(validation, VALIDATION, is_validation=True) == [0, 1, 2]


def test_a_state_of_rest_that_many_begin_at_tells_nothing(tmp_path: Path) -> None:
    def begun_at_rest(seed: int) -> Episode:
        made, rest = sets.recorded(seed, 12), sets.recorded(0, 12)
        states = made.robot_obs.copy()
        states[:, :6] = states[:, :6] - states[0, :6] + rest.robot_obs[0, :6]
        states[0] = rest.robot_obs[0]
        states = states.astype(np.float32).astype(np.float64)
        following = np.r_[states[1:], states[-1:]]
        relative = relative_action(states[:, :6], following[:, :6], following[:, 14])
        return Episode(**{**vars(made), "robot_obs": states, "rel_actions": relative})

    root = sets.write_v2(tmp_path / "set", [begun_at_rest(seed) for seed in (1, 2, 3)])
    validation = sets.write_v2(tmp_path / "validation", [begun_at_rest(seed) for seed in (4, 3)])
    assert starts(root, TRAINING, validation_root=str(validation)) == [0, 1]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("9", "are no episodes of the set, which has 0 to 6"),
        ("3-1", "are no episodes"),
        ("a", "is no number"),
    ],
)
def test_episodes_that_are_not_there_cannot_be_said(
    tmp_path: Path, shown: list[Episode], text: str, told: str
) -> None:
    root = sets.write_v2(tmp_path / "set", shown)
    with pytest.raises(DatasetError, match=rf"data\.validation_episodes: .*{told}"):
        open_split(root, TRAINING, Reading(validation_episodes=text))


def test_numbers_as_text_are_read_back() -> None:
    every = frozenset(range(40))
    for numbers in (frozenset(), frozenset({3}), frozenset({1, 2, 3, 9, 20, 21})):
        assert held_out.parsed_episodes(held_out.as_text(numbers), every) == numbers
    assert held_out.as_text(frozenset({1, 2, 3, 9})) == "1-3,9"
