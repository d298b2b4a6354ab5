"""The observations that CALVIN resets its simulator to at the start of an evaluation sequence.

Values and draws are those of `get_env_state_for_initial_condition` in
calvin_models/calvin_agent/evaluation/utils.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from benchmark.actions import GRIPPER_OPEN
from benchmark.tasks import BLOCK_COLOURS
from calvin.transitions import State
from errors import InvalidInput
from settings.shown import shown

_TCP_POSITION_M = (0.02586889, -0.2313129, 0.5712808)
_TCP_EULER_RAD = (3.09045411, -0.02908596, 1.50013585)
_GRIPPER_WIDTH_M = 0.07999963
_JOINTS_RAD = (-1.21779124, 1.03987629, 2.11978254, -2.34205014, -0.87015899, 1.64119093, 0.55344928)
ROBOT_OBS = (*_TCP_POSITION_M, *_TCP_EULER_RAD, _GRIPPER_WIDTH_M, *_JOINTS_RAD, GRIPPER_OPEN)
SLIDER_LEFT_M = 0.28
DRAWER_OPEN_M = 0.22
SWITCH_ON_M = 0.088
SLIDER_SPOTS_M = {
    "slider_left": (-2.40851662e-01, 9.24044687e-02, 4.60990009e-01),
    "slider_right": (7.03416330e-02, 9.24044687e-02, 4.60990009e-01),
}
TABLE_SPOTS_M = (
    (5.00000896e-02, -1.20000177e-01, 4.59990009e-01),
    (2.29995412e-01, -1.19995140e-01, 4.59990010e-01),
)
YAW_RANGE_RAD = (np.pi / 2 - np.pi / 8, np.pi / 2 + np.pi / 8)

FNV_PRIME = 0x01000193


def fnv1_32(data: bytes) -> int:
    """32-bit FNV-1 (multiply, then xor) with initial value 0, as pyhash's `fnv1_32` computes it.

    Textbook FNV-1 starts from 0x811c9dc5. pyhash on Python 3 also hashes a string's UTF-16-LE bytes.
    """
    value = 0
    for byte in data:
        value = (value * FNV_PRIME & 0xFFFFFFFF) ^ byte
    return value


def seed_of(initial_state: Mapping[str, int | str]) -> int:
    """The seed that CALVIN gives a scene: the hash of the state's values, in official order, as printed."""
    values = [initial_state[field] for field in State._fields]
    return fnv1_32(f"dict_values({values})".encode("utf-16-le"))


def initial_state_obs(
    initial_state: Mapping[str, int | str], block_order: Sequence[str] = BLOCK_COLOURS
) -> tuple[np.ndarray, np.ndarray]:
    """`robot_obs` (15,) and `scene_obs` (24,), both float64, that the simulator is reset to.

    `block_order` names the colours in the order of the scene's objects (`benchmark.tasks.BLOCK_ORDER`); the
    draws are always red, blue, pink, and door positions always those of the official evaluation in scene D.
    Raises InvalidInput when the state misses a key or holds a value that no initial state can have.
    """
    state = _checked(initial_state)
    random = np.random.RandomState(seed_of(initial_state))
    table_spots = list(TABLE_SPOTS_M)
    random.shuffle(table_spots)
    blue_takes_second = state.red_block == "table"
    spot_on_table = {
        "red": table_spots[0],
        "blue": table_spots[1 if blue_takes_second else 0],
        "pink": table_spots[1],
    }
    poses = {}
    for colour, place in zip(BLOCK_COLOURS, state.blocks):
        position = spot_on_table[colour] if place == "table" else SLIDER_SPOTS_M[place]
        poses[colour] = (*position, 0.0, 0.0, random.uniform(*YAW_RANGE_RAD))
    doors = (
        SLIDER_LEFT_M if state.slider == "left" else 0.0,
        DRAWER_OPEN_M if state.drawer == "open" else 0.0,
        0.0,
        SWITCH_ON_M if state.lightbulb == 1 else 0.0,
        state.lightbulb,
        state.led,
    )
    scene_obs = np.concatenate([doors, *(poses[colour] for colour in _checked_order(block_order))])
    return np.array(ROBOT_OBS), scene_obs


def _checked(initial_state: Mapping[str, int | str]) -> State:
    allowed = {
        "led": (0, 1),
        "lightbulb": (0, 1),
        "slider": ("left", "right"),
        "drawer": ("open", "closed"),
        **{f"{colour}_block": ("table", *SLIDER_SPOTS_M) for colour in BLOCK_COLOURS},
        "grasped": (0,),
    }
    for field, values in allowed.items():
        if field not in initial_state:
            raise InvalidInput(f"The initial state has no {shown(field)}; it needs {', '.join(allowed)}.")
        if initial_state[field] not in values:
            raise InvalidInput(
                f"The initial state has {field} = {shown(initial_state[field])}; it must be one of {list(values)}."
            )
    return State(**{field: initial_state[field] for field in allowed})  # type: ignore[arg-type]


def _checked_order(block_order: Sequence[str]) -> Sequence[str]:
    if sorted(block_order) != sorted(BLOCK_COLOURS):
        raise InvalidInput(
            f"The block order {list(block_order)} is not one of {', '.join(BLOCK_COLOURS)} each."
        )
    return block_order
