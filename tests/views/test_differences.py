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
    found = differences({"training": {"steps": 8}, "old": {}}, {"training": {"lora": None}})
    assert found.settings == ("old: {} → unset", "training.lora: unset → null", "training.steps: 8 → unset")


def test_a_section_that_is_off_in_one_is_one_setting() -> None:
    off, on = {"training": {"lora": None}}, {"training": {"lora": {"rank": 8, "alpha": 16}}}
    assert differences(off, on).settings == ("training.lora: off → rank 8, alpha 16",)
    assert differences(on, off).settings == ("training.lora: rank 8, alpha 16 → off",)


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


def test_rows_that_only_one_has_are_named_and_their_settings_are_not() -> None:
    sweep = {"weight=1": {"base": "recon", "set": {"weight": 1}}, "recon": None}
    found = differences({"arms": sweep, "steps": 3}, {"arms": ["baseline", "recon"], "steps": 4})
    assert found == Differences(("arms: +baseline -weight=1", "steps: 3 → 4"), 0)
    assert differences({"arms": ["a", "b"]}, {"arms": {"a": None, "b": None}}) == Differences((), 0)
    assert differences({"arms": ["a", "b"]}, {"arms": ["b", "a"]}).settings == ("arms: in another order",)


def test_a_row_of_both_is_told_by_what_differs_in_it() -> None:
    before, after = (
        {"arms": {"a": {"set": {"weight": weight}}, name: None}} for weight, name in ((1, "b"), (2, "c"))
    )
    assert differences(before, after).settings == ("arms: +c -b", "arms.a.set.weight: 1 → 2")
