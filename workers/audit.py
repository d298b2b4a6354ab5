"""Doing stored work again and comparing: is what the home says it has what its inputs give?

A unit is one slice of a training job, from a stored checkpoint to the next, or a whole job of another kind.
Digests recomputed over tampered bytes do not help: the bytes themselves must come out again, and so must every
figure that the job left in the database. All bytes are hashed, whatever is done again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from db import audits, verification
from db.code import sources_for
from db.engine import Database
from db.rows import FileRow
from db.states import SUCCEEDED
from db.store import ArtifactStore
from errors import ArtifactDamaged, InvalidInput
from settings.json_values import JsonObject
from tasks.context import InputFile
from tasks.kind import Spec, decides
from tasks.memory_limits import MemoryLimits
from tasks.registry import KINDS, AnyKind, kind_named
from workers.audit_process import Again, Made, Work, ranks_of, work_threads
from workers.audit_sample import Stratum, sample, strata
from workers.audited_figures import different_figures
from workers.retention import retention

EQUAL, DIFFERENT, DAMAGED, NOT_COMPARABLE = "equal", "different", "damaged", "not comparable"


@dataclass(frozen=True)
class Unit:
    """Work to do again: `job_id` from step `first` (0: from the beginning) to step `last`.

    expected: digests at `last` by name. ends: the job has succeeded with it. step: the last that the job's row tells.
    """

    job_id: int
    kind: AnyKind
    label: str
    first: int
    last: int
    expected: Mapping[str, str]
    ends: bool
    step: int
    target_steps: int

    @property
    def stratum(self) -> str:
        return f"slices of {self.kind.name}" if self.kind.sliced else self.kind.name

    @property
    def is_slice(self) -> bool:
        return self.kind.sliced

    @property
    def name(self) -> str:
        return f"{self.label}, steps {self.first}-{self.last}" if self.kind.sliced else self.label


@dataclass(frozen=True)
class Finding:
    """What came of a unit, or of an artifact whose bytes are not sound."""

    unit: str
    verdict: str
    why: str = ""


#: Does work under the environment of an attempt: `workers.audit_process.Again`.
Doer = Callable[[Work, JsonObject | None], Made]


def audit(
    database: Database,
    store: ArtifactStore,
    ablation_id: int | None,
    folder: Path,
    log: Path,
    *,
    slices: int | None,
    others: int | None,
    seed: int,
    on_finding: Callable[[Finding], None] = lambda _finding: None,
    on_bytes: Callable[[int, int], None] = lambda _done, _total: None,
) -> tuple[list[Finding], list[Stratum]]:
    """Hash all that was made, and do a random sample of the work again; None for a count means all.

    folder: for what is made, and emptied. log: what the bodies print. One finding for each unit that was done again,
    in their order, after one for each artifact that is damaged or missing; and by kind how much was done again.
    """
    checked = verification.verify(database, store, retention(), on_bytes, ablation_id)
    findings = [_unsound(entry) for entry in checked if entry.state in verification.BAD]
    for finding in findings:
        on_finding(finding)
    gone = {entry.path for entry in checked if entry.state == verification.LEFT_BEHIND}
    units = units_of(database, ablation_id)
    chosen, equal = sample(units, slices, others, seed), []
    with Again(folder, log) as again:
        for place, unit in enumerate(chosen):
            finding = redo(database, store, unit, again, gone)
            on_finding(finding)
            findings.append(finding)
            equal += [place] if finding.verdict == EQUAL else []
    return findings, strata(units, chosen, equal)


def _unsound(entry: verification.Checked) -> Finding:
    return Finding(f"{entry.job}: {entry.name}, step {entry.step}", DAMAGED, f"{entry.path} is {entry.state}")


def units_of(database: Database, ablation_id: int | None) -> list[Unit]:
    """Everything that can be done again: what succeeded, and the checkpoints that are still there."""
    units = []
    audited = [name for name, kind in KINDS.items() if not kind.unaudited]
    for row in audits.audited_jobs(database, ablation_id, audited):
        kind = kind_named(row.kind)
        ended = row.state == SUCCEEDED
        last = row.artifacts[-1].step
        if not kind.sliced:
            final = {item.name: item.sha256 for item in row.artifacts if item.final}
            if final and ended:
                units.append(Unit(row.id, kind, row.label, 0, last, final, True, row.step, row.target_steps))
            continue
        first = 0
        for step in sorted({item.step for item in row.artifacts}):
            expected = {item.name: item.sha256 for item in row.artifacts if item.step == step}
            ends = ended and step == last
            units.append(
                Unit(row.id, kind, row.label, first, step, expected, ends, row.step, row.target_steps)
            )
            first = step
    return units


def redo(
    database: Database, store: ArtifactStore, unit: Unit, again: Doer, gone: Collection[str] = ()
) -> Finding:
    """Run the unit's body again and compare what it makes. `gone`: paths of artifacts that nothing needs any more."""
    try:
        given = audits.given(database, unit.job_id, unit.first, unit.last, unit.ends)
        lost = [row.path for row in (*given.inputs, *given.resume) if row.path in gone]
        if lost:
            return Finding(
                unit.name, NOT_COMPARABLE, f"{lost[0]}, which it read, was removed as nothing needs it"
            )
        for row in given.outputs:
            if row.path not in gone:
                store.verified(row.path, row.sha256)
        then = next((one for one in given.environments if one is not None), None)
        spec = unit.kind.spec_of(given.spec)
        if MemoryLimits.of_row(given.learned).devices is not None:  # work of before was done over others
            spec = spec.divided_over(ranks_of(then))
        code = {source.digest: source.files for source in sources_for(database, given.spec)}
        made = again(_work_of(unit, spec, given, then, store, code), then)
    except ArtifactDamaged as error:
        return Finding(unit.name, DAMAGED if error.path else NOT_COMPARABLE, str(error))
    except InvalidInput as error:
        return Finding(unit.name, NOT_COMPARABLE, str(error))
    if made.damaged is not None:
        return Finding(unit.name, DAMAGED, made.damaged)
    if made.lacking is not None:
        return Finding(unit.name, NOT_COMPARABLE, made.lacking)
    differences = _differences(unit, spec, given, then, made)
    if not differences:
        return Finding(unit.name, EQUAL)
    foreign = _other_environments(unit.kind, spec, given, made)
    if foreign:
        return Finding(unit.name, NOT_COMPARABLE, f"made with other {', '.join(foreign)}")
    return Finding(unit.name, DIFFERENT, made.failure or "; ".join(differences))


def _work_of(
    unit: Unit,
    spec: Spec,
    given: audits.Given,
    then: JsonObject | None,
    store: ArtifactStore,
    code: Mapping[str, Mapping[str, str]],
) -> Work:
    if any(map(spec.of_the_way, unit.expected)):
        spec = spec.keeping_all()
    return Work(
        unit.kind.name,
        spec.row(),
        given.learned,
        unit.first,
        unit.last if unit.kind.sliced else None,
        given.points,
        [_input(store, row.role, row) for row in given.inputs],
        [_input(store, "resume", row) for row in given.resume],
        str((then or {}).get("device", "cpu")),
        str((then or {}).get("gpu", "")),
        work_threads(spec, then),
        code,
    )


def _differences(
    unit: Unit, spec: Spec, given: audits.Given, then: JsonObject | None, made: Made
) -> list[str]:
    """What did not come out as it is stored, in words."""
    names = sorted(name for name, digest in unit.expected.items() if made.digests.get(name) != digest)
    if not unit.kind.sliced:
        more = made.digests.keys() - unit.expected.keys()
        names += sorted(name for name in more if not spec.of_the_way(name))
    found = [f"{', '.join(names)} came out with other bytes"] if names else []
    if made.failure is not None:
        return [*found, made.failure]
    # What earlier versions recorded may lack figures that were added since.
    exact = then is not None and "variables" in then
    stored = [point for point in given.measured if unit.ends or point[1] <= unit.last]
    found += different_figures(unit.kind, given.result, made.result, stored, made.points, exact)
    end = unit.target_steps if made.step is None else made.step
    if unit.kind.sliced and unit.ends and end != unit.step:
        found.append(f"the job's step is {unit.step}, it ends at {end}")
    return found


def _other_environments(kind: AnyKind, spec: Spec, given: audits.Given, made: Made) -> list[str]:
    """Names of what decides the kind's figures and differs from what they were made with; empty where all agrees."""
    names: dict[str, None] = {}
    for then in given.environments or [None]:
        if then is None:
            return ["environment, which was not recorded"]
        for name, value in then.items():
            if decides(name, kind, spec) and made.environment.get(name) != value:
                names[name] = None
        if "variables" not in then and decides("torch", kind, spec) and spec.cpu_threads is None:
            names["number of threads, which was not recorded"] = None
    return list(names)


def _input(store: ArtifactStore, role: str, row: FileRow) -> InputFile:
    path = store.verified(row.path, row.sha256)
    return InputFile(role, row.kind, row.name, path, row.path, row.sha256, row.step)
