"""CALVIN's 34 tasks, three blocks and four scenes, by their official names and in their official order."""

from __future__ import annotations

from typing import Literal, get_args

BLOCK_COLOURS = ("red", "blue", "pink")

#: Order of the official task file (calvin_models/conf/callbacks/rollout/tasks/new_playtable_tasks.yaml),
#: which is also the order in which evaluation sequences are drawn
#: (calvin_agent/evaluation/multistep_sequences.py).
TASKS: tuple[str, ...] = (
    *(f"rotate_{colour}_block_{side}" for colour in BLOCK_COLOURS for side in ("right", "left")),
    *(f"push_{colour}_block_{side}" for colour in BLOCK_COLOURS for side in ("right", "left")),
    "move_slider_left",
    "move_slider_right",
    "open_drawer",
    "close_drawer",
    *(f"lift_{colour}_block_{place}" for colour in BLOCK_COLOURS for place in ("table", "slider", "drawer")),
    "place_in_slider",
    "place_in_drawer",
    "stack_block",
    "unstack_block",
    "turn_on_lightbulb",
    "turn_off_lightbulb",
    "turn_on_led",
    "turn_off_led",
    "push_into_drawer",
)

#: Block colours in the order in which a scene's `scene_obs` lists their poses, that of the objects in
#: calvin_env/conf/scene/calvin_scene_{A,B,C,D}.yaml.
BLOCK_ORDER: dict[str, tuple[str, str, str]] = {
    "A": ("pink", "blue", "red"),
    "B": ("red", "blue", "pink"),
    "C": ("blue", "red", "pink"),
    "D": ("red", "blue", "pink"),
}

Scene = Literal["A", "B", "C", "D"]
SCENES: tuple[Scene, ...] = get_args(Scene)
UNKNOWN_SCENE = "unknown"
