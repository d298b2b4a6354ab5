"""The jobs of a plan, each once."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from db.plans import Dependency, PlannedJob, RunRef
from settings.json_values import Json
from settings.typed_json import key_json
from tasks.kind import Kind, R, S

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


class JobBook:
    """Collects jobs in an order in which each follows what it needs.

    A job's key is the hash of all that decides its output: kind, version of the body, parameters, and the keys of the
    jobs it depends on. Parameters that are `Aside` (slices, checkpoints, places) are left out of it.
    """

    def __init__(self, scheduling: Literal["round_robin", "finish_first"]) -> None:
        self._fair = scheduling == "round_robin"
        self._jobs: dict[str, PlannedJob] = {}
        self._runs: dict[str, list[RunRef]] = {}
        self._labels = Counter[str]()
        self._seen: dict[type, tuple[object, tuple[Json, Json]]] = {}

    def add(
        self,
        kind: Kind[S, R],
        label: str,
        spec: S,
        needs: Sequence[Dependency],
        run: RunRef | None = None,
        target_steps: int = 1,
        resource: str | None = None,
    ) -> str:
        """The key of the job, which is there already where equal work is. label: people call it so; where another job
        is called so too (a row named `random`), with a number behind it."""
        row, keyed = spec.row_and_key(self._seen)
        counted = spec.keyed()
        key = digest(
            {
                "kind": kind.name,
                "version": kind.version,
                "spec": keyed if counted is spec else key_json(counted),
                "needs": sorted([need.key, need.role] for need in needs),
            }
        )
        if run is not None and run not in self._runs.setdefault(key, []):
            self._runs[key].append(run)
        if key not in self._jobs:
            self._labels[label] += 1
            label = label if self._labels[label] == 1 else f"{label} ({self._labels[label]})"
            priority = kind.priority if self._fair or kind.finish_first is None else kind.finish_first
            self._jobs[key] = PlannedJob(
                key, kind.name, label, row, resource or kind.resource, priority, target_steps, tuple(needs),
                fair=self._fair, version=kind.planned_version, devices=spec.processes, nodes=spec.machines,
                elastic=spec.elastic,
            )  # fmt: skip
        return key

    @property
    def jobs(self) -> list[PlannedJob]:
        """With the runs they are of."""
        return [
            replace(planned, runs=tuple(self._runs[planned.key])) if planned.key in self._runs else planned
            for planned in self._jobs.values()
        ]


def digest(value: object) -> str:
    """SHA-256 of its JSON."""
    return hashlib.sha256(_ENCODER.encode(value).encode()).hexdigest()
