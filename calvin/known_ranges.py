"""Between what the numbers of CALVIN's own recordings lie, and what they are called.

Joints of the table and limits of lamps: measured over all frames of CALVIN's downloads by denizyuret/calvin-scripts
(README). Of the tool's place: five standard deviations around the mean, as ReconVLA's `statistics.yaml` has them. The
arm: limits of its joints (calvin_env/robot/mixed_ik.py).
"""

from __future__ import annotations

import math

_COMMAND = ("gripper command", -1.0, 1.0)
_ANGLES = [(f"angle {axis}", -math.pi, math.pi) for axis in "xyz"]
_PLACE = [("x", -0.715, 0.793), ("y", -0.671, 0.433), ("z", 0.195, 0.82)]
_JOINTS = [
    ("joint 1", -2.8973, 2.8973),
    ("joint 2", -1.7628, 1.7628),
    ("joint 3", -2.8973, 2.8973),
    ("joint 4", -3.0718, -0.0698),
    ("joint 5", -2.8973, 2.8973),
    ("joint 6", -0.0175, 3.7525),
    ("joint 7", -2.8973, 2.8973),
]
_TABLE = [
    ("sliding door", -0.00236, 0.3067),
    ("drawer", -0.00203, 0.22144),
    ("button", -0.00094, 0.03373),
    ("switch", -0.00479, 0.09178),
    ("lightbulb", 0.0, 1.0),
    ("led", 0.0, 1.0),
]
_BLOCK = [*((axis, None, None) for axis in "xyz"), *_ANGLES]

#: By array what each of its numbers is called, and the least and most of it in CALVIN; None where nobody measured that.
RANGES: dict[str, tuple[tuple[str, float | None, float | None], ...]] = {
    "robot_obs": (*_PLACE, *_ANGLES, ("gripper width", 0.0, 0.08), *_JOINTS, _COMMAND),
    "scene_obs": (
        *_TABLE,
        *((f"block {number} {name}", low, high) for number in (1, 2, 3) for name, low, high in _BLOCK),
    ),
    "actions": (*_PLACE, *_ANGLES, _COMMAND),
    "rel_actions": (*((f"{name}", -1.0, 1.0) for name, _, _ in (*_PLACE, *_ANGLES)), _COMMAND),
}
#: By which a number may lie outside, of the width of its range: float32, and joints that springs push over their limit.
BEYOND = 0.05

#: Frames of CALVIN's annotated demonstrations, both ends counted.
SHORTEST, LONGEST = 32, 65
