"""In which settings ablations differ: named by their paths, a few of them, with the rest counted."""

from __future__ import annotations

from views.differences import Differences, differences, sentence


def test_settings_are_named_by_their_paths_in_order() -> None:
    before = {
        "name": "a",
        "seeds": [0],
        "training": {"steps": 300, "lora": None},
        "gaze": {"detector": "colour"},
    }
    after = {
        "name": "b",
        "seeds": [0, 1],
        "training": {"steps": 600, "lora": None},
        "gaze": {"detector": "colour"},
    }
    found = differences(before, after)
    assert found == Differences(("seeds: [0] → [0, 1]", "training.steps: 300 → 600"), 0)
    assert sentence(found.settings, found.more) == "in seeds: [0] → [0, 1], training.steps: 300 → 600"


def test_what_only_one_of_them_has_is_unset_in_the_other() -> None:
    found = differences({"training": {"lora": None}, "old": {}}, {"training": {"lora": {"rank": 8}}})
    assert found.settings == (
        "old: {} → unset",
        "training.lora: null → unset",
        "training.lora.rank: unset → 8",
    )


def test_many_are_cut_and_counted_and_long_values_too() -> None:
    before = {"longs": list(range(100)), **{f"s{number}": 0 for number in range(5)}}
    after = {"longs": [*range(99), 0], **{f"s{number}": 1 for number in range(5)}}
    found = differences(before, after, most=2)
    assert found.more == 4 and found.settings[1] == "s0: 0 → 1"
    assert len(found.settings[0]) < 110, "they differ behind what is shown"
    assert sentence(found.settings, found.more).endswith(", s0: 0 → 1, and 4 more")


def test_the_same_settings_under_another_name() -> None:
    found = differences({"name": "a", "deeper": {"name": "x"}}, {"name": "b", "deeper": {"name": "x"}})
    assert found == Differences((), 0) and sentence((), 0) == "in nothing but its name"
    assert differences({"deeper": {"name": "x"}}, {"deeper": {"name": "y"}}).settings == (
        'deeper.name: "x" → "y"',
    )


def test_a_whole_number_is_no_difference_however_it_is_written() -> None:
    same = differences({"arms": {"a": {"set": {"weight": 10}}}}, {"arms": {"a": {"set": {"weight": 10.0}}}})
    assert same == Differences((), 0)
    assert differences({"on": True}, {"on": 1}).settings == ("on: true → 1",)
