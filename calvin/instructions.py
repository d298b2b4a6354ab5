"""Baton's own phrases for the 34 tasks, for demonstrations of the built-in simulator.

They are not CALVIN's annotations. A task's training phrases combine ways to say the same thing; the phrase
that only evaluation uses is a combination never trained, of words that are: a small model without a
pretrained language model can understand it, and has not seen it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path

from benchmark.tasks import BLOCK_COLOURS, TASKS
from calvin.instruction_text import fault_of_instruction
from errors import DatasetError, InvalidInput
from settings.documents import parse_yaml
from settings.regular import MOST_YAML_BYTES, text_of
from settings.shown import shown
from settings.suggestions import did_you_mean, meant

#: task -> (ways to begin, ways to go on). Their first combination is held out for evaluation.
_BLOCK_PARTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "rotate_{}_block_right": (
        ("spin the {} cube", "twist the {} cube"),
        ("clockwise", "clockwise by a quarter"),
    ),
    "rotate_{}_block_left": (
        ("spin the {} cube", "twist the {} cube"),
        ("counterclockwise", "counterclockwise by a quarter"),
    ),
    "push_{}_block_right": (
        ("shove the {} cube", "nudge the {} cube"),
        ("rightwards", "rightwards over the table", "over to the right"),
    ),
    "push_{}_block_left": (
        ("shove the {} cube", "nudge the {} cube"),
        ("leftwards", "leftwards over the table", "over to the left"),
    ),
    "lift_{}_block_table": (
        ("raise the {} cube", "fetch the {} cube"),
        ("off the tabletop", "up from the tabletop"),
    ),
    "lift_{}_block_slider": (
        ("raise the {} cube", "fetch the {} cube"),
        ("off the cupboard floor", "out of the cupboard"),
    ),
    "lift_{}_block_drawer": (
        ("raise the {} cube", "fetch the {} cube"),
        ("off the drawer floor", "out of the drawer"),
    ),
}
_PARTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "move_slider_left": (
        ("drag the panel", "shift the panel"),
        ("leftwards", "over to the left end", "left"),
    ),
    "move_slider_right": (
        ("drag the panel", "shift the panel"),
        ("rightwards", "over to the right end", "right"),
    ),
    "open_drawer": (("draw the drawer", "bring the drawer"), ("out", "out by its grip", "out towards you")),
    "close_drawer": (("send the drawer", "bring the drawer"), ("in", "in by its grip", "back in")),
    "turn_on_lightbulb": (("make the lamp", "let the lamp"), ("shine with the lever", "shine", "light up")),
    "turn_off_lightbulb": (
        ("make the lamp", "let the lamp"),
        ("go dark with the lever", "go dark", "stop shining"),
    ),
    "turn_on_led": (
        ("make the green signal", "let the green signal"),
        ("glow with the knob", "glow", "come on"),
    ),
    "turn_off_led": (
        ("make the green signal", "let the green signal"),
        ("fade with the knob", "fade", "go out"),
    ),
    "place_in_slider": (("leave the cube", "deposit the cube"), ("in the cupboard", "behind the panel")),
    "place_in_drawer": (("leave the cube", "deposit the cube"), ("in the drawer", "inside the open drawer")),
    "push_into_drawer": (
        ("shove the cube", "nudge the cube"),
        ("until it drops into the drawer", "off into the drawer"),
    ),
    "stack_block": (("pile the cube", "balance the cube"), ("on another cube", "upon a second cube")),
    "unstack_block": (
        ("fetch the upper cube", "take apart the pile"),
        ("and free the lower cube", "of two cubes"),
    ),
}


def _all_phrases() -> dict[str, tuple[str, ...]]:
    table = {task: tuple(map(" ".join, product(*parts))) for task, parts in _PARTS.items()}
    for pattern, parts in _BLOCK_PARTS.items():
        for colour in BLOCK_COLOURS:
            phrases = (" ".join(pair).format(colour) for pair in product(*parts))
            table[pattern.format(colour)] = tuple(phrases)
    return table


_PHRASES = _all_phrases()


def training_instructions(task: str) -> tuple[str, ...]:
    """The phrases to annotate demonstrations of `task` with. Raises InvalidInput for an unknown task."""
    return _phrases(task)[1:]


def evaluation_instruction(task: str) -> str:
    """The phrase of `task` that evaluation uses; no demonstration to train on has it."""
    return _phrases(task)[0]


def read_instruction_file(path: Path, needed: Sequence[str] = TASKS) -> dict[str, str]:
    """The evaluation instruction of each task in a YAML file of CALVIN's form (task: [phrase, ...]).

    CALVIN's own is calvin_models/conf/annotations/new_playtable_validation.yaml; as in the official
    evaluation the first phrase counts. Raises DatasetError when the file is not of that form or misses one of the
    tasks `needed`.
    """
    content = parse_yaml(text_of(path, DatasetError, MOST_YAML_BYTES), str(path), DatasetError)
    if not isinstance(content, dict):
        raise DatasetError(f"{path} is not a mapping of tasks to instructions.")
    told = [task for task in TASKS if task in content or task in needed]
    missing = [task for task in told if not isinstance(content.get(task), list) or not content[task]]
    if missing:
        more = f", nor for {', '.join(missing[1:])}" if missing[1:] else ""
        near = did_you_mean(missing[0], [str(name) for name in content if name not in TASKS])
        raise DatasetError(f"{path} has no list of instructions for {missing[0]}{more}{near}.")
    unknown = next((name for name in content if name not in TASKS), None)
    if unknown is not None:
        raise DatasetError(
            f"{path}: {shown(unknown)} is no task of CALVIN's{did_you_mean(str(unknown), TASKS)}."
        )
    for task in told:
        phrases = content[task]
        if (wrong := fault_of_instruction(phrases[0])) is not None:
            raise DatasetError(f"{path}: the first of {task} {wrong}.")
    return {task: content[task][0] for task in told}


def _phrases(task: str) -> tuple[str, ...]:
    if task not in _PHRASES:
        raise InvalidInput(
            f"Unknown CALVIN task {shown(task)}{meant(task, TASKS)}; the tasks are {', '.join(TASKS)}."
        )
    return _PHRASES[task]
