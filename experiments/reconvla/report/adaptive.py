"""From records to the looks at adaptive seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from experiments.design.decision import decide, models_of
from experiments.design.measures import measure_named
from experiments.reconvla.adaptive import rules_of
from experiments.reconvla.config import AblationConfig
from experiments.reconvla.judged import results_of
from experiments.reconvla.report.metric import TASKS_IN_A_ROW
from experiments.reconvla.report.parts.looks import Looks
from settings.json_values import JsonObject, section
from tasks.records import JobRecord


def adaptive_looks(settings: JsonObject, jobs: Sequence[JobRecord], title: Callable[[str], str]) -> Looks:
    """What `experiments.design.rounds` decides of the same results; empty where seeds are named. title: of an arm."""
    if "adaptive" not in section(settings, "seeds"):
        return Looks()
    rules = rules_of(AblationConfig.model_validate(settings))
    assert rules is not None
    measure = measure_named(TASKS_IN_A_ROW, rules.measure, "measure")
    decisions = decide(rules, models_of(results_of(jobs), measure))
    return Looks(rules, measure, decisions, {arm: title(arm) for arm in (rules.baseline, *rules.arms)})
