import time

import pytest

from benchmark.tasks import TASKS
from calvin.instructions import evaluation_instruction, training_instructions
from detectors.targets.table import TASK_PHASES, phases_for
from detectors.targets.wording import Meaning, understand


@pytest.mark.parametrize(
    ("instruction", "meaning"),
    [
        # Rule 2: a colour belongs to the noun right behind it.
        ("push the red big block left", Meaning("block", "red")),
        ("the blue block in the red bowl", Meaning("block", "blue")),
        ("open the drawer with the red handle", Meaning("drawer")),
        # Rule 3: what stands on, under or beside something else is that which is acted on.
        ("lift the red cube next to the blue block", Meaning("block", "red")),
        ("on the red block place the blue block", Meaning("block", "blue", "block", "red")),
        ("remove the block from the red block", Meaning("block")),
        ("take the block off the red block", Meaning("block")),
        ("take off the red block", Meaning("block", "red")),
        ("take off the red block from the blue block", Meaning("block", "red")),
        ("from the red block take the blue one", Meaning("block", "blue")),
        ("lift the block behind the red block", Meaning("block")),
        ("pick up the block to the left of the red block", Meaning("block")),
        ("push the block towards the red block", Meaning("block")),
        ("slide the block against the pink block", Meaning("block")),
        ("go to the tower of blocks and take off the red block", Meaning("block", "red")),
        ("lift the ｒｅｄ block", Meaning("block", "red")),
        # Rule 4: places are destinations only when something is put there.
        ("put the blue block in the drawer", Meaning("block", "blue", "drawer")),
        ("lift the blue block in the drawer", Meaning("block", "blue")),
        ("put it in the slider", Meaning("block", destination="slider")),
        ("slide the block that it falls into the drawer", Meaning("block", destination="drawer")),
        ("stack the blocks", Meaning("block", destination="block")),
        ("remove a block from the stack", Meaning("block")),
        ("take the red block and put it on the table", Meaning("block", "red")),
        ("put the red block on the table", Meaning("block", "red")),
        ("place the red block on the left side of the table", Meaning("block", "red")),
        ("put the red block on the other side", Meaning("block", "red")),
        ("drop the block on the floor", Meaning("block")),
        ("put the red block onto the blue one", Meaning("block", "red", "block", "blue")),
        ("put the block on the other one", Meaning("block", destination="block")),
        ("stack red block over blue block", Meaning("block", "red", "block", "blue")),
        ("put it on the red block", Meaning("block", None, "block", "red")),
        ("put the blocks on top of each other", Meaning("block", destination="block")),
        ("take the block from the drawer and place it in the slider", Meaning("block", None, "slider")),
        ("take the red block out of the drawer and put it in the cabinet", Meaning("block", "red", "slider")),
        ("place it in the slider, the block from the drawer", Meaning("block", None, "slider")),
        (
            "put the red block in the drawer and the blue one in the cabinet",
            Meaning("block", "red", "drawer"),
        ),
        ("open the drawer and put the red block in it", Meaning("block", "red", "drawer")),
        ("go to the drawer, take the block and put it on the table", Meaning("block")),
        ("take the pink block from the sliding cabinet and put it down", Meaning("block", "pink")),
        ("place the red block beside the drawer", Meaning("block", "red")),
        ("put the red block next to the open drawer", Meaning("block", "red")),
        ("put the red block to the left of the sliding cabinet", Meaning("block", "red")),
        ("leave the cube behind the panel", Meaning("block", None, "slider")),
        ("put the block on the shelf", Meaning("block", None, "slider")),
        # Rule 5: fixtures and lights.
        ("grasp the drawer handle and open it", Meaning("drawer")),
        ("close the cabinet drawer", Meaning("drawer")),
        ("switch on the lamp", Meaning("bulb")),
        ("slide up the switch", Meaning("bulb")),
        ("push the button to turn on the led light", Meaning("led")),
        ("Turn OFF the green lamp!", Meaning("led")),
    ],
)
def test_rules(instruction, meaning):
    assert understand(instruction) == meaning


@pytest.mark.parametrize(
    "instruction",
    [
        "",
        "red",
        "?!",
        "sing a song",
        "fly to the moon",
        "lift the yellow banana",
        "lift the purple block",
        "lift the green block",
        "stack the red block on the big yellow block",
        "put the cup on the red bowl next to the blue block",
        "Schalte das LED ein",
        "Nimm den pink Block",
        "Place le bloc rouge dans le tiroir",
        "abre el cajón con la manija",
        "把红色方块拿起来",
    ],
)
def test_what_is_not_understood_is_not_guessed(instruction):
    assert understand(instruction) is None


def test_a_long_instruction_takes_no_time():
    began = time.process_time()
    understand("lift the red " + "small " * 20_000 + "thing")
    understand("light " * 20_000 + "block")
    assert time.process_time() - began < 2.0


@pytest.mark.parametrize("task", TASKS)
def test_the_simulators_own_phrases(task):
    for phrase in (*training_instructions(task), evaluation_instruction(task)):
        assert phases_for(None, phrase) == phases_for(task, phrase) == TASK_PHASES[task], phrase
