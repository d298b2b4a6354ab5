"""The rule for builds: what one build began is ended by its own arithmetic, or done again on purpose.

A job's row says which version of its kind's body was planned. Workers run no other version of it, so no result is
half one build's and half another's. An ablation whose open jobs this build has goes on to the result it would have
had; one whose open jobs it has not is refused, with the command that plans it again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from db import builds, jobs, plans, queries
from db.engine import Database
from db.plans import Plan
from db.rows import AblationRow
from db.states import CANCELLED
from detectors.registry import make_detector
from detectors.spec import DetectorSpec
from detectors.targets.table import TARGETS_VERSION
from errors import BatonError, ConfigError, InvalidInput, OtherBuild
from experiments.planned_otherwise import done_again
from experiments.reconvla.config import AblationConfig
from settings.home import Home
from settings.json_values import JsonObject
from settings.typed import typed
from tasks.changes import reasons_of_versions
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


@dataclass(frozen=True)
class PlannedAgain:
    """An ablation that took the place of another. kept, added: jobs it shares with earlier work, and its own."""

    ablation_id: int
    name: str
    kept: int
    added: int


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
            of_ablation.update(_other_detectors(builds.specs(database, ablation_id, _detecting())))
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


def with_the_same_settings(database: Database, config: AblationConfig, plan: Plan) -> AblationRow | None:
    """The newest ablation that was planned otherwise with these settings; None where there is none, or this
    very plan is there already.
    """
    rows = [row for row in queries.ablation_rows(database) if row.intent != CANCELLED]
    if any(row.key == plan.key for row in rows):
        return None
    return next((row for row in reversed(rows) if _same_settings(row.config, config)), None)


def differences(database: Database, ablation_id: int) -> str:
    """What jobs of an ablation this build computes in another way: `gaze 5 (here 6)`; empty where it has all."""
    return ", ".join(
        _difference(kind, wanted)
        for kind, wanted in sorted(builds.versions_of(database, ablation_id).items())
        if kind not in KINDS or wanted != {KINDS[kind].version}
    )


def plan_again(database: Database, ablation: AblationRow, command: str, now: float) -> PlannedAgain:
    """Plan an ablation with this build; the new plan takes the place of the old one, whose open jobs are cancelled
    unless the new one has them too. Run again after it was interrupted, it completes.

    Raises ConfigError where its settings mean nothing to this build.
    """
    from experiments.reconvla.planner import Planner  # slow to import, and sessions only look

    try:
        config = AblationConfig.model_validate(ablation.config)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ConfigError(
            f"the settings of ablation {ablation.name} do not fit this build ({where}: {first['msg']}); submit it "
            "anew with settings that do, or end it with the build that planned it"
        ) from None
    plan = Planner(config).plan()
    again = done_again(queries.jobs_of(database, ablation.id), plan)
    submitted = plans.submit(database, plan, command, now)
    if submitted.ablation_id != ablation.id:
        message = (
            f"{plan.name}: planned again by this build in place of ablation {ablation.id}; "
            f"{submitted.jobs_shared} jobs kept, {submitted.jobs_added} new: {again}"
        )
        builds.supersede(database, ablation.id, submitted.ablation_id, message, now)
        jobs.cancel(database, jobs.Target("ablation", ablation.id, f"ablation {ablation.name}"), now)
    return PlannedAgain(submitted.ablation_id, plan.name, submitted.jobs_shared, submitted.jobs_added)


def _same_settings(stored: JsonObject, config: AblationConfig) -> bool:
    try:
        return AblationConfig.model_validate(stored) == config
    except ValidationError:
        return False


def _difference(kind: str, wanted: set[int]) -> str:
    told = " and ".join(
        "of an unknown version" if version == 0 else str(version) for version in sorted(wanted)
    )
    here = f"here {KINDS[kind].version}" if kind in KINDS else "not here"
    if kind in KINDS:
        why = "; ".join(reasons_of_versions(kind, min(wanted), KINDS[kind].version))
        here += f": {why}" if why else ""
    return f"{kind} {told} ({here})"


def _detecting() -> tuple[str, ...]:
    return tuple(name for name, kind in KINDS.items() if any(spec.may_detect for spec in kind.specs))


def _other_detectors(specs: Sequence[tuple[str, JsonObject]]) -> Counter[str]:
    """What is planned with code of detectors or targets that is not this build's. A detector whose weights are not
    on this machine is judged by the job itself.
    """
    found: Counter[str] = Counter()
    here: dict[tuple[str, object], str | None] = {}
    for kind, values in specs:
        try:
            about = KINDS[kind].spec_of(values).finds_with
        except InvalidInput:  # the job itself says what is wrong with it
            continue
        if about is None:
            continue
        key = about.detector, about.options
        if key not in here:
            here[key] = _detector_version(about)
        if about.targets != TARGETS_VERSION:
            found[f"targets {about.targets} (here {TARGETS_VERSION})"] += 1
        elif about.version is not None and here[key] is not None and here[key] != about.version:
            found[f"detector {about.detector} {about.version} (here {here[key]})"] += 1
    return found


def _detector_version(about: DetectorSpec) -> str | None:
    try:
        return make_detector(about.detector, **about.keywords).version
    except BatonError:
        return None
