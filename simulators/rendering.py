"""Which of PyBullet's renderers draws, where that is left open.

A policy does worse on pictures of another renderer than the one it was trained on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from benchmark.cameras import EGL, TINY

Renderer = Literal["tiny", "egl"]

AUTO: Final = "auto"
CHOICES = (AUTO, EGL, TINY)


def chosen_renderer(wanted: str, frames: str | None) -> Renderer:
    """`wanted`, one of CHOICES. `auto` is the renderer that drew the training frames, `frames`.

    Where that is not known (None) it is EGL, which drew CALVIN's own downloads. Where EGL does not work on this
    machine it is PyBullet's own renderer, `tiny`: compare with `frames` to tell.
    """
    if wanted != AUTO:
        return EGL if wanted == EGL else TINY
    if frames == TINY:
        return TINY
    from simulators.playtable.renderers import egl_fault  # imports the physics engine

    return EGL if egl_fault() is None else TINY


def usual_renderer(spec: Mapping[str, Any]) -> Renderer | None:
    """What draws frames of these scenes: Baton's own are always drawn by `tiny`, CALVIN's by who knows."""
    return None if spec["assets"] is not None or spec["simulator"] == "calvin" else TINY
