"""The jobs of a plan, each once."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

from db.plans import Dependency, PlannedJob, RunRef
from settings.json_values import Json
from settings.typed_json import key_json
from tasks.kind import Kind, R, S, Spec

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)

#: Stand for what differs between jobs that are alike, in JSON that is made once.
_NEED, _NUMBER = "\0need", "\0number"


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
        key = digest(_decides(kind, _keyed(spec, keyed), sorted([need.key, need.role] for need in needs)))
        if run is not None and run not in self._runs.setdefault(key, []):
            self._runs[key].append(run)
        if key not in self._jobs:
            self._jobs[key] = PlannedJob(
                key, kind.name, self._own(label), row, resource or kind.resource, self._priority(kind), target_steps,
                tuple(needs), fair=self._fair, version=kind.planned_version, devices=spec.processes,
                nodes=spec.machines, elastic=spec.elastic,
            )  # fmt: skip
        return key

    def alike(
        self, kind: Kind[S, R], spec: S, number: str, role: str, resource: str | None = None
    ) -> Callable[[str, int, str], str]:
        """What adds jobs that differ from one another in one whole number and in the one job that each needs, as `add`
        would: of its label, its number, and the key of what it needs. A plan has tens of thousands, and what they share
        is made JSON once.

        spec: of any of them. number: the field of it that differs. role: of what each needs.
        """
        row, keyed = spec.row_and_key({})
        counted = _keyed(spec, keyed)
        assert isinstance(counted, dict) and number in row and number in counted
        text = _ENCODER.encode(_decides(kind, {**counted, number: _NUMBER}, [[_NEED, role]]))
        first, rest = text.split(_ENCODER.encode(_NEED))
        middle, last = rest.split(_ENCODER.encode(_NUMBER))
        shared = vars(
            PlannedJob(
                "", kind.name, "", row, resource or kind.resource, self._priority(kind), fair=self._fair,
                version=kind.planned_version, devices=spec.processes, nodes=spec.machines, elastic=spec.elastic,
            )
        )  # fmt: skip

        def add(label: str, its_number: int, need: str) -> str:
            key = hashlib.sha256(f'{first}"{need}"{middle}{its_number}{last}'.encode()).hexdigest()
            if key not in self._jobs:
                # Setting each of its fields would take as long as all else here.
                planned = object.__new__(PlannedJob)
                vars(planned).update(
                    shared, key=key, label=self._own(label), spec={**row, number: its_number},
                    needs=(Dependency(need, role),),
                )  # fmt: skip
                self._jobs[key] = planned
            return key

        return add

    def _own(self, label: str) -> str:
        self._labels[label] += 1
        return label if self._labels[label] == 1 else f"{label} ({self._labels[label]})"

    def _priority(self, kind: Kind[S, R]) -> int:
        return kind.priority if self._fair or kind.finish_first is None else kind.finish_first

    @property
    def jobs(self) -> list[PlannedJob]:
        """With the runs they are of."""
        return [
            replace(planned, runs=tuple(self._runs[planned.key])) if planned.key in self._runs else planned
            for planned in self._jobs.values()
        ]


def _keyed(spec: Spec, keyed: Json) -> Json:
    """What of a job's parameters its key is made of. keyed: of all that is not aside."""
    counted = spec.keyed()
    return keyed if counted is spec else key_json(counted)


def _decides(kind: Kind[S, R], keyed: Json, needs: Json) -> dict[str, Json]:
    """All that a job's key is the digest of."""
    return {"kind": kind.name, "version": kind.version, "spec": keyed, "needs": needs}


def digest(value: object) -> str:
    """SHA-256 of its JSON."""
    return hashlib.sha256(_ENCODER.encode(value).encode()).hexdigest()
