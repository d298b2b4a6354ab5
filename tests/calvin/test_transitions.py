from __future__ import annotations

import pytest

from benchmark.tasks import TASKS
from calvin.transitions import CATEGORIES, VARIANTS, State, successor

START = State(0, 0, "right", "open", "table", "slider_right", "slider_left", 0)


def test_every_task_has_variants_and_a_category() -> None:
    assert set(VARIANTS) == set(CATEGORIES) == set(TASKS)
    assert len(set(CATEGORIES.values())) == 11


@pytest.mark.parametrize(
    ("task", "changes"),
    [
        ("rotate_red_block_left", {}),
        ("push_red_block_right", {}),
        ("move_slider_left", {"slider": "left"}),
        ("close_drawer", {"drawer": "closed"}),
        ("turn_on_led", {"led": 1}),
        ("lift_red_block_table", {"red_block": "grasped", "grasped": 1}),
        ("lift_pink_block_slider", {"pink_block": "grasped", "grasped": 1}),
        ("push_into_drawer", {"red_block": "drawer", "grasped": 0}),
    ],
)
def test_possible(task: str, changes: dict) -> None:
    assert successor(START, task) == START._replace(**changes)


@pytest.mark.parametrize(
    "task",
    [
        "rotate_blue_block_left",  # not on the table
        "move_slider_right",  # is there
        "open_drawer",
        "turn_off_led",
        "lift_blue_block_slider",  # the door covers the side it is on
        "lift_red_block_drawer",
        "place_in_slider",  # nothing held
        "stack_block",
        "unstack_block",
    ],
)
def test_impossible(task: str) -> None:
    assert successor(START, task) is None


def test_nothing_else_is_possible_with_a_full_hand() -> None:
    holding = successor(START, "lift_red_block_table")
    assert holding is not None
    possible = {task for task in TASKS if successor(holding, task) is not None}
    assert possible == {"place_in_slider", "place_in_drawer"}


def test_stack_and_unstack() -> None:
    state = START._replace(blue_block="table", red_block="grasped", grasped=1)
    stacked = successor(state, "stack_block")
    assert stacked is not None
    assert stacked.blocks == ("stacked_top", "stacked_bottom", "slider_left")
    apart = successor(stacked, "unstack_block")
    assert apart is not None
    assert apart.blocks == ("table", "table", "slider_left")


def test_ambiguous_task_is_impossible() -> None:
    state = START._replace(blue_block="table", pink_block="table", red_block="grasped", grasped=1)
    assert successor(state, "stack_block") is None  # on blue or on pink?
