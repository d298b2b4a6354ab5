import os
from pathlib import Path

import pytest
import yaml

from detectors.base import NoTarget, Reason, Target
from detectors.targets.table import (
    BUTTON,
    CABINET,
    CARRIED_BLOCK,
    DRAWER,
    OTHER_BLOCK,
    SLIDER_HANDLE,
    TASK_PHASES,
    block,
    phases_for,
)

ASSETS = Path(os.environ.get("BATON_CALVIN_ASSETS", Path(__file__).parents[3] / "../shared/calvin_assets"))


def test_all_34_tasks_have_phases():
    assert len(TASK_PHASES) == 34
    assert all(phases for phases in TASK_PHASES.values())


@pytest.mark.parametrize(
    ("task", "first"),
    [
        ("rotate_pink_block_left", block("pink")),
        ("lift_red_block_slider", block("red")),
        ("move_slider_left", SLIDER_HANDLE),
        ("turn_off_led", BUTTON),
        ("place_in_drawer", CARRIED_BLOCK),
    ],
)
def test_the_task_decides_where_the_wording_is_not_understood_if_that_is_asked_for(task, first):
    answer = phases_for(task, "sing a song")
    assert isinstance(answer, NoTarget) and answer.reason is Reason.UNKNOWN_WORDING
    assert phases_for(task, "sing a song", by_task=True) == TASK_PHASES[task]
    assert TASK_PHASES[task][0] == first


def test_a_carried_block_has_a_destination():
    assert TASK_PHASES["push_into_drawer"] == (CARRIED_BLOCK, DRAWER)


@pytest.mark.parametrize(
    ("instruction", "expected"),
    [
        ("Lift the RED block up", (block("red"),)),
        ("put the blue block in the drawer", (block("blue"), DRAWER)),
        ("take the pink cube", (block("pink"),)),
        ("open the drawer", TASK_PHASES["open_drawer"]),
        ("turn on the yellow lamp", TASK_PHASES["turn_on_lightbulb"]),
        ("stack the blocks", TASK_PHASES["stack_block"]),
        ("take off the stacked block", TASK_PHASES["unstack_block"]),
    ],
)
def test_wording_of_an_unknown_task(instruction, expected):
    assert phases_for(None, instruction) == expected
    assert phases_for("my_new_task", instruction) == expected


@pytest.mark.parametrize(
    ("task", "instruction", "expected"),
    [
        ("place_in_drawer", "put the red block in the drawer", (block("red"), DRAWER)),
        ("place_in_drawer", "put the block in the drawer", (CARRIED_BLOCK, DRAWER)),
        ("push_into_drawer", "push the pink object into the drawer", (block("pink"), DRAWER)),
        ("stack_block", "stack the red block on top of the blue block", (block("red"), block("blue"))),
        ("stack_block", "put the red block on top of another block", (block("red"), OTHER_BLOCK)),
        ("stack_block", "place a block on the pink block", (CARRIED_BLOCK, block("pink"))),
        ("unstack_block", "take the blue block off the stack", (block("blue"),)),
        ("place_in_slider", "lift the red block", (block("red"), CABINET)),
        ("lift_red_block_table", "lift the block", (block("red"),)),
        ("lift_red_block_table", "lift the red block and put it on the table", (block("red"),)),
    ],
)
def test_a_colour_in_the_instruction_says_which_block(task, instruction, expected):
    assert phases_for(task, instruction) == expected


@pytest.mark.parametrize(
    ("task", "instruction"),
    [
        ("lift_red_block_table", "lift the blue block"),
        ("lift_red_block_table", "open the drawer"),
        ("open_drawer", "move the door to the left"),
        ("turn_on_led", "turn on the light bulb"),
        ("place_in_drawer", "put the red block in the cabinet"),
        ("stack_block", "place the block in the drawer"),
        ("close_drawer", "push the pink block into the drawer"),
    ],
)
def test_a_task_and_an_instruction_of_another_are_named(task, instruction):
    answer = phases_for(task, instruction)
    assert isinstance(answer, NoTarget)
    assert answer.reason is Reason.OTHER_THAN_THE_TASK
    assert task in answer.detail and instruction in answer.detail


@pytest.mark.parametrize("instruction", ["", "fly to the moon", "red", "lift the yellow banana"])
def test_unknown_wording_is_named(instruction):
    answer = phases_for(None, instruction)
    assert isinstance(answer, NoTarget)
    assert answer.reason is Reason.UNKNOWN_WORDING
    assert repr(instruction) in answer.detail
    assert phases_for(None, instruction, by_task=True) == answer
    assert phases_for("my_new_task", instruction, by_task=True).reason is Reason.UNKNOWN_WORDING


@pytest.mark.skipif(not ASSETS.is_dir(), reason="no CALVIN phrases (BATON_CALVIN_ASSETS)")
@pytest.mark.parametrize("name", ["new_playtable", "new_playtable_validation"])
def test_every_calvin_phrase_parses_to_its_task(name):
    phrases = yaml.safe_load((ASSETS / "language" / f"{name}.yaml").read_text())
    assert set(phrases) == set(TASK_PHASES)
    for task, wordings in phrases.items():
        for wording in wordings:
            assert phases_for(None, wording) == TASK_PHASES[task], wording
            assert phases_for(task, wording) == TASK_PHASES[task], wording


def test_targets_are_values():
    assert block("red") == Target("red_block", "red block", "red")
