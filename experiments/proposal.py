"""What submitting a configuration means in a home: a new ablation, more of one that is there, or that one as it is."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from pydantic import BaseModel, ValidationError

from db import code, naming, queries
from db.engine import Database
from db.jobs.control import PAUSED
from db.plans import Plan
from db.rows import AblationRow
from db.states import CANCELLED
from errors import ConfigError
from experiments.design.feasible import need_decidable
from experiments.planned_otherwise import done_again, edited
from experiments.registry import Experiment, experiment_of
from settings.names import look
from settings.shown import cut, moment, shown
from tasks.fetch import FETCH, PLAN
from tasks.registry import REPORT

#: Kinds of job that bring the data of an ablation, and then plan it.
BEFOREHAND = (FETCH.name, PLAN.name)


@dataclass(frozen=True)
class Proposal:
    """A configuration, planned for a home.

    config: as asked, with what the ablation of its name has besides. there: that ablation, None where there is none.
    otherwise: what of it is planned otherwise than it was, a part of a sentence; then the plan is a new ablation beside
    it. more: whether that ablation gets anything that it has not. told: what is new and what stays. kept: jobs of the
    plan that `there` has; shared: those that others have; new.
    """

    config: BaseModel
    plan: Plan
    there: AblationRow | None = None
    otherwise: str = ""
    more: bool = False
    told: tuple[str, ...] = ()
    kept: int = 0
    shared: int = 0
    new: int = 0

    @property
    def grows(self) -> bool:
        """Whether the ablation that is there gets another plan."""
        return self.there is not None and not self.otherwise and self.there.key != self.plan.key


def propose(config: BaseModel, database: Database | None) -> Proposal:
    """Plan a configuration for a home; None where there is none yet. Nothing is written.

    Raises ConfigError, as planning does; for adaptive seeds that cannot decide what they shall; and where the ablation
    of this name has other settings, says which.
    """
    experiment = experiment_of(config.model_dump(mode="json"))
    name = str(getattr(config, "name"))  # noqa: B009
    rows = [] if database is None else queries.ablation_rows(database)
    alike = [row for row in rows if look(row.name) == look(name)]
    called = [row for row in alike if row.name == name] or alike
    living = [row for row in called if row.intent != CANCELLED]
    config = experiment.pinned(config, [row.config for row in reversed(living)])
    if database is None or not living:
        plan = experiment.plan(config)
        same = next((row for row in rows if row.key == plan.key), None)
        if database is None or same is None:
            if not called and (sentence := naming.means_another(rows, name)):
                raise ConfigError(f"name: {sentence}")
            told = [] if database is None else _called_before(experiment, database, config, name)
            need_decidable(experiment, config, database)
            return _counted(Proposal(config, plan, told=tuple(told)), database, {})
        told = [f"goes on, called {shown(same.name)} now"] if same.name != name else []
        proposal = Proposal(config, plan, same, told=(*told, *_stopped(same)))
        return _counted(proposal, database, queries.keys_of(database, same.id))
    there, stored, whole = _matching(experiment, living, config, {row.name for row in rows})
    code.admit(database, whole.model_dump(mode="json"))
    kept = queries.specs_of(database, there.id, experiment.kept_kinds)
    try:
        plan = experiment.plan(whole, kept)
    except ConfigError as error:
        if whole == stored:
            raise
        raise ConfigError(f"ablation {there.name} ({there.id}) cannot grow like this: {error}") from None
    keys = queries.keys_of(database, there.id)
    planned = {job.key for job in plan.jobs}
    if is_fetched_first(plan) and any(kind not in BEFOREHAND for kind in keys.values()):
        raise ConfigError(
            f"ablation {there.name} ({there.id}) was planned with data that are not whole on this machine: go on with "
            "it by up, or bring them here first by data fetch"
        )
    lacks = [
        kind for key, kind in keys.items() if key not in planned and kind not in (REPORT.name, *BEFOREHAND)
    ]
    jobs = queries.jobs_of(database, there.id) if lacks else []
    if changed := edited(jobs, plan):
        raise ConfigError(
            f"ablation {there.name} ({there.id}) is in this home, and what {', '.join(changed)} names holds something "
            f"else now than when it was planned; put that back, or give this one another name: "
            f"--name {_free(there.name, {row.name for row in rows})}"
        )
    otherwise = done_again(jobs, plan) if lacks else ""
    told = experiment.told(stored, whole, config)
    if whole == stored and not otherwise and plan.key != there.key:  # it was renamed
        told = [*told, "its report is made anew"]
    more = whole != stored
    return _counted(Proposal(whole, plan, there, otherwise, more, (*told, *_stopped(there))), database, keys)


def _called_before(
    experiment: Experiment[BaseModel], database: Database, config: BaseModel, name: str
) -> list[str]:
    """What to say of ablations that had this name. Raises ConfigError where one of them would grow: nobody knows
    whether that is meant, or a new one."""
    told = []
    names = {row.name for row in queries.ablation_rows(database)}
    for row, until in naming.called_before(database, name):
        if row.intent == CANCELLED:
            continue
        was = f"ablation {row.id} was called {shown(name)} until {moment(until)} and is called {shown(row.name)} now"
        try:
            if experiment_of(row.config) is not experiment:
                raise ConfigError("they are of another experiment")
            experiment.grown(experiment.config_class.model_validate(row.config), config)
        except (ValidationError, ConfigError):
            told.append(f"{was}; it has other settings, and stays as it is")
        else:
            raise ConfigError(
                f"{was}, with settings that go together with these: add to it with --name {shlex.quote(row.name)}, or "
                f"submit a new one with --name {_free(name, names)}"
            )
    return told


def is_fetched_first(plan: Plan) -> bool:
    """Whether its jobs bring data, and the last of them plans all others."""
    return any(job.kind == PLAN.name for job in plan.jobs)


def _stopped(there: AblationRow) -> list[str]:
    """What submitting it again ends."""
    return [f"it was {there.intent}"] if there.intent in (PAUSED, CANCELLED) else []


def _counted(proposal: Proposal, database: Database | None, there: dict[str, str]) -> Proposal:
    keys = {job.key for job in proposal.plan.jobs}
    known = set() if database is None else queries.known_keys(database, keys - there.keys())
    kept = len(keys & there.keys())
    return Proposal(
        proposal.config, proposal.plan, proposal.there, proposal.otherwise, proposal.more, proposal.told,
        kept=kept, shared=len(known), new=len(keys) - kept - len(known),
    )  # fmt: skip


def _matching(
    experiment: Experiment[BaseModel], living: list[AblationRow], config: BaseModel, names: set[str]
) -> tuple[AblationRow, BaseModel, BaseModel]:
    """The newest ablation that the settings go together with, its settings, and those of both.

    Raises ConfigError where there is none; as planning does, for settings that are wrong whatever they are called.
    """
    reason = ""
    for row in reversed(living):
        try:
            if experiment_of(row.config) is not experiment:
                raise ConfigError("they are of another experiment")
            stored = experiment.config_class.model_validate(row.config)
            return row, stored, experiment.grown(stored, config)
        except ValidationError:
            reason = reason or "its settings are of another build of Baton"
        except ConfigError as error:
            reason = reason or str(error)
    experiment.plan(config)
    newest = living[-1]
    raise ConfigError(
        f"ablation {newest.name} ({newest.id}) is in this home with other settings: {reason}. An ablation grows by "
        f"seeds, sequences and rows; give this one another name: --name {_free(newest.name, names)}"
    )


def _free(name: str, names: set[str]) -> str:
    number = 2
    while f"{name}-{number}" in names:
        number += 1
    return shown(f"{cut(name, 90)}-{number}").strip("'\"")
