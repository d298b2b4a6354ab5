"""Simulators by name, imported only when used."""

from __future__ import annotations

import importlib
from typing import Any

from errors import ConfigError
from settings.code_source import reference_of
from settings.suggestions import did_you_mean
from simulators.base import Simulator

#: name -> (class, the options it takes)
_CLASSES = {
    "playtable": ("simulators.playtable.env:PlayTable", ("assets", "renderer")),
    "calvin": ("simulators.calvin_env:CalvinEnv", ("python", "renderer")),
}


def names() -> tuple[str, ...]:
    return tuple(_CLASSES)


def create(name: str, scene: str = "D", **options: Any) -> Simulator:
    """Start simulator `name`, or a class of the user's own (`module:Class@digest`), with `scene`.

    Options that are not None go to its class: `assets`, a clone of calvin_env; `python`, the interpreter that
    can import it; `renderer`, `tiny` or `egl`. Raises ConfigError for an unknown name or an option that is of
    another simulator, SimulatorMissing where something is not here.
    """
    given = {option: value for option, value in options.items() if value is not None}
    own = reference_of(name)
    if own is not None:
        from simulators.own import make_own

        if given:
            raise ConfigError(f"simulator {own.label} takes no {' or '.join(given)}")
        return make_own(own, scene)
    if name not in _CLASSES:
        raise ConfigError(
            f"simulator {name!r} is unknown; known simulators: {', '.join(_CLASSES)}{did_you_mean(name, _CLASSES)}"
        )
    place, known = _CLASSES[name]
    for option in given.keys() - known:
        raise ConfigError(f"simulator {name!r} takes no {option}; it takes: {', '.join(known)}")
    module, _, attribute = place.partition(":")
    simulator: Simulator = getattr(importlib.import_module(module), attribute)(scene, **given)
    return simulator


def create_apart(name: str, scene: str = "D", **options: Any) -> Simulator:
    """As `create`, in a process of its own."""
    from simulators.own_process import OwnProcess  # which reads this registry there

    return OwnProcess(name, scene, **options)
