"""From a CALVIN task, or an instruction alone, to what the eyes should rest on.

The task table follows the official ReconVLA pipeline (`scripts/helper/main_worker.py`: LED tasks look at
the button, light bulb tasks at the switch) with two differences. Drawers and doors that are moved are
looked at where the hand goes, the handle; the whole drawer or cabinet is a place to put things. And tasks
that carry a block have two phases, the block and then its destination.
"""

from __future__ import annotations

import re

from detectors.base import NoTarget, Reason, Target

COLOURS = ("red", "blue", "pink")

#: Gaze phases of one task, in the order in which they happen.
Phases = tuple[Target, ...]

CARRIED_BLOCK = Target("block", "block")
OTHER_BLOCK = Target("other_block", "block")
DRAWER_HANDLE = Target("drawer_handle", "drawer handle")
SLIDER_HANDLE = Target("slider_handle", "sliding door handle")
DRAWER = Target("drawer", "drawer")
CABINET = Target("slider", "sliding cabinet")
SWITCH = Target("switch", "light switch")
BUTTON = Target("button", "button")


def block(colour: str) -> Target:
    """The block of this colour."""
    return Target(f"{colour}_block", f"{colour} block", colour)


def _task_table() -> dict[str, Phases]:
    table: dict[str, Phases] = {
        "move_slider_left": (SLIDER_HANDLE,),
        "move_slider_right": (SLIDER_HANDLE,),
        "open_drawer": (DRAWER_HANDLE,),
        "close_drawer": (DRAWER_HANDLE,),
        "place_in_slider": (CARRIED_BLOCK, CABINET),
        "place_in_drawer": (CARRIED_BLOCK, DRAWER),
        "push_into_drawer": (CARRIED_BLOCK, DRAWER),
        "stack_block": (CARRIED_BLOCK, OTHER_BLOCK),
        "unstack_block": (CARRIED_BLOCK,),
        "turn_on_lightbulb": (SWITCH,),
        "turn_off_lightbulb": (SWITCH,),
        "turn_on_led": (BUTTON,),
        "turn_off_led": (BUTTON,),
    }
    for colour in COLOURS:
        for way in ("right", "left"):
            table[f"rotate_{colour}_block_{way}"] = (block(colour),)
            table[f"push_{colour}_block_{way}"] = (block(colour),)
        for place in ("table", "slider", "drawer"):
            table[f"lift_{colour}_block_{place}"] = (block(colour),)
    return table


#: The 34 tasks of CALVIN (`conf/callbacks/rollout/tasks/new_playtable_tasks.yaml`).
TASK_PHASES: dict[str, Phases] = _task_table()

# First match wins, so the order goes from the most to the least specific wording.
_WORDINGS: tuple[tuple[re.Pattern[str], Phases], ...] = tuple(
    (re.compile(pattern), phases)
    for pattern, phases in (
        (r"\b(unstack|collapse|tower|take off|remove)\b", (CARRIED_BLOCK,)),
        (r"\bstack\b|\bon top of\b", (CARRIED_BLOCK, OTHER_BLOCK)),
        (r"\b(led|green (light|lamp)|button)\b", (BUTTON,)),
        (r"\b(bulb|yellow (light|lamp)|switch)\b", (SWITCH,)),
        (
            r"\b(place|put|store|drop)\b.*\bdrawer\b|\bdrawer\b.*\b(place|put|store|drop)\b",
            TASK_PHASES["place_in_drawer"],
        ),
        (r"\b(place|put|store|drop)\b.*\b(slider|cabinet)\b", TASK_PHASES["place_in_slider"]),
        (r"\b(block|object|it)\b.*\binto the drawer\b", TASK_PHASES["push_into_drawer"]),
        (r"\b(block|object)\b.*\bfalls\b.*\bdrawer\b", TASK_PHASES["push_into_drawer"]),
        (r"\bdrawer\b", (DRAWER_HANDLE,)),
        (r"\b(door|slider)\b", (SLIDER_HANDLE,)),
    )
)


def phases_for(task: str | None, instruction: str) -> Phases | NoTarget:
    """Gaze phases of a task; where the task has no entry, of the instruction's wording.

    A coloured block in the wording is the first phase whatever else is said. NoTarget(unknown_wording)
    when neither is understood.
    """
    if task is not None and task in TASK_PHASES:
        return TASK_PHASES[task]
    words = " ".join(instruction.lower().split())
    named = re.search(rf"\b({'|'.join(COLOURS)})\b[\w ]*?\b(block|cube|object)\b", words)
    phases = next((phases for pattern, phases in _WORDINGS if pattern.search(words)), ())
    if named is not None:
        destination = tuple(phase for phase in phases if phase in (DRAWER, CABINET, OTHER_BLOCK))
        return (block(named.group(1)), *destination)
    if phases:
        return phases
    return NoTarget(Reason.UNKNOWN_WORDING, f"task {task!r}, instruction {instruction!r}")
