"""Doing stored work again and comparing digests: is what the home says it has what its inputs give?

A unit is one slice of a training job, from a stored checkpoint to the next, or a whole job of another kind.
Digests recomputed over tampered bytes do not help: the bytes themselves must come out again.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from db import audits
from db.engine import Database
from db.states import SUCCEEDED
from db.store import ArtifactStore, file_sha256
from errors import ArtifactDamaged
from tasks.context import Draft, Finished, InputFile, Point, Result, TaskContext
from tasks.local_context import LocalContext
from tasks.registry import body_of, kind_named
from workers.attempt import describe
from workers.environment import FOR_PEOPLE, attempt_environment

EQUAL, DIFFERENT, DAMAGED, NOT_COMPARABLE = "equal", "different", "damaged", "not comparable"

#: Kinds that are audited, and how their units are counted by `--slices` and `--others`.
SLICED = ("pretrain", "train")
WHOLE = ("ingest", "gaze", "index", "evaluate", "attention")


@dataclass(frozen=True)
class Unit:
    """Work to do again: `job_id` from step `first` (0: from the beginning) to step `last`."""

    job_id: int
    kind: str
    label: str
    first: int
    last: int
    expected: Mapping[str, str]  # artifact name -> digest at `last`

    @property
    def name(self) -> str:
        return f"{self.label}, steps {self.first}-{self.last}" if self.kind in SLICED else self.label


@dataclass(frozen=True)
class Finding:
    """What came of a unit."""

    unit: str
    verdict: str
    why: str = ""


class AuditContext(LocalContext):
    """Runs a body from a stored checkpoint to another, and keeps what it makes out of the home."""

    def __init__(self, folder: Path, given: audits.Given, unit: Unit, inputs: Sequence[InputFile]) -> None:
        super().__init__(folder, given.spec, inputs)
        self.step = self.reached = unit.first
        self.learned = given.learned
        self.made: dict[str, str] = {}
        self._unit = unit
        self._points = given.points
        self._at = unit.first

    def points(self, name: str) -> list[Point]:
        return [Point(n, step, value) for n, step, value in self._points if n == name and step <= self.step]

    def should_stop(self) -> str | None:
        return "audit" if self._unit.kind in SLICED and self._at >= self._unit.last else None

    def report_progress(self, step: int, total: int, values: Mapping[str, float] | None = None) -> None:
        self._at = step

    def publish(self, step: int, artifacts: Sequence[Draft], points: Sequence[Point] = ()) -> dict[str, str]:
        digests = {draft.name: file_sha256(draft.file) for draft in artifacts}
        self.step = step
        if self._unit.kind not in SLICED or step == self._unit.last:
            self.made.update(digests)
        return digests


def audit(
    database: Database,
    store: ArtifactStore,
    ablation_id: int | None,
    folder: Path,
    *,
    slices: int | None,
    others: int | None,
    seed: int,
    on_finding: Callable[[Finding], None] = lambda _finding: None,
) -> list[Finding]:
    """Do a random sample again; None for a count means all. `folder` is for what is made, and emptied."""
    chance = random.Random(seed)
    units = units_of(database, ablation_id)
    chosen = []
    for kinds, count in ((SLICED, slices), (WHOLE, others)):
        these = [unit for unit in units if unit.kind in kinds]
        chosen += (
            these if count is None else sorted(chance.sample(these, min(count, len(these))), key=these.index)
        )
    findings = []
    for unit in chosen:
        finding = redo(database, store, unit, folder)
        on_finding(finding)
        findings.append(finding)
    return findings


def units_of(database: Database, ablation_id: int | None) -> list[Unit]:
    """Everything that can be done again: what succeeded, and the checkpoints that are still there."""
    units = []
    for row in audits.audited_jobs(database, ablation_id, (*SLICED, *WHOLE)):
        if row.kind in WHOLE:
            final = {item.name: item.sha256 for item in row.artifacts if item.final}
            if final and row.state == SUCCEEDED:
                units.append(Unit(row.id, row.kind, row.label, 0, row.artifacts[-1].step, final))
            continue
        first = 0
        for step in sorted({item.step for item in row.artifacts}):
            units.append(Unit(row.id, row.kind, row.label, first, step, _at(row.artifacts, step)))
            first = step
    return units


def redo(database: Database, store: ArtifactStore, unit: Unit, folder: Path) -> Finding:
    """Run the unit's body again and compare what it makes."""
    given = audits.given(database, unit.job_id, unit.first, unit.last)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    failure = None
    try:
        context = AuditContext(folder, given, unit, [_input(store, row.role, row) for row in given.inputs])
        context.resume = [_input(store, "resume", row) for row in given.resume]
        for row in given.outputs:
            store.verified(row.path, row.sha256)
        made = _made(context, body_of(unit.kind))
    except ArtifactDamaged as error:
        return Finding(unit.name, DAMAGED, str(error))
    except Exception as error:
        made, failure = {}, f"doing it again failed: {describe(error)}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    different = sorted(name for name, digest in unit.expected.items() if made.get(name) != digest)
    if not different:
        return Finding(unit.name, EQUAL)
    foreign = _other_environment(unit.kind, given.environment)
    if foreign:
        return Finding(unit.name, NOT_COMPARABLE, f"made with other {', '.join(foreign)}")
    return Finding(unit.name, DIFFERENT, failure or f"{', '.join(different)} came out with other bytes")


def _made(context: AuditContext, body: Callable[[TaskContext], Result]) -> Mapping[str, str]:
    result = body(context)
    if isinstance(result, Finished):
        context.made.update({draft.name: file_sha256(draft.file) for draft in result.artifacts})
    return context.made


def _other_environment(kind: str, then: Mapping[str, Any] | None) -> list[str]:
    """Names of what differs between the environment of then and this one; empty where they agree."""
    if not then:
        return ["environment, which was not recorded"]
    now = {**attempt_environment(str(then.get("device", "cpu"))), "body": kind_named(kind).version}
    return [name for name, value in then.items() if name not in FOR_PEOPLE and now.get(name) != value]


def _at(artifacts: Sequence[Any], step: int) -> dict[str, str]:
    return {item.name: item.sha256 for item in artifacts if item.step == step}


def _input(store: ArtifactStore, role: str, row: Any) -> InputFile:
    path = store.verified(row.path, row.sha256)
    return InputFile(role, row.kind, row.name, path, row.path, row.sha256, row.step)
