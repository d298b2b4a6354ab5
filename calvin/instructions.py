"""Baton's own phrases for the 34 tasks, for demonstrations of the built-in simulator.

They are not CALVIN's annotations. Each task has phrases to train with and one that only evaluation uses,
worded differently, as CALVIN does.
"""

from __future__ import annotations

from calvin.task_names import BLOCK_COLOURS, TASKS
from errors import InvalidInput

_BLOCK_PHRASES: dict[str, tuple[str, ...]] = {
    "rotate_{}_block_right": (
        "turn the {} cube clockwise where it lies",
        "spin the {} cube to the right",
        "give the {} cube a twist clockwise",
        "make the {} cube face further right",
    ),
    "rotate_{}_block_left": (
        "turn the {} cube counterclockwise where it lies",
        "spin the {} cube to the left",
        "give the {} cube a twist counterclockwise",
        "make the {} cube face further left",
    ),
    "push_{}_block_right": (
        "shove the {} cube rightwards over the table",
        "nudge the {} cube to the right side",
        "move the {} cube right without lifting it",
        "shift the {} cube over to the right",
    ),
    "push_{}_block_left": (
        "shove the {} cube leftwards over the table",
        "nudge the {} cube to the left side",
        "move the {} cube left without lifting it",
        "shift the {} cube over to the left",
    ),
    "lift_{}_block_table": (
        "raise the {} cube off the tabletop",
        "take the {} cube from the table and hold it up",
        "grab the {} cube that lies on the table",
        "fetch the {} cube up from the table surface",
    ),
    "lift_{}_block_slider": (
        "raise the {} cube out of the cupboard",
        "take the {} cube from behind the sliding door",
        "grab the {} cube that stands in the cupboard",
        "fetch the {} cube from the cupboard shelf",
    ),
    "lift_{}_block_drawer": (
        "raise the {} cube out of the drawer",
        "take the {} cube from inside the drawer",
        "grab the {} cube that lies in the drawer",
        "fetch the {} cube up from the drawer",
    ),
}

_PHRASES: dict[str, tuple[str, ...]] = {
    "move_slider_left": (
        "bring the cupboard door to the left end",
        "drag the sliding panel leftwards",
        "slide the cupboard open towards the left",
        "shift the sliding panel over to the left",
    ),
    "move_slider_right": (
        "bring the cupboard door to the right end",
        "drag the sliding panel rightwards",
        "slide the cupboard open towards the right",
        "shift the sliding panel over to the right",
    ),
    "open_drawer": (
        "draw the drawer out towards you",
        "make the drawer stand open",
        "get the drawer out by its grip",
        "bring the drawer into its open position",
    ),
    "close_drawer": (
        "send the drawer back in",
        "make the drawer shut",
        "get the drawer in until it is closed",
        "bring the drawer into its closed position",
    ),
    "place_in_slider": (
        "set what you hold down in the cupboard",
        "leave the held cube behind the sliding door",
        "let go of the cube on the cupboard shelf",
        "deposit the cube inside the cupboard",
    ),
    "place_in_drawer": (
        "set what you hold down in the drawer",
        "leave the held cube inside the drawer",
        "let go of the cube over the open drawer",
        "deposit the cube inside the drawer",
    ),
    "stack_block": (
        "set the held cube down upon another one",
        "build a tower of two cubes",
        "let the cube rest on a second cube",
        "pile your cube onto another cube",
    ),
    "unstack_block": (
        "take the tower of cubes apart",
        "bring the upper cube down from the lower one",
        "knock the top cube off its neighbour",
        "undo the pile of cubes",
    ),
    "turn_on_lightbulb": (
        "flip the lever so that the bulb glows",
        "make the yellow bulb shine",
        "switch the bulb to bright",
        "light up the bulb with the lever",
    ),
    "turn_off_lightbulb": (
        "flip the lever so that the bulb goes dark",
        "make the yellow bulb stop shining",
        "switch the bulb to dark",
        "put out the bulb with the lever",
    ),
    "turn_on_led": (
        "press the knob so that the green lamp glows",
        "make the green lamp shine",
        "switch the green lamp to bright",
        "light up the green lamp with the knob",
    ),
    "turn_off_led": (
        "press the knob so that the green lamp goes dark",
        "make the green lamp stop shining",
        "switch the green lamp to dark",
        "put out the green lamp with the knob",
    ),
    "push_into_drawer": (
        "sweep the cube over the edge so that it drops into the drawer",
        "make the cube fall from the table into the drawer",
        "nudge the cube until the drawer catches it",
        "shove the loose cube down into the open drawer",
    ),
}


def training_instructions(task: str) -> tuple[str, ...]:
    """The phrases that demonstrations of `task` are given. Raises InvalidInput for an unknown task."""
    return _phrases(task)[:-1]


def evaluation_instruction(task: str) -> str:
    """The phrase, never trained with, that asks for `task` in evaluation. Raises InvalidInput likewise."""
    return _phrases(task)[-1]


def _phrases(task: str) -> tuple[str, ...]:
    if task not in TASKS:
        raise InvalidInput(f"Unknown CALVIN task {task!r}; the 34 tasks are {', '.join(TASKS)}.")
    for colour in BLOCK_COLOURS:
        pattern = task.replace(f"_{colour}_", "_{}_")
        if pattern in _BLOCK_PHRASES:
            return tuple(phrase.format(colour) for phrase in _BLOCK_PHRASES[pattern])
    return _PHRASES[task]
