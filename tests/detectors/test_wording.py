import pytest

from calvin.instructions import evaluation_instruction, training_instructions
from calvin.task_names import TASKS
from detectors.targets import TASK_PHASES, phases_for
from detectors.wording import Meaning, understand


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
        # Rule 4: places are destinations only when something is put there.
        ("put the blue block in the drawer", Meaning("block", "blue", "drawer")),
        ("lift the blue block in the drawer", Meaning("block", "blue")),
        ("put it in the slider", Meaning("block", destination="slider")),
        ("slide the block that it falls into the drawer", Meaning("block", destination="drawer")),
        ("stack the blocks", Meaning("block", destination="block")),
        ("remove a block from the stack", Meaning("block")),
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


@pytest.mark.parametrize("task", TASKS)
def test_the_simulators_own_phrases(task):
    for phrase in (*training_instructions(task), evaluation_instruction(task)):
        assert phases_for(None, phrase) == phases_for(task, phrase) == TASK_PHASES[task], phrase
