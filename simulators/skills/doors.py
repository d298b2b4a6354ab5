"""Drawer and sliding door."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from simulators.skills.motion import CLOSED, OPEN, SETTLE_STEPS, Waypoint, pointing_down
from simulators.skills.workspace import Workspace

#: From the middle of the drawer's bar to the middle of the gap behind it.
_BEHIND_BAR = np.array([0.0, 0.035, -0.005])
_BEFORE_BAR = np.array([0.0, -0.035, -0.005])
_ABOVE_BAR = np.array([0.0, 0.0, 0.09])
_PULL = np.array([0.0, 0.19, 0.0])

#: Where the fingers straddle the door's bar, from its middle: a little below and before it.
_AT_DOOR_BAR = np.array([0.0, -0.0175, -0.039])
_BEFORE_DOOR = np.array([0.0, -0.08, 0.02])
_SLIDE_TRAVEL = 0.2


def open_drawer(space: Workspace) -> Iterator[Waypoint]:
    """Hook closed fingers behind the bar and pull."""
    inserted = space.landmark("drawer_handle") + _BEHIND_BAR
    yield Waypoint(pointing_down(inserted + _ABOVE_BAR), CLOSED, blend_metres=0.02)
    yield Waypoint(pointing_down(inserted), CLOSED)
    yield Waypoint(pointing_down(inserted - _PULL), CLOSED, hold_steps=SETTLE_STEPS)


def close_drawer(space: Workspace) -> Iterator[Waypoint]:
    """Push the bar with closed fingers."""
    before = space.landmark("drawer_handle") + _BEFORE_BAR
    yield Waypoint(pointing_down(before + _ABOVE_BAR), CLOSED, blend_metres=0.02)
    yield Waypoint(pointing_down(before), CLOSED)
    yield Waypoint(pointing_down(before + _PULL), CLOSED, hold_steps=SETTLE_STEPS)


def move_slider_left(space: Workspace) -> Iterator[Waypoint]:
    yield from _move_slider(space, -_SLIDE_TRAVEL)


def move_slider_right(space: Workspace) -> Iterator[Waypoint]:
    yield from _move_slider(space, _SLIDE_TRAVEL)


def _move_slider(space: Workspace, x_metres: float) -> Iterator[Waypoint]:
    """Open fingers on both sides of the bar, then sideways."""
    at_bar = space.landmark("slide_handle") + _AT_DOOR_BAR
    yield Waypoint(pointing_down(at_bar + _BEFORE_DOOR), OPEN, blend_metres=0.02)
    yield Waypoint(pointing_down(at_bar), OPEN)
    yield Waypoint(pointing_down(at_bar + np.array([x_metres, 0.0, 0.0])), OPEN, hold_steps=SETTLE_STEPS)
