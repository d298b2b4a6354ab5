"""Ablations of another build that are planned with this one."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError

from db import builds, code, jobs, plans, queries
from db.engine import Database
from db.rows import AblationRow
from errors import ConfigError
from experiments.planned_otherwise import done_again
from experiments.registry import experiment_of


@dataclass(frozen=True)
class PlannedAgain:
    """An ablation that took the place of another. kept, added: jobs it shares with earlier work, and its own."""

    ablation_id: int
    name: str
    kept: int
    added: int


def plan_again(database: Database, ablation: AblationRow, command: str, now: float) -> PlannedAgain:
    """Plan an ablation with this build; the new plan takes the place of the old one, whose open jobs are cancelled
    unless the new one has them too. Run again after it was interrupted, it completes.

    Raises ConfigError where its settings mean nothing to this build.
    """
    experiment = experiment_of(ablation.config)
    try:
        config = experiment.config_class.model_validate(ablation.config)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ConfigError(
            f"the settings of ablation {ablation.name} do not fit this build ({where}: {first['msg']}); submit it "
            "anew with settings that do, or end it with the build that planned it"
        ) from None
    code.admit(database, ablation.config)
    plan = experiment.plan(config, queries.specs_of(database, ablation.id, experiment.kept_kinds))
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
