"""Which CALVIN task is possible in which symbolic state of the table, and what it changes.

The rules of calvin_models/calvin_agent/evaluation/multistep_sequences.py. They describe what an instruction
may be asked for, not physics: the task oracle decides from the simulation whether it was done.
"""

from __future__ import annotations

from functools import cache
from itertools import permutations
from typing import NamedTuple

from benchmark.tasks import BLOCK_COLOURS, TASKS

#: Values that an initial state may take, in the order in which states are enumerated.
INITIAL_CONDITIONS: dict[str, tuple[int | str, ...]] = {
    "led": (0, 1),
    "lightbulb": (0, 1),
    "slider": ("right", "left"),
    "drawer": ("closed", "open"),
    "red_block": ("table", "slider_right", "slider_left"),
    "blue_block": ("table", "slider_right", "slider_left"),
    "pink_block": ("table", "slider_right", "slider_left"),
    "grasped": (0,),
}


class State(NamedTuple):
    """Lights (0 or 1), slider (right, left), drawer (closed, open), where each block is, whether one is held.

    A block is on the table, slider_right, slider_left, in the drawer, grasped, stacked_top or stacked_bottom.
    """

    led: int
    lightbulb: int
    slider: str
    drawer: str
    red_block: str
    blue_block: str
    pink_block: str
    grasped: int

    @property
    def blocks(self) -> tuple[str, str, str]:
        return self.red_block, self.blue_block, self.pink_block

    def as_dict(self) -> dict[str, int | str]:
        """The official form, keys in the official order."""
        return self._asdict()


class Variant(NamedTuple):
    """One way in which a task applies: the allowed values of some fields, and the new values of some."""

    needs: dict[str, tuple[int | str, ...]]
    gives: dict[str, int | str]


def _category(task: str) -> str:
    """Tasks of one category never share a sequence."""
    kind, _, rest = task.partition("_")
    if kind in ("rotate", "push") and task != "push_into_drawer":
        return "rotate or push"
    if kind == "lift":
        return f"lift from {rest.rpartition('_')[2]}"
    if kind == "turn":
        return "lights"
    if kind in ("place", "move"):
        return kind
    return "drawer" if task in ("open_drawer", "close_drawer") else task


CATEGORIES: dict[str, str] = {task: _category(task) for task in TASKS}


def _variants() -> dict[str, list[Variant]]:
    hand_empty: dict[str, tuple[int | str, ...]] = {"grasped": (0,)}
    table: dict[str, list[Variant]] = {
        "move_slider_left": [Variant({"slider": ("right",), **hand_empty}, {"slider": "left"})],
        "move_slider_right": [Variant({"slider": ("left",), **hand_empty}, {"slider": "right"})],
        "open_drawer": [Variant({"drawer": ("closed",), **hand_empty}, {"drawer": "open"})],
        "close_drawer": [Variant({"drawer": ("open",), **hand_empty}, {"drawer": "closed"})],
        "place_in_slider": [],
        "place_in_drawer": [],
        "stack_block": [],
        "unstack_block": [],
        "push_into_drawer": [],
    }
    for light in ("lightbulb", "led"):
        table[f"turn_on_{light}"] = [Variant({light: (0,), **hand_empty}, {light: 1})]
        table[f"turn_off_{light}"] = [Variant({light: (1,), **hand_empty}, {light: 0})]
    for colour in BLOCK_COLOURS:
        block = f"{colour}_block"
        on_table = Variant({block: ("table",), **hand_empty}, {})
        for side in ("right", "left"):
            table[f"rotate_{block}_{side}"] = [on_table]
            table[f"push_{block}_{side}"] = [on_table]
        lifted: dict[str, int | str] = {block: "grasped", "grasped": 1}
        table[f"lift_{block}_table"] = [Variant(on_table.needs, lifted)]
        table[f"lift_{block}_drawer"] = [
            Variant({block: ("drawer",), "drawer": ("open",), **hand_empty}, lifted)
        ]
        table[f"lift_{block}_slider"] = [
            Variant({block: (f"slider_{side}",), "slider": (door,), **hand_empty}, lifted)
            for side, door in (("left", "right"), ("right", "left"))
        ]
        held: dict[str, tuple[int | str, ...]] = {block: ("grasped",), "grasped": (1,)}
        table["place_in_slider"] += [
            Variant({"slider": (side,), **held}, {block: f"slider_{side}", "grasped": 0})
            for side in ("right", "left")
        ]
        table["place_in_drawer"] += [Variant({"drawer": ("open",), **held}, {block: "drawer", "grasped": 0})]
        others = {
            f"{other}_block": ("slider_right", "slider_left") for other in BLOCK_COLOURS if other != colour
        }
        table["push_into_drawer"] += [
            Variant({**on_table.needs, **others, "drawer": ("open",)}, {block: "drawer", "grasped": 0})
        ]
    for top, bottom in permutations([f"{colour}_block" for colour in BLOCK_COLOURS], 2):
        table["stack_block"] += [
            Variant(
                {top: ("grasped",), bottom: ("table",), "grasped": (1,)},
                {top: "stacked_top", bottom: "stacked_bottom", "grasped": 0},
            )
        ]
        table["unstack_block"] += [
            Variant(
                {top: ("stacked_top",), bottom: ("stacked_bottom",), **hand_empty},
                {top: "table", bottom: "table"},
            )
        ]
    return table


VARIANTS: dict[str, list[Variant]] = _variants()


@cache
def successor(state: State, task: str) -> State | None:
    """The state after `task`; None unless exactly one of its variants applies in `state`."""
    found = [
        variant
        for variant in VARIANTS[task]
        if all(getattr(state, field) in allowed for field, allowed in variant.needs.items())
    ]
    return state._replace(**found[0].gives) if len(found) == 1 else None  # type: ignore[arg-type]
