"""What the eyes should rest on in each of CALVIN's 34 tasks, and from wording alone where no task is given.

The task table follows the official ReconVLA pipeline (`scripts/helper/main_worker.py`: LED tasks look at
the button, light bulb tasks at the switch) with two differences. Drawers and doors that are moved are
looked at where the hand goes, the handle; the whole drawer or cabinet is a place to put things. And tasks
that carry a block have two phases, the block and then its destination. An unstacked block goes to the bare
table, which is no object: it stays in view itself.
"""

from __future__ import annotations

from benchmark.tasks import BLOCK_COLOURS
from detectors.base import NoTarget, Reason, Target
from detectors.targets.wording import Meaning, understand
from settings.shown import shown

#: Raised when a task or an instruction comes to mean other targets.
TARGETS_VERSION = 2

#: What an instruction that is not understood gives (`gaze.unknown_wording`).
NO_TARGET, BY_TASK = "no_target", "task"

#: Gaze phases of one task, one or two, in the order in which they happen.
Phases = tuple[Target, ...]

CARRIED_BLOCK = Target("block", "block")
OTHER_BLOCK = Target("other_block", "block")
_ANY_BLOCK = (CARRIED_BLOCK, OTHER_BLOCK)
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
    for colour in BLOCK_COLOURS:
        for way in ("right", "left"):
            table[f"rotate_{colour}_block_{way}"] = (block(colour),)
            table[f"push_{colour}_block_{way}"] = (block(colour),)
        for place in ("table", "slider", "drawer"):
            table[f"lift_{colour}_block_{place}"] = (block(colour),)
    return table


#: The 34 tasks of CALVIN (`conf/callbacks/rollout/tasks/new_playtable_tasks.yaml`).
TASK_PHASES: dict[str, Phases] = _task_table()

#: What is looked at when a thing itself is handled, and when it is where something is put.
_HANDLED: dict[str, Target] = {
    "drawer": DRAWER_HANDLE,
    "slider": SLIDER_HANDLE,
    "bulb": SWITCH,
    "led": BUTTON,
}
_DESTINATIONS: dict[str, Target] = {"drawer": DRAWER, "slider": CABINET, "block": OTHER_BLOCK}


def phases_for(task: str | None, instruction: str, by_task: bool = False) -> Phases | NoTarget:
    """Gaze phases of a task as its instruction words them; where the task has no entry, of the wording alone.

    A task says "the block" where its instruction may say which. NoTarget(other_than_the_task) when they name
    different things, NoTarget(unknown_wording) when the wording is not understood; with by_task such a task's own
    phases.
    """
    told = f"task {shown(task)}, instruction {shown(instruction)}"
    meaning = understand(instruction)
    known = TASK_PHASES.get(task) if task is not None else None
    if meaning is None:
        return known if known and by_task else NoTarget(Reason.UNKNOWN_WORDING, told)
    if known is None:
        return _phases(meaning)
    return _joined(known, _phases(meaning)) or NoTarget(Reason.OTHER_THAN_THE_TASK, told)


def _joined(phases: Phases, worded: Phases) -> Phases | None:
    """A task's phases with the colours that the wording gives; None where the two cannot both be meant.

    A task without a destination has none whatever the wording says, as "put it down" is no place to look at.
    """
    joined = []
    for place, target in enumerate(phases):
        other = worded[place] if place < len(worded) else target
        if target in _ANY_BLOCK and other.object.endswith("block"):
            joined.append(target if other in _ANY_BLOCK else other)
        elif other == target or (other in _ANY_BLOCK and target.object.endswith("block")):
            joined.append(target)
        else:
            return None
    return tuple(joined)


def _phases(meaning: Meaning) -> Phases:
    if meaning.thing != "block":
        return (_HANDLED[meaning.thing],)
    first = CARRIED_BLOCK if meaning.colour is None else block(meaning.colour)
    if meaning.destination is None:
        return (first,)
    if meaning.destination_colour is not None:
        return (first, block(meaning.destination_colour))
    return (first, _DESTINATIONS[meaning.destination])
