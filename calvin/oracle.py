"""CALVIN's task oracle: which of the 34 tasks were done between two moments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from benchmark.tasks import BLOCK_COLOURS, TASKS
from calvin.conditions import (
    Condition,
    DoorMoved,
    Info,
    Lifted,
    LightToggled,
    Placed,
    Pushed,
    PushedInto,
    Rotated,
    Stacked,
    Unstacked,
)
from errors import InvalidInput
from settings.shown import shown
from settings.suggestions import meant

_LINK = {"table": "base_link", "slider": "plank_link", "drawer": "drawer_link"}
_LIFT_METRES = {"table": 0.05, "slider": 0.03, "drawer": 0.05}
_BLOCKS = tuple(f"block_{colour}" for colour in BLOCK_COLOURS)


def _conditions() -> dict[str, Condition]:
    """Thresholds of calvin_models/conf/callbacks/rollout/tasks/new_playtable_tasks.yaml."""
    table: dict[str, Condition] = {
        "move_slider_left": DoorMoved("base__slide", 0.15),
        "move_slider_right": DoorMoved("base__slide", -0.15),
        "open_drawer": DoorMoved("base__drawer", 0.12),
        "close_drawer": DoorMoved("base__drawer", -0.12),
        "place_in_slider": Placed(_LINK["slider"]),
        "place_in_drawer": Placed(_LINK["drawer"]),
        "stack_block": Stacked(),
        "unstack_block": Unstacked(),
        "turn_on_lightbulb": LightToggled("lightbulb", 1),
        "turn_off_lightbulb": LightToggled("lightbulb", 0),
        "turn_on_led": LightToggled("led", 1),
        "turn_off_led": LightToggled("led", 0),
        "push_into_drawer": PushedInto(_BLOCKS, _LINK["table"], _LINK["drawer"]),
    }
    for colour, block in zip(BLOCK_COLOURS, _BLOCKS):
        table[f"rotate_{colour}_block_right"] = Rotated(block, -60)
        table[f"rotate_{colour}_block_left"] = Rotated(block, 60)
        table[f"push_{colour}_block_right"] = Pushed(block, 0.1)
        table[f"push_{colour}_block_left"] = Pushed(block, -0.1)
        for place, link in _LINK.items():
            table[f"lift_{colour}_block_{place}"] = Lifted(block, _LIFT_METRES[place], link)
    return {task: table[task] for task in TASKS}


CONDITIONS: Mapping[str, Condition] = MappingProxyType(_conditions())


class TaskOracle:
    """Compares the info at the start of a subtask with a later one."""

    def solved(self, start: Info, end: Info, tasks: Iterable[str] | None = None) -> frozenset[str]:
        """Those of `tasks` (default: all 34) that were done between `start` and `end`, perhaps none.

        `start` and `end` have the structure of the official `env.get_info()` (see `calvin.conditions`); they
        are read, never changed or kept. Raises InvalidInput for a name that is not one of the 34 tasks.
        """
        return frozenset(
            task for task in (TASKS if tasks is None else tasks) if _condition(task).met(start, end)
        )


def _condition(task: str) -> Condition:
    if task not in CONDITIONS:
        raise InvalidInput(
            f"Unknown CALVIN task {shown(task)}{meant(task, TASKS)}; the 34 tasks are {', '.join(TASKS)}."
        )
    return CONDITIONS[task]
