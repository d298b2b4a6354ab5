"""The rule for builds: what one build began is ended by its own arithmetic, or done again on purpose.

A job's row says which version of its kind's body was planned. Workers run no other version of it, so no result is
half one build's and half another's. An ablation whose open jobs this build has goes on to the result it would have
had; one whose open jobs it has not is refused, with the command that plans it again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from db import builds
from db.engine import Database
from errors import InvalidInput, OtherBuild
from settings.home import Home
from settings.json_values import JsonObject
from settings.typed import typed
from tasks.kind import Part
from tasks.registry import KINDS, versions


@dataclass(frozen=True)
class Outdated:
    """An ablation that this build cannot end. differences: `gaze 5 (here 6)`."""

    ablation_id: int
    name: str
    jobs: int
    differences: tuple[str, ...]

    def sentence(self, home: Home) -> str:
        """What is the matter and what to type."""
        some, were = ("1 job of", "was") if self.jobs == 1 else (f"{self.jobs} jobs of", "were")
        return (
            f"{some} ablation {self.name} {were} planned by another build of Baton, with "
            f"{', '.join(self.differences)}; end it with that build, or do again with this one what differs: "
            + typed(f"upgrade {self.ablation_id}", home)
        )


def outdated(database: Database, *, all_unfinished: bool = False) -> list[Outdated]:
    """Ablations with open jobs that this build cannot run, oldest first.

    all_unfinished: also those whose jobs are paused, or failed.
    """
    known = set(versions())
    names: dict[int, str] = {}
    differences: dict[int, Counter[str]] = {}
    for row in builds.unfinished(database):
        if not all_unfinished and (row.held or row.state not in builds.OPEN):
            continue
        names[row.ablation_id] = row.ablation
        of_ablation = differences.setdefault(row.ablation_id, Counter())
        if row.version is not None and (row.kind, row.version) not in known:
            of_ablation[_difference(row.kind, {row.version})] += row.jobs
    for ablation_id, of_ablation in differences.items():
        if not of_ablation:
            of_ablation.update(_other_parts(builds.specs(database, ablation_id, _with_parts())))
    return [
        Outdated(ablation_id, names[ablation_id], sum(counted.values()), tuple(counted))
        for ablation_id, counted in sorted(differences.items())
        if counted
    ]


def check_build(home: Home, database: Database) -> None:
    """Raises OtherBuild where an open ablation wants what this build does not have."""
    found = outdated(database)
    if found:
        raise OtherBuild(found[0].sentence(home))


def note_other_builds(home: Home, database: Database, now: float) -> list[str]:
    """For sessions that serve several ablations: an event once for each that waits for another build.

    Returns the sentences that are new.
    """
    sentences = [(entry.ablation_id, entry.sentence(home)) for entry in outdated(database)]
    return [text for ablation_id, text in sentences if builds.note_once(database, ablation_id, text, now)]


def differences(database: Database, ablation_id: int) -> str:
    """What jobs of an ablation this build computes in another way: `gaze 5 (here 6)`; empty where it has all."""
    return ", ".join(
        _difference(kind, wanted)
        for kind, wanted in sorted(builds.versions_of(database, ablation_id).items())
        if kind not in KINDS or wanted != {KINDS[kind].version}
    )


def _difference(kind: str, wanted: set[int]) -> str:
    told = " and ".join(
        "of an unknown version" if version == 0 else str(version) for version in sorted(wanted)
    )
    here = f"here {KINDS[kind].version}" if kind in KINDS else "not here"
    if kind in KINDS:
        why = "; ".join(KINDS[kind].reasons(min(wanted), KINDS[kind].version))
        here += f": {why}" if why else ""
    return f"{kind} {told} ({here})"


def _with_parts() -> tuple[str, ...]:
    return tuple(name for name, kind in KINDS.items() if any(spec.has_parts for spec in kind.specs))


def _other_parts(specs: Sequence[tuple[str, JsonObject]]) -> Counter[str]:
    """Parts of jobs that are not this build's."""
    found: Counter[str] = Counter()
    here: dict[Part, str | None] = {}
    for kind, values in specs:
        try:
            spec = KINDS[kind].spec_of(values)
        except InvalidInput:  # the job itself says what is wrong with it
            continue
        part = spec.part
        if part is None:
            continue
        if part not in here:
            here[part] = part.difference()
        told = here[part]
        if told is not None:
            found[told] += 1
    return found
