"""Another round of an ablation, or its end: what is decided of results that do not change any more."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict

from pydantic import BaseModel, ValidationError

from db import code, jobs, queries, rounds
from db.engine import Database
from db.rows import AblationRow
from errors import BatonError, ConfigError, IllegalMove, Overtaken, StateDamaged, Stopped
from experiments.design.decision import ArmDecision, Rules, decide, models_of, sentence_of
from experiments.design.measures import measure_named
from experiments.planned_otherwise import done_again
from experiments.proposal import BEFOREHAND, is_fetched_first
from experiments.registry import Experiment, experiment_of
from settings.json_values import JsonObject
from settings.shown import one_line
from settings.typed_json import first_mistake
from tasks.job_records import records_of_jobs
from tasks.registry import REPORT


def play_round(database: Database, there: AblationRow, now: float) -> str | None:
    """Decide what `there`, whose jobs have all succeeded, is planned to do next. Returns a sentence of it; None where
    somebody else was first.

    Where it cannot be planned any more (data that moved, another build), the ablation is paused and an event says why;
    `unpause` tries again. What the machine is to blame for is told and leaves it as it is.
    """
    try:
        return _play(database, there, now)
    except Overtaken:
        return None
    except (StateDamaged, Stopped):
        raise
    except (BatonError, OSError) as error:
        sentence = f"{there.name}: its next round cannot be planned: {one_line(str(error))}"
        rounds.note_trouble(database, there, sentence, now)
        if isinstance(error, BatonError):
            with suppress(IllegalMove):  # it was cancelled meanwhile
                jobs.pause(database, jobs.Target("ablation", there.id, f"ablation {there.name}"), now)
        return sentence


def _play(database: Database, there: AblationRow, now: float) -> str:
    experiment = experiment_of(there.config)
    try:
        config = experiment.config_class.model_validate(there.config)
    except ValidationError as error:
        raise ConfigError(f"its settings do not fit this build: {first_mistake(error)}") from None
    design = experiment.design(config)
    if design is None or design.rules is None:
        raise ConfigError("its settings plan no rounds")
    decisions = decisions_of(database, experiment, there.id, design.rules)
    after = experiment.next_round(config, decisions)
    code.admit(database, there.config)
    plan = experiment.plan(after, queries.specs_of(database, there.id, experiment.kept_kinds))
    planned = {job.key for job in plan.jobs}
    has = queries.keys_of(database, there.id)
    if is_fetched_first(plan):
        raise ConfigError("its data are not whole on this machine; bring them here first by data fetch")
    aside = (REPORT.name, *BEFOREHAND)
    if any(key not in planned and kind not in aside for key, kind in has.items()):
        otherwise = done_again(queries.jobs_of(database, there.id), plan)
        raise ConfigError(f"this build plans it otherwise than it was planned: {otherwise}")
    measure = measure_named(experiment.metric, design.rules.measure, "measure")
    newest = max((look.seeds for one in decisions for look in one.looks), default=0)
    looked = [one for one in decisions if one.looks and one.looks[-1].seeds == newest]
    told = [(sentence_of(one, measure), _data(one)) for one in looked]
    rounds.decided(database, there, plan, told, now)
    return f"{there.name}: {'; '.join(text for text, _ in told)}"


def decisions_of(
    database: Database, experiment: Experiment[BaseModel], ablation_id: int, rules: Rules
) -> tuple[ArmDecision, ...]:
    """Of an ablation as it is now."""
    found = experiment.results(
        records_of_jobs(queries.jobs_of(database, ablation_id, experiment.judging_kinds))
    )
    return decide(rules, models_of(found, measure_named(experiment.metric, rules.measure, "measure")))


def _data(decision: ArmDecision) -> JsonObject:
    """Of an event: plain JSON."""
    look = decision.looks[-1]
    interval = None if look.interval is None else list(look.interval)
    return {"arm": decision.arm, "verdict": decision.verdict, **asdict(look), "interval": interval}
