"""The play table's pictures as PyBullet's plain renderings: what `PlayTable.observe` equals, and is quicker than."""

from __future__ import annotations

import numpy as np

from simulators.playtable.env import PlayTable


def whole_pictures(sim: PlayTable) -> dict[str, np.ndarray]:
    """`rgb_static` and `rgb_gripper` of a table that was made with `bullet_draws`, with every part drawn under the
    camera's own lens."""
    cameras = sim._cameras
    return {
        "rgb_static": cameras._static.picture(bounds=None, lamps=None, door_places=None).rgb,
        "rgb_gripper": cameras._hand.picture(bounds=None).rgb,
    }
