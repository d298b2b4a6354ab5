"""Ablations of another build that are planned with this one."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ValidationError

from db import builds, jobs, plans, queries
from db.engine import Database
from db.plans import Plan
from db.rows import AblationRow
from db.states import CANCELLED
from errors import ConfigError
from experiments.planned_otherwise import done_again
from experiments.registry import experiment_of
from settings.json_values import JsonObject


@dataclass(frozen=True)
class PlannedAgain:
    """An ablation that took the place of another. kept, added: jobs it shares with earlier work, and its own."""

    ablation_id: int
    name: str
    kept: int
    added: int


def with_the_same_settings(database: Database, config: BaseModel, plan: Plan) -> AblationRow | None:
    """The newest ablation that was planned otherwise with these settings; None where there is none, or this
    very plan is there already.
    """
    rows = [row for row in queries.ablation_rows(database) if row.intent != CANCELLED]
    if any(row.key == plan.key for row in rows):
        return None
    return next((row for row in reversed(rows) if _same_settings(row.config, config)), None)


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
    plan = experiment.plan(config)
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


def _same_settings(stored: JsonObject, config: BaseModel) -> bool:
    try:
        return experiment_of(stored).config_class.model_validate(stored) == config
    except ValidationError:
        return False
