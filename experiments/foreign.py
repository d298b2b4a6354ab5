"""Settings and parameters of somebody else's jobs: what a bundle may ask of the machine that takes it in.

Jobs are of Baton's own kinds, so what they can do is decided by their parameters. Those that name a program are taken
away: whoever runs the jobs names it (`BATON_CALVIN_PYTHON`, `BATON_GROUNDINGDINO_PYTHON`). What all others may
be is in `experiments/foreign_parameters.py`; which of its settings name something, each experiment says itself.
"""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import ValidationError

from errors import ConfigError
from experiments.foreign_parameters import MADE_UP, check_parameters
from experiments.registry import Allowed, experiment_of
from settings.code_source import source_from_json
from settings.json_values import JsonObject
from settings.shown import cut, shown
from settings.typed_json import first_mistake
from tasks.registry import KINDS, PLAN

#: Entry of parameters that names a program, wherever it stands.
_PROGRAM = "python"


class ForeignJobs:
    """A `db.bundle.contents.Judge`."""

    def __init__(self, store: Path, policies: bool = False) -> None:
        """store: the folder of artifacts that the bundle's own will lie in. policies: rows may ask over a network, and
        read folders."""
        self._store = store
        self._policies = policies
        self._left_out: dict[str, None] = {}
        self._code: set[str] = set()

    @property
    def left_out(self) -> tuple[str, ...]:
        return tuple(self._left_out)

    def code(self, digest: str, files: JsonObject) -> None:
        source = source_from_json(files)
        if source.digest != digest:
            raise ValueError(f"has another digest, {source.digest}")
        self._code.add(digest)

    def settings(self, settings: dict[str, object]) -> dict[str, object]:
        try:
            taken = experiment_of(settings).taken_over(settings, Allowed(self._policies, self._code))
            for place in taken.places:
                self._check_outside(place)
        except ValidationError as error:
            raise ValueError(f"has settings that this Baton does not know: {first_mistake(error)}") from None
        except (ValueError, ConfigError) as error:
            raise ValueError(f"has settings that are not taken over: {error}") from None
        for program in taken.programs:
            self._note(program)
        return taken.settings

    def parameters(self, kind: str, parameters: dict[str, object]) -> dict[str, object]:
        if kind not in KINDS:
            raise ValueError(f"is of the kind {shown(kind)}, which this Baton does not know")
        if kind == PLAN.name:
            parameters = self._to_plan(parameters)
        kept = self._object_without_programs(parameters)
        if kind == "evaluate" and _PROGRAM in parameters:
            kept[_PROGRAM] = None  # which is what one says that needs none
        try:
            for place in check_parameters(KINDS[kind], kept, self._policies, self._code):
                self._check_outside(place)
        except ValueError as error:
            raise ValueError(f"has parameters that are not taken over: {error}") from None
        return kept

    def _to_plan(self, parameters: dict[str, object]) -> dict[str, object]:
        """A job that plans works with the settings of an ablation, which may be no others than an ablation's own."""
        settings = parameters.get("settings")
        if not isinstance(settings, dict):
            raise ValueError("has parameters that are not taken over: settings: they are no mapping")
        return {**parameters, "settings": self.settings(settings)}

    def _without_programs(self, value: object) -> object:
        """JSON in a state has at most a hundred levels (`db.bundle.columns`)."""
        if isinstance(value, list):
            return [self._without_programs(item) for item in value]
        return self._object_without_programs(value) if isinstance(value, dict) else value

    def _object_without_programs(self, value: dict[str, object]) -> dict[str, object]:
        if value.get(_PROGRAM) is not None:
            self._note(value[_PROGRAM])
        return {name: self._without_programs(item) for name, item in value.items() if name != _PROGRAM}

    def _note(self, program: object) -> None:
        self._left_out[cut(str(program))] = None

    def _check_outside(self, place: str) -> None:
        """Links may lead there under another name."""
        leads_to = os.path.realpath(place)
        if MADE_UP.match(leads_to):
            raise ValueError(f"{shown(place)} is no place of files that lie still")
        if Path(leads_to).is_relative_to(self._store):
            raise ValueError(f"{shown(place)} is in this home's store, where a bundle puts its own files")


def reaching_out(settings: JsonObject) -> list[str]:
    """Names of an ablation's rows that an import takes over only when it is told to."""
    try:
        return experiment_of(settings).reaching_out(settings)
    except (ValidationError, ConfigError):  # of another build
        return []
