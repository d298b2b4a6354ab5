"""Files of evaluation sequences: CALVIN's own list written out, and what is wrong with others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmark.tasks import TASKS
from calvin.listed_sequences import listed, of_line, read_sequences_file, tasks_of
from calvin.sequences import Chain, get_sequences
from errors import ConfigError, InvalidInput

CHAINS = get_sequences(1000)[:20]


def written(path: Path, chains: list[Chain]) -> Path:
    path.write_text(json.dumps([[chain.initial_state, chain.tasks] for chain in chains]))
    return path


def test_the_official_list_comes_back_from_a_file(tmp_path: Path) -> None:
    assert read_sequences_file(written(tmp_path / "list.json", CHAINS)) == CHAINS
    named = [{"tasks": chain.tasks, "initial_state": chain.initial_state} for chain in CHAINS]
    (tmp_path / "named.json").write_text(json.dumps(named))
    found = read_sequences_file(tmp_path / "named.json")
    assert found == CHAINS
    # The scene is seeded by the values in this order.
    assert [list(one.initial_state) for one in found] == [list(one.initial_state) for one in CHAINS]


def test_a_line_of_text_is_the_sequence_and_its_copies() -> None:
    lines = listed([CHAINS[0], CHAINS[1], CHAINS[0]])
    assert [of_line(line) for line in lines] == [(CHAINS[0], 0), (CHAINS[1], 0), (CHAINS[0], 1)]
    for wrong in ("", "0; open_drawer; 0", lines[0].removesuffix("0"), lines[0].replace("; 0", "; ٣")):
        with pytest.raises(InvalidInput):
            of_line(wrong)


def test_tasks_are_told_in_calvins_order() -> None:
    asked = tasks_of(
        [Chain(STATE, ("turn_on_led", "open_drawer")), Chain(STATE, ("open_drawer", "stack_block"))]
    )
    assert asked == tuple(task for task in TASKS if task in ("turn_on_led", "open_drawer", "stack_block"))


STATE = dict(CHAINS[0].initial_state)
POSSIBLE = list(CHAINS[0].tasks)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({}, "is no list of sequences"),
        ([], "is no list of sequences"),
        ([[STATE, POSSIBLE], 3], "sequence 1 is 3, not an initial state and its tasks"),
        ([[{**STATE, "led": True}, POSSIBLE]], "sequence 0: led is True, not one of 0, 1"),
        ([[{**STATE, "slider": []}, POSSIBLE]], r"slider is \[\], not one of right, left"),
        ([[{"led": 0}, POSSIBLE]], "its initial state has not the keys led, lightbulb, slider"),
        ([[STATE, POSSIBLE[:4]]], "for its 5 tasks"),
        ([[STATE, [*POSSIBLE[:4], "open_drawr"]]], "task 5 is 'open_drawr', which is none of CALVIN's.*open_drawer"),
        ([[{**STATE, "drawer": "open"}, ["open_drawer", *POSSIBLE[1:]]]], "task 1, open_drawer, is not possible"),
        (
            [[STATE | dict.fromkeys(("red_block", "blue_block", "pink_block"), "table"), POSSIBLE]],
            "three blocks are on the table",
        ),
        ([[STATE | {"red_block": "slider_left", "blue_block": "slider_left"}, POSSIBLE]], "two blocks are"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_file_and_sequence(tmp_path: Path, content: Any, sentence: str) -> None:
    file = tmp_path / "list.json"
    file.write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=rf"list\.json.*{sentence}"):
        read_sequences_file(file)


@pytest.mark.parametrize("text", ["", "[", '[[{"led": 0, "led": 1}, []]]', "[" * 500])
def test_what_is_no_json_is_said(tmp_path: Path, text: str) -> None:
    file = tmp_path / "list.json"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"list\.json is not JSON"):
        read_sequences_file(file)
