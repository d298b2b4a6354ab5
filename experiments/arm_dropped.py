"""An ablation planned without one of its arms."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ValidationError

from db import code, plans, queries, removal
from db.engine import Database
from db.plans import Plan
from db.remote import Remote
from db.removal import Part
from db.rows import AblationRow
from errors import ConfigError
from experiments.planned_otherwise import done_again
from experiments.registry import experiment_of
from settings.home import Home
from settings.json_values import JsonObject
from settings.names import found
from settings.shown import shown
from settings.suggestions import listed, meant
from settings.typed import typed


def arm_named(ablation: AblationRow, arm: str) -> str:
    """The name of the arm, or row of a policy, that is meant. Raises ConfigError where there is none."""
    names = _arms(ablation.config)
    meant_one = found(arm, names)
    if meant_one not in names:
        raise ConfigError(
            f"there is no arm {shown(arm)}{meant(arm, names)} in this ablation; its arms: {listed(names)}"
        )
    return meant_one


def drop(
    database: Database, home: Home, remote: Remote | None, ablation: AblationRow, arm: str, now: float
) -> Part:
    """Take an arm, or the row of a policy, out of an ablation, which is planned without it. Returns what went.

    Raises ConfigError as `plan_without`, IllegalMove and HomeInUse as `db.removal.drop_arm`, Overtaken where it grew
    meanwhile.
    """
    arm = arm_named(ablation, arm)
    plan = plan_without(database, ablation, arm)
    relink = plans.in_place_of(ablation, plan, now, f"without {arm}")
    return removal.drop_arm(database, home, remote, ablation.id, arm, relink, now)


def plan_without(database: Database, ablation: AblationRow, arm: str) -> Plan:
    """The plan of the ablation's settings without this arm, or this row of a policy.

    Raises ConfigError where it has no such arm or no other, where its settings mean nothing to this build, and where
    its other arms would come to other jobs than they have: what was done of them would be lost.
    """
    arm = arm_named(ablation, arm)
    settings = {**ablation.config, "arms": _others(database, ablation, arm)}
    experiment = experiment_of(settings)
    try:
        config = experiment.config_class.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ConfigError(
            f"ablation {ablation.name} cannot be planned without {shown(arm)} ({where}: {first['msg']})"
        ) from None
    code.admit(database, settings)
    plan = experiment.plan(config, queries.specs_of(database, ablation.id, experiment.kept_kinds))
    jobs = queries.jobs_of(database, ablation.id)
    lacking = {job.key for job in jobs if job.arm not in (None, arm)} - {job.key for job in plan.jobs}
    if lacking:
        raise ConfigError(
            f"ablation {ablation.name} ({ablation.id}) is planned otherwise now than it was, so {shown(arm)} is not "
            f"dropped: {len(lacking)} jobs of its other arms would be done again ({done_again(jobs, plan)})"
        )
    return plan


def _others(database: Database, ablation: AblationRow, arm: str) -> object:
    """`arms` as it was written, names or rows by name, less one."""
    arms, names = ablation.config.get("arms"), _arms(ablation.config)
    if len(names) == 1:
        raise ConfigError(
            f"{shown(arm)} is its only arm; to remove all of it: "
            + typed(f"ablation remove {ablation.id}", database.home)
        )
    if isinstance(arms, Mapping):
        return {name: row for name, row in arms.items() if name != arm}
    return [name for name in names if name != arm]


def _arms(settings: JsonObject) -> list[str]:
    arms = settings.get("arms")
    return list(map(str, arms)) if isinstance(arms, (list, tuple, Mapping)) else []
