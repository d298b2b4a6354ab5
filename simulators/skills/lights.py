"""Button (LED) and switch (bulb)."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from simulators.playtable.scene import SLOPE
from simulators.skills.motion import CLOSED, SETTLE_STEPS, Waypoint, leaning, pointing_down
from simulators.skills.workspace import Workspace

_UP = np.array([0.0, 0.0, 1.0])
#: Along the cabinet's front, upwards, and out of it.
_ALONG_FRONT = np.array([0.0, math.cos(SLOPE), math.sin(SLOPE)])
_OUT_OF_FRONT = np.array([0.0, -math.sin(SLOPE), math.cos(SLOPE)])

_SWITCH_TRAVEL = 0.08
#: Fingers that point straight down cannot get under the bar of the switch.
_LEAN = 0.6


def press_button(space: Workspace) -> Iterator[Waypoint]:
    """Push the button down with closed fingers and let go of it."""
    top = space.landmark("button")
    yield Waypoint(pointing_down(top + 0.05 * _UP), CLOSED, blend_metres=0.01)
    yield Waypoint(pointing_down(top - 0.006 * _UP), CLOSED, hold_steps=1)
    yield Waypoint(pointing_down(top + 0.06 * _UP), CLOSED)


def switch_off(space: Workspace) -> Iterator[Waypoint]:
    """Push the bar down along the cabinet's front."""
    above = space.landmark("switch") + 0.045 * _ALONG_FRONT
    yield Waypoint(leaning(above + 0.09 * _OUT_OF_FRONT, _LEAN), CLOSED, blend_metres=0.02)
    yield Waypoint(leaning(above, _LEAN), CLOSED)
    yield Waypoint(
        leaning(above - (0.02 + _SWITCH_TRAVEL) * _ALONG_FRONT, _LEAN), CLOSED, hold_steps=SETTLE_STEPS
    )


def switch_on(space: Workspace) -> Iterator[Waypoint]:
    """Reach under the bar with leaning fingers and push it up along the cabinet's front."""
    under = space.landmark("switch") - 0.045 * _ALONG_FRONT
    yield Waypoint(leaning(under + 0.07 * _OUT_OF_FRONT, _LEAN), CLOSED, blend_metres=0.01)
    yield Waypoint(leaning(under + 0.005 * _OUT_OF_FRONT, _LEAN), CLOSED)
    yield Waypoint(
        leaning(under + (0.02 + _SWITCH_TRAVEL) * _ALONG_FRONT, _LEAN), CLOSED, hold_steps=SETTLE_STEPS
    )
