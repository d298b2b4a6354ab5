"""Laying one part of a configuration over another."""

from __future__ import annotations

from typing import Any

import pytest

from errors import ConfigError
from settings.overlays import check_consistent, merge, override_of


def test_mappings_are_merged_and_the_rest_is_replaced() -> None:
    values: dict[str, Any] = {"a": {"x": 1, "y": [1]}, "b": 1}
    merge(values, {"a": {"y": [2]}, "b": {"z": 3}})
    assert values == {"a": {"x": 1, "y": [2]}, "b": {"z": 3}}


def test_two_places_never_share_a_mapping() -> None:
    shared = {"steps": 1, "lora": {"rank": 8}, "tasks": [1]}
    values: dict[str, Any] = {}
    merge(values, {"training": shared, "pretraining": {**shared}})
    merge(values, {"training": {"steps": 7, "lora": {"rank": 2}}})
    values["training"]["tasks"].append(2)
    assert values["pretraining"] == shared == {"steps": 1, "lora": {"rank": 8}, "tasks": [1]}


@pytest.mark.parametrize(
    "texts",
    [
        ("training.steps=7", "training.steps=8"),
        ("training={steps: 7}", "training.steps=8"),
        ("training.lora=null", "training.lora.rank=8"),
        ("training.lora.rank=8", "seeds=[1]", "training.lora=null"),
        ("training.lora={}", "training.lora=null"),
        ("data.tasks=[a]", "data.tasks=[a, b]"),
    ],
)
def test_two_overrides_that_contradict_each_other(texts: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="given twice and differently"):
        check_consistent([override_of(text) for text in texts])


@pytest.mark.parametrize(
    "texts",
    [
        ("training.steps=7", "training.steps=7"),
        ("training.steps=7", "pretraining.steps=8", "training.steps_more=1"),
        ("training={steps: 7}", "training={batch_size: 2}"),
        ("training.lora={}", "training.lora.rank=8"),
    ],
)
def test_overrides_that_agree(texts: tuple[str, ...]) -> None:
    check_consistent([override_of(text) for text in texts])


def test_an_override_with_a_key_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="--set training: the key 'steps' is given twice"):
        override_of("training={steps: 7, steps: 8}")


@pytest.mark.parametrize("text", ["data.root=", "data.root= "])
def test_a_value_that_an_unset_variable_gives_is_none(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^--set data\.root gives no value; null is for none$"):
        override_of(text)
    assert override_of("data.root=null") == ("data.root", None)


@pytest.mark.parametrize("text", ["a #b", "runs #3/x", "#3", "a#b #c", "[1] # two", "'a #b' #c"])
def test_a_comment_is_half_of_a_value(text: str) -> None:
    with pytest.raises(
        ConfigError, match=r"^--set data\.root: '#.*' is a comment in YAML; put the value in quotes$"
    ):
        override_of(f"data.root={text}")


@pytest.mark.parametrize(
    ("text", "value"), [("a#b", "a#b"), ("'a #b'", "a #b"), ('"#1"', "#1"), ("['x #', 'y']", ["x #", "y"])]
)
def test_a_mark_within_a_value_is_one(text: str, value: object) -> None:
    assert override_of(f"data.root={text}") == ("data.root", value)
