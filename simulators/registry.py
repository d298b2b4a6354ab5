"""Simulators by name, imported only when used."""

from __future__ import annotations

import importlib

from errors import ConfigError
from simulators.base import Simulator

_CLASSES = {"playtable": "simulators.playtable.env:PlayTable"}


def names() -> tuple[str, ...]:
    return tuple(_CLASSES)


def create(name: str, scene: str = "D") -> Simulator:
    """Start simulator `name` with `scene`. Raises ConfigError for an unknown name."""
    if name not in _CLASSES:
        raise ConfigError(f"simulator {name!r} is unknown; known simulators: {', '.join(_CLASSES)}")
    module, _, attribute = _CLASSES[name].partition(":")
    simulator: Simulator = getattr(importlib.import_module(module), attribute)(scene)
    return simulator
