"""Scenes by name."""

from __future__ import annotations

from pathlib import Path

from simulators.playtable.own_scenes import own_scene
from simulators.playtable.scene import Scene


def load_scene(name: str, assets: str | Path | None = None) -> Scene:
    """Scene `A` to `D`: Baton's own, or CALVIN's from `assets`, a clone of calvin_env.

    Raises SimulatorError for an unknown scene, SimulatorMissing and InvalidInput for missing and damaged files
    of the clone.
    """
    if assets is None:
        return own_scene(name)
    from simulators.playtable.calvin_scenes import calvin_scene

    return calvin_scene(name, Path(assets))
