"""How fast jobs go that are like those that are asked about (`tasks.likeness`): a toy's steps say nothing of 7B's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from db import progress
from db.engine import Database
from tasks.likeness import PATHS, traits, traits_of


class Paces:
    """Seconds per step of the newest attempts of some kinds."""

    def __init__(self, database: Database, kinds: Sequence[str]) -> None:
        self._found = {
            kind: [(traits(pace.values), pace.seconds) for pace in paces]
            for kind, paces in progress.paces(database, kinds, PATHS).items()
        }

    def of_job(self, kind: str, spec: Mapping[str, object]) -> list[float]:
        """Of jobs like one with these parameters; empty where none ended."""
        return self._like(kind, [traits_of(spec)])

    def of_open(self, database: Database, ablation_id: int) -> dict[str, list[float]]:
        """By kind, of jobs like the newest that an ablation has still to do; of kinds of which any ended."""
        kinds = [kind for kind, ended in self._found.items() if ended]
        found = progress.open_values(database, ablation_id, kinds, PATHS) if kinds else {}
        return {kind: self._like(kind, list(map(traits, values))) for kind, values in found.items()}

    def _like(self, kind: str, wanted: Sequence[tuple[object, ...]]) -> list[float]:
        return [seconds for has, seconds in self._found.get(kind, ()) if has in wanted]
